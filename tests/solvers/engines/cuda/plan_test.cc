#include "solvers/engines/cuda/plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "tests/solvers/gradients.h"
#include "tests/solvers/random.h"
#include "tests/solvers/random_layer.h"

namespace csc::cuda {
namespace {

using test::ForEachSeed;
using test::LayerStyle;
using test::Random;

Program TrainingProgram(Random* random) {
  LayerStyle style;
  style.normalise = random->Chance(0.5);
  BuildOptions options;
  options.normalise = style.normalise;
  return test::WithSoftmaxLoss(test::NetworkProgram(test::RandomNetwork(random, style), options));
}

// Follows who holds each float, step by step: whoever is read must still be
// there, and nobody may write over an operand of the same step.
void ExpectEveryValueSurvives(const Program& program, const Plan& plan) {
  std::vector<ValueId> holder(plan.floats_per_image, -1);
  const auto write = [&](ValueId v) {
    ASSERT_GE(plan.offsets[v], 0);
    std::fill_n(holder.begin() + plan.offsets[v], program.shape(v).size(), v);
  };
  const auto expect_there = [&](ValueId v) {
    ASSERT_GE(plan.offsets[v], 0) << "value " << v;
    const auto begin = holder.begin() + plan.offsets[v];
    EXPECT_TRUE(
        std::all_of(begin, begin + program.shape(v).size(), [&](ValueId h) { return h == v; }))
        << "value " << v << " was overwritten";
  };
  for (ValueId input : program.inputs()) {
    if (plan.offsets[input] >= 0) write(input);
  }
  for (const Step& step : plan.steps) {
    const Instruction& i = program.instructions()[step.instruction];
    if (i.result >= 0) write(i.result);
    for (size_t t = 0; t < i.terms.size(); ++t) {
      if (static_cast<int>(t) != step.term) expect_there(i.terms[t].value);
    }
    if (step.convolution >= 0) {
      expect_there(program.instructions()[step.convolution].terms[0].value);
    }
  }
  for (ValueId output : program.outputs()) expect_there(output);
}

TEST(Plan, KeepsEveryValueUntilItsLastUse) {
  ForEachSeed(100, [&](Random* random) {
    const Program program = TrainingProgram(random);
    ExpectEveryValueSurvives(program, MakePlan(program));
  });
}

TEST(Plan, RunsEveryInstructionOnce) {
  ForEachSeed(100, [&](Random* random) {
    const Program program = TrainingProgram(random);
    std::vector<int> runs(program.instructions().size(), 0);
    for (const Step& step : MakePlan(program).steps) {
      ++runs[step.instruction];
      if (step.convolution >= 0) ++runs[step.convolution];
    }
    EXPECT_EQ(runs, std::vector<int>(runs.size(), 1));
  });
}

TEST(Plan, UsesMemoryAgain) {
  // A chain needs two values at a time, however long it is.
  Program program;
  ValueId v = program.AddInput({4, 5, 5});
  for (int k = 0; k < 10; ++k) v = program.Combine({{v, {2}}});
  program.MarkOutput(v);
  EXPECT_EQ(MakePlan(program).floats_per_image, 2 * 100);
}

class Fusion : public ::testing::Test {
 protected:
  Fusion() {
    filters_ = program_.AddParameter("F", {3, 2, 3, 3});
    x_ = program_.AddInput({2, 6, 6});
    other_ = program_.AddInput({3, 6, 6});
    code_ = program_.Analysis(x_, filters_, SamePadded({3, 3}));
  }

  Program program_;
  int filters_;
  ValueId x_, other_, code_;
};

TEST_F(Fusion, EndsAConvolutionInThePointwiseInstructionThatUsesIt) {
  program_.MarkOutput(program_.Combine({{other_, {2}}, {code_, {3}}}));
  const Plan plan = MakePlan(program_);
  ASSERT_EQ(plan.steps.size(), 1u);
  EXPECT_EQ(plan.steps[0].instruction, 1);
  EXPECT_EQ(plan.steps[0].convolution, 0);
  EXPECT_EQ(plan.steps[0].term, 1);
  EXPECT_EQ(plan.offsets[code_], -1);
}

TEST_F(Fusion, LeavesAConvolutionThatIsUsedTwice) {
  program_.MarkOutput(program_.Combine({{code_, {2}}}));
  program_.MarkOutput(program_.Combine({{code_, {3}}}));
  EXPECT_EQ(MakePlan(program_).steps.size(), 3u);
}

TEST_F(Fusion, LeavesAConvolutionThatIsUsedTwiceByOneInstruction) {
  program_.MarkOutput(program_.Combine({{code_, {2}}, {code_, {1}}}));
  EXPECT_EQ(MakePlan(program_).steps.size(), 2u);
}

TEST_F(Fusion, LeavesAConvolutionThatIsAnOutput) {
  program_.MarkOutput(program_.Combine({{code_, {2}}}));
  program_.MarkOutput(code_);
  EXPECT_EQ(MakePlan(program_).steps.size(), 2u);
}

TEST_F(Fusion, TakesTheLastOfTwoConvolutions) {
  const ValueId second = program_.Analysis(x_, filters_, SamePadded({3, 3}), {2});
  program_.MarkOutput(program_.Combine({{second, {2}}, {code_, {3}}}));
  const Plan plan = MakePlan(program_);
  ASSERT_EQ(plan.steps.size(), 2u);
  EXPECT_EQ(plan.steps[1].convolution, 1);
  EXPECT_EQ(plan.steps[1].term, 0);
}

}  // namespace
}  // namespace csc::cuda
