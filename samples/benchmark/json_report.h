// A report for programs to read.

#ifndef CSC_SAMPLES_BENCHMARK_JSON_REPORT_H_
#define CSC_SAMPLES_BENCHMARK_JSON_REPORT_H_

#include <string>

#include "samples/benchmark/result.h"

namespace csc {

// Every figure; units are in the names.
std::string JsonText(const Report& report);

}  // namespace csc

#endif  // CSC_SAMPLES_BENCHMARK_JSON_REPORT_H_
