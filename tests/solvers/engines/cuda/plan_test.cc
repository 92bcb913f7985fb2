#include "solvers/engines/cuda/plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "solvers/algorithms/msd_csc.h"
#include "solvers/engines/cuda/kernels/elementwise.h"
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

// Follows who holds each float of an image, step by step: whoever is read must still be
// there, and nobody may write over an operand of the same step.
class Memory {
 public:
  Memory(const Program& program, const Plan& plan)
      : program_(program), plan_(plan), holders_(plan.floats_per_image, -1) {}

  void Write(ValueId v) {
    ASSERT_GE(Begin(v), 0) << "value " << v;
    std::fill_n(holders_.begin() + Begin(v), plan_.WordsOf(program_, v), v);
  }
  void ExpectThere(ValueId v) const {
    ASSERT_GE(Begin(v), 0) << "value " << v;
    const Instruction* by = nullptr;
    for (const Instruction& i : program_.instructions()) {
      if (i.result == v) by = &i;
    }
    // Views and parts of joins are there as what they are made of.
    if (by != nullptr && by->op == Opcode::kView && plan_.steps.IsInPlace(program_, *by)) {
      return ExpectThere(by->terms[0].value);
    }
    int64_t begin = Begin(v), end = begin + plan_.WordsOf(program_, v);
    if (by != nullptr && by->op == Opcode::kJoin) {
      for (const Term& term : by->terms) {
        if (!plan_.steps.IsInPlace(program_, *by, term)) continue;
        ExpectThere(term.value);
      }
      return;
    }
    for (; begin < end; ++begin) {
      ASSERT_EQ(holders_[begin], v) << "value " << v << " was overwritten";
    }
  }

 private:
  int64_t Begin(ValueId v) const {
    const Place& place = plan_.steps.places[v];
    const int64_t whole = plan_.offsets[place.whole];
    return whole < 0 ? -1 : whole + place.inside;
  }

  const Program& program_;
  const Plan& plan_;
  std::vector<ValueId> holders_;
};

void ExpectEveryValueSurvives(const Program& program, const Plan& plan) {
  Memory memory(program, plan);
  for (ValueId input : program.inputs()) {
    if (plan.offsets[input] >= 0) memory.Write(input);
  }
  for (const Step& step : plan.steps.list) {
    for (const Link& link : step.links) {
      const Instruction& i = program.instructions()[link.instruction];
      if (i.result >= 0 && link.stored) memory.Write(i.result);
    }
    for (ValueId value : plan.steps.ReadBy(program, step)) memory.ExpectThere(value);
  }
  for (ValueId output : program.outputs()) memory.ExpectThere(output);
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
    const Steps steps = MakeSteps(program);
    for (const Step& step : steps.list) {
      if (step.convolution >= 0) ++runs[step.convolution];
      for (const Link& link : step.links) ++runs[link.instruction];
      for (const Sums& sums : step.sums) {
        for (int k : sums.instructions) ++runs[k];
      }
    }
    for (size_t k = 0; k < runs.size(); ++k) {
      const Instruction& i = program.instructions()[k];
      const bool copy = i.op == Opcode::kJoin || i.op == Opcode::kView;
      const bool needless = (copy && steps.IsInPlace(program, i)) ||
                            (i.result >= 0 && steps.recomputed[i.result] >= 0);
      EXPECT_EQ(runs[k], needless ? 0 : 1) << "instruction " << k;
    }
  });
}

TEST(Plan, UsesMemoryAgain) {
  // A chain needs two values at a time, however long it is.
  Program program;
  const int filters = program.AddParameter("F", {4, 4, 3, 3});
  ValueId v = program.AddInput({4, 5, 5});
  for (int k = 0; k < 10; ++k) v = program.Analysis(v, filters, SamePadded({3, 3}));
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
  ASSERT_EQ(plan.steps.list.size(), 1u);
  const Step& step = plan.steps.list[0];
  EXPECT_EQ(step.instruction(), 1);
  EXPECT_EQ(step.convolution, 0);
  EXPECT_EQ(step.links[0].carried, 1);
  EXPECT_EQ(plan.offsets[code_], -1);
}

