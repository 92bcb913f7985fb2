// Values that are kept in bfloat16, as pairs of channels: which are, and that nothing can
// tell them from values in float32.

#include "solvers/engines/cuda/kernels/pairs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "solvers/algorithms/msd_csc.h"
#include "solvers/engines/cuda/plan.h"
#include "tests/solvers/compare.h"
#include "tests/solvers/engines/cuda/host_backend.h"
#include "tests/solvers/gradients.h"
#include "tests/solvers/random.h"
#include "tests/solvers/random_layer.h"
#include "tests/solvers/run.h"

namespace csc::test {
namespace {

TEST(PairLayout, GivesEveryChannelAPlaceOfItsOwn) {
  for (uint32_t channels = 1; channels <= 100; ++channels) {
    std::vector<int> taken(2 * cuda::PairPlanes(channels), 0);
    for (uint32_t c = 0; c < channels; ++c) {
      const uint32_t plane = cuda::PairPlane(c);
      ASSERT_LT(plane, cuda::PairPlanes(channels));
      const uint32_t apart = c - cuda::FirstOfPair(plane);
      ASSERT_TRUE(apart == 0 || apart == cuda::kPairApart) << c;
      ++taken[2 * plane + apart / cuda::kPairApart];
    }
    EXPECT_EQ(std::count(taken.begin(), taken.end(), 1), channels);
  }
}

// Runs in bfloat16 with pairs and without; returns whether there were any.
bool HasTheBitsOfFloat32(Random* random, const Program& program, const Work& work) {
  cuda::Tuning tuning = SmallTuning();
  tuning.tensor_blocks = random->Pick({0.0, 1e9});
  tuning.split_threads = random->Pick({0.0, 0.004, 1e9});
  const auto run = [&](bool pairs, std::string* described) {
    tuning.pairs = pairs;
    const auto executable = MakeHostCudaEngine(tuning)->Prepare(program, {Arithmetic::kBfloat16});
    executable->SetParameters(work.parameters.data());
    const Results results = RunPrepared(executable.get(), program, work);
    *described = executable->Describe();
    return results;
  };
  std::string with, without;
  const Results expected = run(false, &without);
  ExpectSameBits(run(true, &with), expected);
  constexpr char kSaid[] = "kept in bfloat16";
  EXPECT_EQ(without.find(kSaid), std::string::npos);
  return with.find(kSaid) != std::string::npos;
}

TEST(Pairs, GiveTheBitsOfFloat32InNetworks) {
  int found = 0;
  const int seeds = ForEachSeed(150, [&](Random* random) {
    LayerStyle style;
    style.normalise = random->Chance(0.5);
    BuildOptions options;
    options.normalise = style.normalise;
    const std::vector<LayerCase> layers = RandomNetwork(random, style);
    const Program forward = NetworkProgram(layers, options);
    const bool train = random->Chance(0.7);
    const Program program = train ? WithSoftmaxLoss(forward) : forward;
    const Work work =
        RandomWork(random, program, random->Reals(program.parameter_size(), 0, 0.3),
                   random->Int(1, 5), train ? forward.shape(forward.outputs()[0]).channels : 0);
    if (HasTheBitsOfFloat32(random, program, work)) ++found;
  });
  EXPECT_GE(found, seeds / 5);
}

// The layer in use: any number of channels, with gradients and without, in one part or
// several.
TEST(Pairs, GiveTheBitsOfFloat32InMsdCscLayers) {
  int found = 0;
  const int seeds = ForEachSeed(60, [&](Random* random) {
    Program forward;
    const Shape image = {random->Int(1, 50), random->Int(3, 9), random->Int(8, 12)};
    const int64_t codes = random->Pick<int64_t>({3, 16, 32, 33, 140});
    UnrolledParameters parameters;
    parameters.filters = forward.AddParameter("F", {codes, image.channels, 3, 3});
    parameters.threshold = forward.AddParameter("b", {image.channels + codes});
    parameters.step = forward.AddParameter("c", {1}, /*trainable=*/random->Chance(0.5));
    MsdCscOptions options;
    options.unrolled.geometry = SamePadded({3, 3}, {1, 1}, {2, 2});
    options.unrolled.unfolding = 2;
    options.unrolled.algorithm = random->Pick({Algorithm::kIsta, Algorithm::kFista});
    forward.MarkOutput(MsdCsc(&forward, forward.AddInput(image), parameters, options));
    const Program program = random->Chance(0.5) ? WithWeightedLoss(forward) : forward;
    const Work work = RandomWork(
        random, program, random->Reals(program.parameter_size(), -0.1, 0.2), random->Int(1, 4));
    if (HasTheBitsOfFloat32(random, program, work)) ++found;
  });
  EXPECT_GE(found, seeds * 5 / 6);
}

// A residual and what follows from it.
class PairsOf : public ::testing::Test {
 protected:
  ValueId Analysis(ValueId x) { return program_.Analysis(x, filters_, geometry_); }
  ValueId Synthesis(ValueId g) { return program_.Synthesis(g, filters_, geometry_, 12, 12); }
  std::vector<bool> Found(Arithmetic arithmetic = Arithmetic::kBfloat16) const {
    return cuda::MakePlan(program_, arithmetic).pairs;
  }

