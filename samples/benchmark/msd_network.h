// An MSD-CSC network of any size with random filters: the work that engines
// are timed on. Times do not depend on what the filters have learned.

#ifndef CSC_SAMPLES_BENCHMARK_MSD_NETWORK_H_
#define CSC_SAMPLES_BENCHMARK_MSD_NETWORK_H_

#include <cstdint>
#include <string>

#include "solvers/network/network.h"
#include "solvers/tensor.h"

namespace csc {

struct MsdOptions {
  int depth = 12;
  int width = 32;  // filters a layer
  int unfolding = 2;
  std::string algorithm = "fista";
  int classes = 10;
  Shape input = {3, 32, 32};
  uint64_t seed = 1;
};

// The paper's layout: 3x3 filters, dilation (i mod 3) + 1, 2x2 max-pools after
// one and two thirds of the layers, global average pool, dense layer. Filters
// of 0.1 / sqrt(fan-in), so that a step of 1 is safe.
Network MakeMsdNetwork(const MsdOptions& options);

}  // namespace csc

#endif  // CSC_SAMPLES_BENCHMARK_MSD_NETWORK_H_