TEST_F(Fusion, LetsPointwiseInstructionsFollowAConvolutionThatIsUsedTwice) {
  program_.MarkOutput(program_.Combine({{code_, {2}}}));
  program_.MarkOutput(program_.Combine({{code_, {3}}, {other_, {}}}));
  const Plan plan = MakePlan(program_);
  ASSERT_EQ(plan.steps.list.size(), 1u);
  const std::vector<Link>& links = plan.steps.list[0].links;
  ASSERT_EQ(links.size(), 3u);
  EXPECT_TRUE(links[0].stored);  // the third reads it
  EXPECT_EQ(links[1].carried, 0);
  EXPECT_EQ(links[2].carried, -1);
}

TEST_F(Fusion, LeavesAConvolutionThatIsUsedTwiceByOneInstruction) {
  program_.MarkOutput(program_.Combine({{code_, {2}}, {code_, {1}}}));
  const Plan plan = MakePlan(program_);
  ASSERT_EQ(plan.steps.list.size(), 1u);
  EXPECT_EQ(plan.steps.list[0].convolution, -1);
  EXPECT_TRUE(plan.steps.list[0].links[0].stored);
}

TEST_F(Fusion, StoresAConvolutionThatIsAnOutput) {
  program_.MarkOutput(program_.Combine({{code_, {2}}}));
  program_.MarkOutput(code_);
  const Plan plan = MakePlan(program_);
  ASSERT_EQ(plan.steps.list.size(), 1u);
  EXPECT_TRUE(plan.steps.list[0].links[0].stored);
}

TEST_F(Fusion, TakesTheLastOfTwoConvolutions) {
  const ValueId second = program_.Analysis(x_, filters_, SamePadded({3, 3}), {2});
  program_.MarkOutput(program_.Combine({{second, {2}}, {code_, {3}}}));
  const Plan plan = MakePlan(program_);
  ASSERT_EQ(plan.steps.list.size(), 2u);
  EXPECT_EQ(plan.steps.list[1].convolution, 1);
  EXPECT_EQ(plan.steps.list[1].links[0].carried, 0);
}

// Other threads write them.
TEST_F(Fusion, DoesNotFollowOnOtherElementsOfItsResults) {
  const ValueId half = program_.Combine({{code_, {2}}});
  const ValueId joined = program_.Join({program_.View(half, 1, 2), program_.View(half, 0, 1)});
  program_.MarkOutput(program_.Combine({{half, {}}, {joined, {}}}));
  EXPECT_EQ(MakePlan(program_).steps.list.size(), 3u);
}

TEST_F(Fusion, EndsWhereTheEpilogueIsFull) {
  ValueId v = code_;
  for (int k = 0; k < 20; ++k) v = program_.Combine({{v, {2}}, {other_, {}}});
  program_.MarkOutput(v);
  const Plan plan = MakePlan(program_);
  for (const Step& step : plan.steps.list) {
    EXPECT_LE(step.links.size(), Epilogue::kMaxStages);
    for (const Link& link : step.links) EXPECT_EQ(link.stored, &link == &step.links.back());
  }
  EXPECT_EQ(plan.steps.list.size(), 20 / Epilogue::kMaxStages);
}

TEST_F(Fusion, ComputesAMapOfOneValueWhereItIsUsed) {
  const ValueId map = program_.Pointwise({{other_, {2}}}, Shrink::kNonnegative);
  program_.MarkOutput(program_.Combine({{map, {}}, {code_, {}}}));
  const ValueId e = program_.Analysis(x_, filters_, SamePadded({3, 3}), {2});
  program_.MarkOutput(program_.Combine({{map, {-1}}, {e, {}}}));
  const Plan plan = MakePlan(program_);
  EXPECT_EQ(plan.steps.list.size(), 2u);
  EXPECT_EQ(plan.offsets[map], -1);
  EXPECT_EQ(plan.steps.ReadBy(program_, plan.steps.list[0]), (std::vector<ValueId>{x_, other_}));
}

