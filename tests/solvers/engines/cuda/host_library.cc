// libcsc_cuda_on_host.so: what libcsc_cuda.so is to the loader, with the CUDA
// engine run on the host.

#include <cstdlib>

#include "solvers/engines/cuda/cuda_engine.h"
#include "tests/solvers/engines/cuda/host_backend.h"

namespace csc::cuda {

std::unique_ptr<Engine> OpenEngine(std::string* detail) {
  if (std::getenv("CSC_TEST_NO_DEVICE") != nullptr) {
    *detail = "no CUDA device: hidden by the test";
    return nullptr;
  }
  *detail = "plain loops on the host, for tests";
  return test::MakeHostCudaEngine(test::SmallTuning());
}

}  // namespace csc::cuda
