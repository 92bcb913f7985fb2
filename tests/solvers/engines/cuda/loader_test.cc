// How the library is found, and what is said when it is not. A library is loaded
// once for a process, so every answer is asked for in a process of its own.

#include "solvers/engines/cuda/loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdio>
#include <functional>
#include <thread>
#include <vector>

#include "solvers/engines/cuda/library.h"
#include "solvers/engines/registry.h"
#include "solvers/error.h"

namespace csc::cuda {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

constexpr char kOnHost[] = "tests/solvers/engines/cuda/libcsc_cuda_on_host.so";
constexpr char kBroken[] = "tests/solvers/engines/cuda/libbroken.so";
constexpr char kOther[] = "tests/solvers/engines/cuda/libanother.so";

// Calls `body` in a process that has CSC_CUDA_LIBRARY set; it must print what
// `pattern` matches and return.
void ExpectOf(const char* library, const std::function<void()>& body, const char* pattern) {
  EXPECT_EXIT(
      {
        setenv("CSC_CUDA_LIBRARY", library, 1);
        body();
        _exit(0);
      },
      ::testing::ExitedWithCode(0), pattern);
}

void PrintState() {
  const LoadedEngine& loaded = LoadCudaEngine();
  std::fprintf(stderr, "%s: %s\n", loaded.engine != nullptr ? "present" : "absent",
               loaded.detail.c_str());
}

TEST(Loader, OpensTheLibraryThatTheEnvironmentNames) {
  ExpectOf(kOnHost, PrintState, "present: plain loops on the host");
}

TEST(Loader, SaysWhichFileIsNotThere) {
  ExpectOf("no/such/library.so", PrintState, "absent: library not .*found: no/such/library.so");
  ExpectOf("library.so", PrintState, "absent: library not .*found: ./library.so");
}

TEST(Loader, RefusesAFileThatIsNoLibrary) {
  ExpectOf(kBroken, PrintState, "absent: library not .*found: .*libbroken.so");
}

TEST(Loader, RefusesALibraryWithoutTheEngine) {
  ExpectOf(kOther, PrintState, "absent: .*libanother.so is another library");
}

TEST(Loader, PassesOnWhyThereIsNoDevice) {
  ExpectOf(
      kOnHost,
      [] {
        setenv("CSC_TEST_NO_DEVICE", "1", 1);
        PrintState();
      },
      "absent: no CUDA device: hidden by the test");
}

TEST(Loader, AnswersAllThreadsAlike) {
  ExpectOf(
      kOnHost,
      [] {
        std::vector<const LoadedEngine*> answers(8);
        std::vector<std::thread> threads;
        for (auto& answer : answers) {
          threads.emplace_back([&answer] { answer = &LoadCudaEngine(); });
        }
        for (std::thread& thread : threads) thread.join();
        for (const auto* answer : answers) {
          if (answer != answers[0] || answer->engine == nullptr) return;
        }
        std::fprintf(stderr, "alike\n");
      },
      "alike");
}

TEST(Registry, HasTheEngineThatTheLibraryBrings) {
  ExpectOf(
      kOnHost,
      [] {
        std::fprintf(stderr, "%s, %s", FindEngine("cuda").name().c_str(),
                     FindEngine().name().c_str());
      },
      "cuda, onednn");
}

TEST(Registry, RefusesTheEngineWithTheReason) {
  ExpectOf(
      "no/such/library.so",
      [] {
        try {
          FindEngine("cuda");
        } catch (const Error& error) {
          std::fprintf(stderr, "%s", error.what());
        }
        if (FindEngine().name() == "cuda") std::abort();
      },
      "engine \"cuda\" is absent: library not .*found: no/such/library.so");
}

TEST(Registry, PassesErrorsOfTheLibraryOn) {
  // Thrown in one library, caught in another by its class.
  ExpectOf(
      kOnHost,
      [] {
        Program program;
        program.MarkOutput(program.AddInput({1, 1, 1}));
        try {
          FindEngine("cuda").Prepare(program)->Run({});
        } catch (const Error& error) {
          std::fprintf(stderr, "caught: %s", error.what());
        }
      },
      "caught: a batch of 0");
}

TEST(Candidates, AreOneWhereTheEnvironmentNamesIt) {
  setenv("CSC_CUDA_LIBRARY", "/somewhere/x.so", 1);
  EXPECT_EQ(Candidates(), std::vector<std::string>{"/somewhere/x.so"});
  unsetenv("CSC_CUDA_LIBRARY");
}

TEST(Candidates, BeginBesideTheProgramAndEndWithTheLoadersPath) {
  unsetenv("CSC_CUDA_LIBRARY");
  const std::vector<std::string> paths = Candidates();
  ASSERT_GE(paths.size(), 3u);
  EXPECT_THAT(paths.front(), EndsWith("tests/solvers/engines/cuda/libcsc_cuda.so"));
  EXPECT_EQ(paths.front()[0], '/');
  EXPECT_EQ(paths.back(), "libcsc_cuda.so");
  EXPECT_THAT(paths, ::testing::Contains(HasSubstr("/bin/solvers/engines/cuda/libcsc_cuda.so")));
}

TEST(Interface, IsEqualToItselfAlone) {
  const Interface mine;
  EXPECT_TRUE(mine == Interface{});
  Interface other;
  other.run_arguments += 8;
  EXPECT_FALSE(mine == other);
}

}  // namespace
}  // namespace csc::cuda