  const Geometry geometry_ = SamePadded({3, 3});
  Program program_;
  const int filters_ = program_.AddParameter("F", {16, 35, 3, 3});
  const ValueId x_ = program_.AddInput({35, 12, 12});
  const ValueId g_ = program_.AddInput({16, 12, 12});
  const ValueId residual_ = program_.Combine({{Synthesis(g_), {}}, {x_, {-1}}});
};

TEST_F(PairsOf, WhatOnlyAnAnalysisReadsTakeHalfTheMemory) {
  program_.MarkOutput(Analysis(residual_));
  const cuda::Plan plan = cuda::MakePlan(program_, Arithmetic::kBfloat16);
  EXPECT_TRUE(plan.pairs[residual_]);
  EXPECT_EQ(std::count(plan.pairs.begin(), plan.pairs.end(), true), 1);
  EXPECT_EQ(plan.WordsOf(program_, residual_), (2 * 8 + 3) * 144);
  const cuda::Plan float32 = cuda::MakePlan(program_, Arithmetic::kBfloat16, {}, /*pairs=*/false);
  EXPECT_EQ(float32.WordsMoved(program_) - plan.WordsMoved(program_), 2 * (35 - 19) * 144);
}

TEST_F(PairsOf, ANextTermOfTheSameKernelIsAtHand) {
  program_.MarkOutput(program_.Combine({{x_, {}}, {residual_, {-0.5}}}));
  program_.MarkOutput(Analysis(residual_));
  EXPECT_TRUE(Found()[residual_]);
}

TEST_F(PairsOf, WhatFilterGradientsReadToo) {
  program_.MarkOutput(Analysis(residual_));
  const Program training = WithWeightedLoss(program_);
  EXPECT_TRUE(cuda::MakePlan(training, Arithmetic::kBfloat16).pairs[residual_]);
}

TEST_F(PairsOf, NothingInOtherArithmetic) {
  program_.MarkOutput(Analysis(residual_));
  for (Arithmetic arithmetic : {Arithmetic::kFloat32, Arithmetic::kTf32}) {
    EXPECT_FALSE(Found(arithmetic)[residual_]);
  }
}

TEST_F(PairsOf, NotWhatAnotherKernelAdds) {
  const ValueId code = Analysis(residual_);
  program_.MarkOutput(program_.Combine({{Synthesis(code), {}}, {residual_, {}}}));
  EXPECT_FALSE(Found()[residual_]);
}

TEST_F(PairsOf, NotWhatAKernelInFloat32Multiplies) {
  program_.MarkOutput(Analysis(residual_));
  const int other = program_.AddParameter("G", {4, 35, 3, 3});
  program_.MarkOutput(program_.Analysis(residual_, other, SamePadded({3, 3}, {3, 3})));
  EXPECT_FALSE(Found()[residual_]);
}

TEST_F(PairsOf, NotOutputs) {
  program_.MarkOutput(Analysis(residual_));
  program_.MarkOutput(residual_);
  EXPECT_FALSE(Found()[residual_]);
}

TEST_F(PairsOf, NotPartsNorWhatHasThem) {
  const int other = program_.AddParameter("G", {4, 70, 3, 3});
  const ValueId joined = program_.Join({residual_, program_.Combine({{residual_, {2}}, {x_, {}}})});
  program_.MarkOutput(program_.Analysis(joined, other, SamePadded({3, 3})));
  program_.MarkOutput(Analysis(program_.View(joined, 35, 35)));
  const std::vector<bool> found = Found();
  EXPECT_EQ(std::count(found.begin(), found.end(), true), 0);
}

// Its second kernel adds to what the first has stored.
TEST_F(PairsOf, NotSumsThatTakeSeveralKernels) {
  std::vector<Term> terms;
  for (int t = 0; t < 20; ++t) terms.push_back({program_.AddInput({35, 12, 12}), {}});
  const ValueId sum = program_.Combine(terms);
  program_.MarkOutput(Analysis(sum));
  EXPECT_FALSE(Found()[sum]);
}

// A block that sums a channel does not have the other of its pair.
TEST_F(PairsOf, NotWhatIsSummedInPassing) {
  const int bias = program_.AddParameter("b", {35});
  const ValueId value = program_.Combine({{x_, {2}}, {program_.MaxPool(x_, {{1, 1}, {1, 1}}), {}}});
  program_.MarkOutput(Analysis(value));
  EXPECT_TRUE(Found()[value]);
  Instruction sum{Opcode::kChannelGradient, {{value, {}}}};
  sum.channel_target = {bias, 0, 35};
  program_.Append(sum, {}, false);
  EXPECT_FALSE(Found()[value]);
}

}  // namespace
}  // namespace csc::test
