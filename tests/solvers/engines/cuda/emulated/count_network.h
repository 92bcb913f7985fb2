// Networks on the emulated GPU, of whose launches a few blocks are run and counted.

#ifndef CSC_TESTS_SOLVERS_ENGINES_CUDA_EMULATED_COUNT_NETWORK_H_
#define CSC_TESTS_SOLVERS_ENGINES_CUDA_EMULATED_COUNT_NETWORK_H_

#include <cstdint>
#include <string>
#include <vector>

#include "solvers/engines/engine.h"
#include "tests/solvers/engines/cuda/emulated/device.h"

namespace csc::test {

// For pictures of 3 x 32 x 32; MSD-CSC is 32 wide, with two further iterations.
struct CountedNetwork {
  std::string model = "msd_csc";
  int depth = 12;
  bool trains = false;
  Arithmetic arithmetic = Arithmetic::kFloat32;
  int64_t batch = 1;
  uint32_t stretch = 4;  // blocks; a launch has two
};

// The launches of one run or of one training step. The
// engine must be that of csc_cuda_emulated, and counts from then on.
std::vector<Counted> CountNetwork(const CountedNetwork& network);

}  // namespace csc::test

#endif  // CSC_TESTS_SOLVERS_ENGINES_CUDA_EMULATED_COUNT_NETWORK_H_
