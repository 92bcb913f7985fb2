// Runs programs on engines, with every byte that must be written poisoned.

#ifndef CSC_TESTS_SOLVERS_RUN_H_
#define CSC_TESTS_SOLVERS_RUN_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "solvers/engines/engine.h"
#include "solvers/engines/reference/interpreter.h"
#include "solvers/executor.h"
#include "solvers/program/program.h"

namespace csc::test {

// What a run of a program needs besides the program.
struct Work {
  int64_t batch = 1;
  std::vector<std::vector<float>> inputs;
  std::vector<float> parameters;
  std::vector<int32_t> labels;  // programs with a loss only
};

struct Results {
  std::vector<std::vector<float>> outputs;
  std::vector<float> gradients;
  std::vector<float> statistics;
  double loss = 0;
  int64_t correct = 0;
};

// Runs once. Outputs, gradients and statistics hold NaN before, so that what is
// not written, or is added instead of written, shows. Does not set parameters.
Results RunPrepared(Executable* executable, const Program& program, const Work& work,
                    Executor* executor = nullptr);

// Prepares, sets the parameters and runs once.
Results RunOn(const Engine& engine, const Program& program, const Work& work,
              const PrepareOptions& options = {}, Executor* executor = nullptr);

// The same in double, by the reference's plain loops.
ReferenceResult<double> RunInDouble(const Program& program, const Work& work);

// Adds failures where the bits of two results differ.
void ExpectSameBits(const Results& actual, const Results& expected);

// Engines present in this build on this machine, by name, in the order of preference.
std::vector<std::string> PresentEngines();

// For INSTANTIATE_TEST_SUITE_P: the test's name is the engine's.
std::string EngineTestName(const ::testing::TestParamInfo<std::string>& info);

}  // namespace csc::test

#endif  // CSC_TESTS_SOLVERS_RUN_H_
