// Several flat kernels of a kind in one launch, as each does little.

#ifndef CSC_SOLVERS_ENGINES_CUDA_KERNELS_SEVERAL_H_
#define CSC_SOLVERS_ENGINES_CUDA_KERNELS_SEVERAL_H_

#include <cstdint>

#include "solvers/engines/cuda/kernels/host_device.h"

namespace csc::cuda {

// Flat over the indices of all, one kernel's after the other's.
template <typename K>
struct Several {
  static constexpr uint32_t kMost = 48;

  K kernels[kMost];
  uint32_t first[kMost];  // index of each
  uint32_t size = 0;

  CSC_HOST_DEVICE void operator()(uint32_t index) const {
    uint32_t i = 0;
    while (i + 1 < size && first[i + 1] <= index) ++i;
    kernels[i](index - first[i]);
  }
};

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_KERNELS_SEVERAL_H_
