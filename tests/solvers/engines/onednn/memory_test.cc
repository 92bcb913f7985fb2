// Training in little memory gives what training in much gives.

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "solvers/engines/registry.h"
#include "solvers/error.h"
#include "tests/solvers/compare.h"
#include "tests/solvers/random_layer.h"
#include "tests/solvers/run.h"
#include "training/models/training_program.h"

namespace csc::test {
namespace {

struct Step {
  Program program;
  Work work;
};

Step NormalisedStep(const std::string& name, int unfolding, int64_t batch) {
  ModelOptions options;
  options.model = name;
  options.normalisation = "batch";
  if (name == "msd_csc") {
    options.depth = 6;
    options.width = 8;
    options.unfolding = unfolding;
    options.algorithm = "fista";
  } else {
    options.depth = 14;
  }
  const Model model = MakeModel(options, {3, 16, 16}, 5);
  Step step = {BuildTrainingProgram(model).program, {}};
  Random random(unfolding);
  step.work = RandomWork(&random, step.program, InitialParameters(model, 1), batch, 5);
  return step;
}

Results RunIn(Memory memory, const Step& step, Executor* executor = nullptr) {
  PrepareOptions options;
  options.memory = memory;
  return RunOn(FindEngine("onednn"), step.program, step.work, options, executor);
}

TEST(Memory, ChangesNoGradientBeyondRounding) {
  for (const char* name : {"msd_csc", "res_csc", "resnet"}) {
    for (int unfolding : {0, 1, 2, 5}) {
      SCOPED_TRACE(std::string(name) + ", unfolding " + std::to_string(unfolding));
      const Step step = NormalisedStep(name, unfolding, 9);
      const Results fast = RunIn(Memory::kFast, step);
      const Results small = RunIn(Memory::kSmall, step);
      EXPECT_EQ(small.loss, fast.loss);
      const std::vector<double> expected(fast.gradients.begin(), fast.gradients.end());
      EXPECT_TRUE(CloseTo(small.gradients, expected));
      if (name != std::string("msd_csc")) break;  // they know no unfolding
    }
  }
}

TEST(Memory, SmallGivesTheSameBitsForAnyNumberOfThreads) {
  const Step step = NormalisedStep("msd_csc", 2, 19);
  const Results serial = RunIn(Memory::kSmall, step);
  for (int threads : {2, 3}) {
    ExpectSameBits(RunIn(Memory::kSmall, step, MakeThreadPool(threads).get()), serial);
  }
}

TEST(Memory, IsNamedByTheEnvironment) {
  setenv("CSC_MEMORY", "small", 1);
  EXPECT_EQ(ChosenOptions().memory, Memory::kSmall);
  setenv("CSC_MEMORY", "tiny", 1);
  EXPECT_THROW(ChosenOptions(), Error);
  unsetenv("CSC_MEMORY");
  EXPECT_EQ(ChosenOptions().memory, Memory::kFast);
}

TEST(Memory, SmallIsDeclinedWhereItMeansNothing) {
  const Step step = NormalisedStep("msd_csc", 1, 2);
  PrepareOptions options;
  options.memory = Memory::kSmall;
  EXPECT_THROW(FindEngine("reference").Prepare(step.program, options), EngineDeclined);
}

}  // namespace
}  // namespace csc::test