// All that is between them is at their ends, the first extrapolation included; the code
// of the first iteration's identity half is nowhere, and nothing is copied to be joined.
TEST(Plan, DoesAnMsdCscLayerInAKernelForEachConvolution) {
  Program program;
  UnrolledParameters parameters;
  parameters.filters = program.AddParameter("F", {4, 3, 3, 3});
  parameters.threshold = program.AddParameter("b", {7});
  parameters.step = program.AddParameter("c", {1});
  MsdCscOptions options;
  options.unrolled.geometry = SamePadded({3, 3});
  options.unrolled.unfolding = 3;
  options.unrolled.algorithm = Algorithm::kFista;
  program.MarkOutput(MsdCsc(&program, program.AddInput({3, 8, 8}), parameters, options));
  const Plan plan = MakePlan(program);
  ASSERT_EQ(plan.steps.list.size(), 2u * 3 + 1);
  for (const Step& step : plan.steps.list) EXPECT_GE(step.convolution, 0);
}

class SummedInPassing : public ::testing::Test {
 protected:
  SummedInPassing() {
    parameter_ = program_.AddParameter("b", {3});
    x_ = program_.AddInput({3, 6, 6});
    weight_ = program_.AddInput({3, 6, 6});
  }
  // Not a map of one value.
  ValueId Elementwise() { return program_.Combine({{x_, {2}}, {weight_, {}}}); }
  void Sum(ValueId value, ChannelSum kind, ValueId weight = -1) {
    Instruction sum{Opcode::kChannelGradient, {{value, {}}}};
    if (weight >= 0) sum.terms.push_back({weight, {}});
    sum.channel_target = {parameter_, 0, 3};
    sum.channel_sum = kind;
    program_.Append(sum, {}, false);
  }

  Program program_;
  int parameter_;
  ValueId x_, weight_;
};

TEST_F(SummedInPassing, AValueThatNobodyElseNeedsIsNotStored) {
  const ValueId value = Elementwise();
  Sum(value, ChannelSum::kPlain);
  Sum(value, ChannelSum::kTimesSecond, weight_);
  const Plan plan = MakePlan(program_);
  ASSERT_EQ(plan.steps.list.size(), 1u);
  EXPECT_FALSE(plan.steps.list[0].links[0].stored);
  ASSERT_EQ(plan.steps.list[0].sums.size(), 1u);
  EXPECT_EQ(plan.steps.list[0].sums[0].instructions, (std::vector<int>{1, 2}));
  EXPECT_EQ(plan.floats_per_image, 2 * 108);
}

TEST_F(SummedInPassing, TwoWeightedSumsOfOneValueAreTwoPasses) {
  const ValueId value = Elementwise();
  Sum(value, ChannelSum::kTimesSecond, weight_);
  Sum(value, ChannelSum::kTimesSecond, x_);
  Sum(value, ChannelSum::kPlain);  // shares the first
  const Plan plan = MakePlan(program_);
  ASSERT_EQ(plan.steps.list.size(), 2u);
  EXPECT_TRUE(plan.steps.list[0].links[0].stored);
  EXPECT_EQ(plan.steps.list[0].sums[0].instructions, (std::vector<int>{1, 3}));
}

TEST_F(SummedInPassing, NotWhatIsWeighedByWhatComesLater) {
  const ValueId value = Elementwise();
  const ValueId later = program_.MaxPool(x_, {{1, 1}, {1, 1}});
  Sum(value, ChannelSum::kTimesSecond, later);
  EXPECT_EQ(MakePlan(program_).steps.list.size(), 3u);
}

TEST_F(SummedInPassing, NotWhatAConvolutionEndsIn) {
  const int filters = program_.AddParameter("F", {3, 3, 3, 3});
  const ValueId code = program_.Analysis(x_, filters, SamePadded({3, 3}));
  const ValueId value = program_.Combine({{code, {}}, {x_, {}}});
  Sum(value, ChannelSum::kPlain);
  const Plan plan = MakePlan(program_);
  ASSERT_EQ(plan.steps.list.size(), 2u);
  EXPECT_TRUE(plan.steps.list[1].links.empty());
}

