// A report for people to read.

#ifndef CSC_SAMPLES_BENCHMARK_TABLE_H_
#define CSC_SAMPLES_BENCHMARK_TABLE_H_

#include <string>

#include "samples/benchmark/result.h"

namespace csc {

// The machine, the engines, the rivals.
std::string MachineText(const Report& report);

// A table for each network, phase and side; rivals with the best batch of each
// form.
std::string TablesText(const Report& report);

}  // namespace csc

#endif  // CSC_SAMPLES_BENCHMARK_TABLE_H_
