// A report as pictures.

#ifndef CSC_SAMPLES_BENCHMARK_PICTURES_H_
#define CSC_SAMPLES_BENCHMARK_PICTURES_H_

#include <string>
#include <vector>

#include "samples/benchmark/result.h"

namespace csc {

// Draws what the report has figures for into `folder`, which is made if need be:
// roofline.svg, and time against batch, side, unfolding and depth where a
// network was measured at two or more of them. Returns the paths. Throws Error.
std::vector<std::string> DrawPictures(const Report& report, const std::string& folder);

}  // namespace csc

#endif  // CSC_SAMPLES_BENCHMARK_PICTURES_H_
