// Runs a test of all engines for the CUDA engine alone, run on the host: its
// library is loaded as the real one would be, from CSC_CUDA_LIBRARY.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "solvers/engines/registry.h"

int main(int argc, char** argv) {
  setenv("CSC_CUDA_LIBRARY", "tests/solvers/engines/cuda/libcsc_cuda_on_host.so", 1);
  GTEST_FLAG_SET(filter, "*/cuda*");
  ::testing::InitGoogleTest(&argc, argv);
  const std::vector<csc::EngineInfo> engines = csc::KnownEngines();
  const csc::EngineInfo cuda =
      *std::find_if(engines.begin(), engines.end(),
                    [](const csc::EngineInfo& info) { return info.name == "cuda"; });
  if (!cuda.present) {
    std::fprintf(stderr, "the engine \"%s\" is absent: %s\n", cuda.name.c_str(),
                 cuda.detail.c_str());
    return 1;
  }
  const int status = RUN_ALL_TESTS();
  if (::testing::UnitTest::GetInstance()->test_to_run_count() == 0) {
    std::fprintf(stderr, "no test is named after the engine\n");
    return 1;
  }
  return status;
}