// The adjoint of batch normalisation does better without the convolution.
TEST_F(SummedInPassing, AMaskedGradientThatIsScaledLeavesTheConvolution) {
  const int filters = program_.AddParameter("F", {3, 3, 3, 3});
  const ValueId code = program_.Analysis(x_, filters, SamePadded({3, 3}));
  const ValueId value = program_.Combine({{code, {}}, {x_, {}}});
  const ValueId masked = program_.Mask(value, weight_);
  Sum(masked, ChannelSum::kPlain);
  const ValueId scaled = program_.Pointwise({{masked, {}}}, Shrink::kNone, {}, {parameter_, 0, 3});
  Sum(scaled, ChannelSum::kPlain);
  program_.MarkOutput(scaled);
  const Plan plan = MakePlan(program_);
  ASSERT_EQ(plan.steps.list.size(), 2u);
  EXPECT_FALSE(plan.steps.list[1].links[0].stored);
  EXPECT_EQ(plan.steps.list[1].sums.size(), 2u);
}

class Parts : public ::testing::Test {
 protected:
  Program program_;
  const ValueId x_ = program_.AddInput({2, 6, 6});
  const ValueId a_ = program_.MaxPool(x_, {{1, 1}, {1, 1}});
  const ValueId b_ = program_.MaxPool(a_, {{1, 1}, {1, 1}});
};

TEST_F(Parts, OfAJoinAreComputedInIt) {
  const ValueId joined = program_.Join({a_, b_});
  program_.MarkOutput(program_.MaxPool(joined, {{1, 1}, {1, 1}}));
  const Plan plan = MakePlan(program_);
  EXPECT_EQ(plan.steps.list.size(), 3u);
  EXPECT_EQ(plan.steps.places[b_].whole, joined);
  EXPECT_EQ(plan.steps.places[b_].inside, 2 * 36);
}

TEST_F(Parts, OfAJoinOfJoinsAreComputedInTheOuterOne) {
  const ValueId outer = program_.Join({b_, program_.Join({x_, a_})});
  program_.MarkOutput(program_.MaxPool(outer, {{1, 1}, {1, 1}}));
  const Plan plan = MakePlan(program_);
  EXPECT_EQ(plan.steps.places[a_].whole, outer);
  EXPECT_EQ(plan.steps.places[a_].inside, 4 * 36);
  EXPECT_EQ(plan.steps.places[x_].whole, x_);  // an input: copied
  EXPECT_EQ(plan.steps.list.size(), 4u);
}

TEST_F(Parts, AreCopiedToASecondPlace) {
  program_.MarkOutput(program_.Join({a_, a_}));
  program_.MarkOutput(program_.Join({a_, b_}));
  const Plan plan = MakePlan(program_);
  EXPECT_EQ(plan.steps.places[a_].inside, 0);
  EXPECT_EQ(plan.steps.list.size(), 4u);  // two pools and two copies
}

TEST_F(Parts, ThatAreViewedAreReadWhereTheyAre) {
  const ValueId view = program_.View(b_, 1, 1);
  program_.MarkOutput(program_.MaxPool(view, {{1, 1}, {1, 1}}));
  const Plan plan = MakePlan(program_);
  EXPECT_EQ(plan.steps.list.size(), 3u);
  EXPECT_EQ(plan.steps.places[view].whole, b_);
}

TEST_F(Parts, ThatAreOutputsAreCopied) {
  const ValueId view = program_.View(b_, 1, 1);
  program_.MarkOutput(view);
  program_.MarkOutput(b_);
  program_.MarkOutput(program_.Join({a_, b_}));
  const Plan plan = MakePlan(program_);
  for (ValueId output : program_.outputs()) EXPECT_EQ(plan.steps.places[output].whole, output);
  EXPECT_EQ(plan.steps.list.size(), 4u);
}

}  // namespace
}  // namespace csc::cuda
