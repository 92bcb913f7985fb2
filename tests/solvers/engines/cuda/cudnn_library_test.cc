// How cuDNN is found, and what is said where it is not.

#include "solvers/engines/cuda/cudnn_library.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "solvers/error.h"
#include "tests/solvers/refusal.h"

namespace csc::cuda {
namespace {

using ::testing::ElementsAre;
using ::testing::StartsWith;

constexpr char kFolder[] = "tests/solvers/engines/cuda/";

void ExpectRefused(const std::vector<std::string>& candidates,
                   const std::vector<std::string>& parts) {
  test::ExpectRefusal([&] { OpenCudnnLibrary(candidates); }, parts);
}

TEST(CudnnLibrary, SaysWhereItWasLookedFor) {
  ExpectRefused({"no/libcudnn.so.9", std::string(kFolder) + "libbroken.so"},
                {"not where it was looked for", "no/libcudnn.so.9: cannot open",
                 "libbroken.so: ", "CSC_CUDNN_LIBRARY"});
}

TEST(CudnnLibrary, RefusesAnotherLibraryAndAnotherVersion) {
  ExpectRefused({std::string(kFolder) + "libanother.so"}, {"libanother.so has no cudnnGetVersion"});
  ExpectRefused({std::string(kFolder) + "libcudnn_8.so"}, {"is cuDNN 8.9.7", "9 expected"});
}

TEST(CudnnCandidates, AreOneWhereTheEnvironmentNamesIt) {
  setenv("CSC_CUDNN_LIBRARY", "/somewhere/x.so", 1);
  EXPECT_THAT(CudnnCandidates(), ElementsAre("/somewhere/x.so"));
  setenv("CSC_CUDNN_LIBRARY", "x.so", 1);
  EXPECT_THAT(CudnnCandidates(), ElementsAre("./x.so"));
  unsetenv("CSC_CUDNN_LIBRARY");
}

TEST(CudnnCandidates, BeginWithTheLoadersPath) {
  unsetenv("CSC_CUDNN_LIBRARY");
  setenv("CUDA_HOME", "/toolkit", 1);
  EXPECT_THAT(
      CudnnCandidates(),
      ElementsAre("libcudnn.so.9", "/toolkit/lib64/libcudnn.so.9", "/toolkit/lib/libcudnn.so.9",
                  "/usr/local/cuda/lib64/libcudnn.so.9", "/usr/local/cuda/lib/libcudnn.so.9"));
  unsetenv("CUDA_HOME");
}

// NVIDIA's own, with or without a GPU.
TEST(CudnnLibrary, OpensTheOneThatIsInstalled) {
  std::string why_not;
  const cudnn::Functions* const functions = LoadCudnn(&why_not);
  if (functions == nullptr) GTEST_SKIP() << why_not;
  EXPECT_EQ(functions->GetVersion() / 10000, 9u);
  try {
    EXPECT_THAT(CudnnHandle(*functions).version(), StartsWith("9."));
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), StartsWith("cuDNN 9."));
    EXPECT_THAT(error.what(), ::testing::HasSubstr(" failed when it was started: CUDNN_STATUS_"));
  }
}

}  // namespace
}  // namespace csc::cuda
