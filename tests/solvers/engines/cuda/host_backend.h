// The CUDA engine's back-end without a GPU: its kernels, the same code, in plain
// loops. Slow and strict: memory begins as NaN, as does what the threads of a
// block share; threads run upwards and downwards in turn, so that none may
// depend on another; and nothing is downloaded before Synchronise.

#ifndef CSC_TESTS_SOLVERS_ENGINES_CUDA_HOST_BACKEND_H_
#define CSC_TESTS_SOLVERS_ENGINES_CUDA_HOST_BACKEND_H_

#include <memory>

#include "solvers/engines/cuda/backend.h"
#include "solvers/engines/cuda/bind.h"
#include "solvers/engines/engine.h"

namespace csc::test {

std::unique_ptr<cuda::Backend> MakeHostBackend();

// Sizes small enough that small programs have several ranges and wide tiles.
cuda::Tuning SmallTuning();

std::unique_ptr<Engine> MakeHostCudaEngine(const cuda::Tuning& tuning);

}  // namespace csc::test

#endif  // CSC_TESTS_SOLVERS_ENGINES_CUDA_HOST_BACKEND_H_
