// Code for the 32 threads of a warp together, for nvcc and for the host's
// compiler alike.
//
// What each thread (lane) has of its own is a PerLane, and what each does on its
// own is the body of ForEachLane. On the GPU a thread is one lane: a PerLane is a
// register and the body runs once. On the host one thread is the whole warp: a
// PerLane is an array and the body a loop. Between the bodies stands what a warp
// does together (mma.h).

#ifndef CSC_SOLVERS_ENGINES_CUDA_KERNELS_WARP_H_
#define CSC_SOLVERS_ENGINES_CUDA_KERNELS_WARP_H_

#include <cstdint>

#include "solvers/engines/cuda/kernels/host_device.h"

namespace csc::cuda {

constexpr int kWarpLanes = 32;

template <typename T>
class PerLane {
 public:
#ifdef __CUDA_ARCH__
  CSC_HOST_DEVICE T& operator[](uint32_t) { return value_; }
  CSC_HOST_DEVICE const T& operator[](uint32_t) const { return value_; }

 private:
  T value_;
#else
  T& operator[](uint32_t lane) { return values_[lane]; }
  const T& operator[](uint32_t lane) const { return values_[lane]; }

 private:
  T values_[kWarpLanes];
#endif
};

// Lanes run in any order, so none may depend on another within one body.
template <typename Body>
CSC_HOST_DEVICE inline void ForEachLane(const Body& body) {
#ifdef __CUDA_ARCH__
  body(threadIdx.x % kWarpLanes);
#else
  for (uint32_t lane = 0; lane < kWarpLanes; ++lane) body(lane);
#endif
}

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_KERNELS_WARP_H_
