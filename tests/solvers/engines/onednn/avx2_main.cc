// Runs a test of all engines for the oneDNN engine alone, on AVX2: oneDNN and
// Highway are told to use nothing newer.

#include <gtest/gtest.h>

#include <cstdio>
#include <dnnl.hpp>

#include "hwy/targets.h"
#include "solvers/engines/registry.h"

int main(int argc, char** argv) {
  // (What DisableTargets does, the next look at the targets undoes in Highway 1.0.)
  hwy::SetSupportedTargetsForTest(HWY_AVX2);
  if (dnnl::set_max_cpu_isa(dnnl::cpu_isa::avx2) != dnnl::status::success) {
    std::fprintf(stderr, "oneDNN does not let its instruction set be chosen\n");
    return 1;
  }
  GTEST_FLAG_SET(filter, "*/onednn*");
  ::testing::InitGoogleTest(&argc, argv);
  for (const csc::EngineInfo& info : csc::KnownEngines()) {
    if (info.name == "onednn") std::printf("%s\n", info.detail.c_str());
    if (info.name == "onednn" && info.detail.find("AVX-512") != std::string::npos) {
      std::fprintf(stderr, "the engine still uses AVX-512\n");
      return 1;
    }
  }
  const int status = RUN_ALL_TESTS();
  if (::testing::UnitTest::GetInstance()->test_to_run_count() == 0) {
    std::fprintf(stderr, "no test is named after the engine\n");
    return 1;
  }
  return status;
}
