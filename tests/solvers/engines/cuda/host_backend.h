// The CUDA engine's back-end without a GPU: its kernels, the same code, in plain
// loops. Slow and strict: memory begins as NaN, as does what the threads of a
// block share; threads run upwards and downwards in turn, so that none may
// depend on another; when work is done is left to chance (host_queues.h); and what is
// downloaded is not to be seen before it is waited for.

#ifndef CSC_TESTS_SOLVERS_ENGINES_CUDA_HOST_BACKEND_H_
#define CSC_TESTS_SOLVERS_ENGINES_CUDA_HOST_BACKEND_H_

#include <atomic>
#include <cstdint>
#include <memory>

#include "solvers/engines/cuda/backend.h"
#include "solvers/engines/cuda/bind.h"
#include "solvers/engines/engine.h"

namespace csc::test {

// The memory that back-ends share, and what they have asked for since it was
// made; must outlive them.
struct HostDevice {
  std::atomic<int64_t> free_bytes{int64_t{1} << 50};
  std::atomic<int> allocations{0};
  std::atomic<int> graphs{0};
  std::atomic<int> runs{0};     // of graphs
  std::atomic<int> uploads{0};  // from pinned memory
  std::atomic<int> downloads{0};
  int capability = 90;
  bool has_cudnn = true;  // plain loops in its place
};

// On a device of their own, or of any size.
std::unique_ptr<cuda::Backend> MakeHostBackend(HostDevice* device);
std::unique_ptr<cuda::Backend> MakeHostBackend();

// Sizes small enough that small programs have several ranges and wide tiles.
cuda::Tuning SmallTuning();

std::unique_ptr<Engine> MakeHostCudaEngine(const cuda::Tuning& tuning, HostDevice* device);
std::unique_ptr<Engine> MakeHostCudaEngine(const cuda::Tuning& tuning);

}  // namespace csc::test

#endif  // CSC_TESTS_SOLVERS_ENGINES_CUDA_HOST_BACKEND_H_
