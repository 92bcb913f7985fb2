// Finds libcsc_cuda.so when somebody asks for the engine, so that no program
// has to be linked with CUDA.

#ifndef CSC_SOLVERS_ENGINES_CUDA_LOADER_H_
#define CSC_SOLVERS_ENGINES_CUDA_LOADER_H_

#include <string>
#include <vector>

#include "solvers/engines/engine.h"

namespace csc::cuda {

struct LoadedEngine {
  const Engine* engine = nullptr;  // lives as long as the process
  std::string detail;              // what it runs on, or why there is none
};

// Opens the library at the first call, in the first of Candidates() that is
// there; the answer is the same ever after. May be called from any thread.
const LoadedEngine& LoadCudaEngine();

// Paths in the order in which they are tried: CSC_CUDA_LIBRARY and nothing else
// where it is set; beside the program or plugin that holds this code; where
// Bazel puts the library, seen from there; the dynamic loader's own search.
std::vector<std::string> Candidates();

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_LOADER_H_
