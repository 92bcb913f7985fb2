// Runs a network on two engines, layer by layer and as a whole, and measures
// how far apart they are.

#ifndef CSC_SAMPLES_CHECK_COMPARE_ENGINES_H_
#define CSC_SAMPLES_CHECK_COMPARE_ENGINES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "solvers/engines/engine.h"
#include "solvers/executor.h"
#include "solvers/network/network.h"
#include "solvers/tensor.h"

namespace csc {

// What engines owe each other, as a share of the largest magnitude: float
// carries 6e-8, long sums and several layers lose two decimal digits of it.
constexpr double kParityTolerance = 2e-5;

// Differences of two arrays, all as shares of the largest magnitude expected
// (1 where that is 0). NaN and infinity, on either side, count as infinite.
struct Difference {
  double median = 0;
  double percentile99 = 0;
  double largest = 0;
  double magnitude = 0;  // the largest expected, absolute
};

// Requires arrays of one size, of at least one entry.
Difference Compare(const std::vector<float>& expected, const std::vector<float>& found);

struct Comparison {
  std::string what;  // "3 MsdCsc", or "all layers"
  Shape output;      // per image
  Difference difference;
  // Why the second engine does not run it; then there is no difference.
  std::string declined;
  // Images for which both name the same largest channel; -1 for single layers
  // and where the output is no list of scores.
  int64_t same_class = -1;
};

struct CompareOptions {
  PrepareOptions prepare;  // of the checked engine
  Executor* executor = nullptr;  // null: serial
};

// One comparison for each layer and, last, one for the whole network. Each
// layer gets the same input on both engines: what `reference` made of the
// layers before. `images` is [N, C, H, W]. Throws Error, also where `reference`
// declines.
std::vector<Comparison> CompareEngines(const Network& network, const Tensor& images,
                                       const Engine& reference, const Engine& checked,
                                       const CompareOptions& options = {});

}  // namespace csc

#endif  // CSC_SAMPLES_CHECK_COMPARE_ENGINES_H_
