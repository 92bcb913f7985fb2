// Whole training programs, gradients included, on every engine, against the
// reference in double precision.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "solvers/engines/registry.h"
#include "solvers/error.h"
#include "tests/solvers/compare.h"
#include "tests/solvers/gradients.h"
#include "tests/solvers/kinks.h"
#include "tests/solvers/random.h"
#include "tests/solvers/random_layer.h"
#include "tests/solvers/run.h"

namespace csc::test {
namespace {

// A value this close to a kink may fall to its other side in float.
constexpr double kLeastMargin = 2e-5;
// A program whose results move by more than this where only its values are
// rounded to float says nothing about an engine.
constexpr double kWellConditioned = kEngineTolerance / 10;
// Gradients of a whole parameter may cancel to almost nothing, as those of a
// step before a normalisation, or of scales before several: errors are measured
// against at least this part of the largest gradient, and each term of a sum may
// be off by some roundings of the layers that it has passed.
constexpr double kCancellation = 5e-2;
constexpr double kTermRounding = 8 * 6e-8;

struct TrainingCase {
  std::string description;
  Program program;
  Work work;
  ReferenceResult<double> expected;
  std::vector<double> magnitudes;  // of what is summed to each gradient
};

std::vector<double> Part(const std::vector<double>& all, int64_t first, int64_t count) {
  return {all.begin() + first, all.begin() + first + count};
}
std::vector<float> Part(const std::vector<float>& all, int64_t first, int64_t count) {
  return {all.begin() + first, all.begin() + first + count};
}

::testing::AssertionResult GradientsClose(const TrainingCase& c, const std::vector<float>& actual,
                                          double tolerance) {
  const std::vector<double>& expected = c.expected.gradients;
  const double least = kCancellation * LargestMagnitude(expected);
  for (const ParameterInfo& info : c.program.parameters()) {
    const double scale =
        std::max(least, LargestMagnitude(Part(expected, info.offset, info.size())));
    for (int64_t i = info.offset; i < info.offset + info.size(); ++i) {
      const double allowed = tolerance * scale + kTermRounding * c.magnitudes[i];
      // Not the other way round: NaN must fail.
      if (std::abs(actual[i] - expected[i]) <= allowed) continue;
      return ::testing::AssertionFailure()
             << "entry " << i - info.offset << " of the gradient of " << info.name << " "
             << ToString(info.dims) << " is " << actual[i] << ", " << expected[i]
             << " expected: off by " << std::abs(actual[i] - expected[i]) << ", at most " << allowed
             << " allowed";
    }
  }
  return ::testing::AssertionSuccess();
}

// Where each statistic's two rows begin.
std::vector<int64_t> FirstOfStatistics(const Program& program) {
  std::vector<int64_t> first = {0};
  for (int64_t channels : program.statistics()) first.push_back(first.back() + 2 * channels);
  return first;
}

// Means and variances; the other statistics are the adjoint's own business.
::testing::AssertionResult MomentsClose(const Program& program, const std::vector<float>& actual,
                                        const std::vector<double>& expected, double tolerance) {
  const std::vector<int64_t> first = FirstOfStatistics(program);
  for (const Instruction& i : program.instructions()) {
    if (i.op != Opcode::kMoments) continue;
    const int64_t c = program.statistics()[i.statistic];
    const int64_t means = first[i.statistic];
    const auto variances = Part(expected, means + c, c);
    for (int row = 0; row < 2; ++row) {
      const auto close =
          CloseTo(Part(actual, means + row * c, c), Part(expected, means + row * c, c), tolerance,
                  row == 0 ? std::sqrt(LargestMagnitude(variances)) : 0);
      if (!close) {
        return ::testing::AssertionFailure()
               << (row == 0 ? "means" : "variances") << " of statistic " << i.statistic << ": "
               << close.message();
      }
    }
  }
  return ::testing::AssertionSuccess();
}

// Whether every normalised channel varies enough to be normalised: where it
// hardly does, rounding is what is blown up.
bool VariesEverywhere(const Program& program, const std::vector<double>& statistics) {
  const std::vector<int64_t> first = FirstOfStatistics(program);
  bool varies = true;
  for (const Instruction& i : program.instructions()) {
    if (i.op != Opcode::kMoments) continue;
    const int64_t channels = program.statistics()[i.statistic];
    const double* means = statistics.data() + first[i.statistic];
    for (int64_t c = 0; c < channels; ++c) {
      varies = varies && means[channels + c] > 1e-3 * std::max(means[c] * means[c], 1e-1);
    }
  }
  return varies;
}

// A random network and data for it; nothing where float cannot tell their
// results from those of their neighbours.
std::optional<TrainingCase> Draw(Random* random, bool normalise) {
  LayerStyle style;
  style.away_from_kinks = true;
  style.normalise = normalise;
  const std::vector<LayerCase> layers = RandomNetwork(random, style);
  BuildOptions options;
  options.normalise = normalise;
  options.epsilon = random->Pick({1e-5, 1e-3});
  const Program forward = NetworkProgram(layers, options);
  const double smoothing = random->Pick({0.0, 0.1});
  TrainingCase c{forward.ToString(), WithSoftmaxLoss(forward, smoothing), {}, {}, {}};
  const int64_t classes = forward.shape(forward.outputs()[0]).channels;
  const int64_t batch = normalise ? random->Int(3, 9) : random->Int(1, 9);
  c.work = RandomWork(random, c.program, Flatten(layers), batch, classes);
  if (KinkMargin(forward, c.work) < kLeastMargin) return std::nullopt;
  c.expected = RunInDouble(c.program, c.work);
  c.magnitudes = SummedMagnitudes(c.program, c.work);
  if (!VariesEverywhere(c.program, c.expected.statistics)) return std::nullopt;
  const ReferenceResult<float> rounded =
      RunReference<float>(c.program, batch, c.work.inputs, c.work.parameters, c.work.labels.data());
  if (!GradientsClose(c, rounded.gradients, kWellConditioned) ||
      !CloseTo(rounded.outputs[0], c.expected.outputs[0], kWellConditioned) ||
      !MomentsClose(c.program, rounded.statistics, c.expected.statistics, kWellConditioned)) {
    return std::nullopt;
  }
  return c;
}

class TrainingParity : public ::testing::TestWithParam<std::string> {
 protected:
  void ExpectParity(int count, bool normalise, Memory memory = Memory::kFast) {
    PrepareOptions options;
    options.memory = memory;
    const Engine& engine = FindEngine(GetParam());
    const auto pool = MakeThreadPool(2);
    int compared = 0, declined = 0;
    const int seeds = ForEachSeed(count, [&](Random* random) {
      std::optional<TrainingCase> c;
      for (int attempt = 0; attempt < 30 && !c; ++attempt) c = Draw(random, normalise);
      if (!c) return;
      Executor* executor = random->Chance(0.5) ? pool.get() : nullptr;
      Results actual;
      try {
        actual = RunOn(engine, c->program, c->work, options, executor);
      } catch (const EngineDeclined& reason) {
        if (++declined == 1) RecordProperty("declined", reason.what());
        return;
      }
      ++compared;
      SCOPED_TRACE("batch " + std::to_string(c->work.batch) + " of\n" + c->description);
      EXPECT_TRUE(CloseTo(actual.outputs[0], c->expected.outputs[0])) << "logits";
      EXPECT_TRUE(GradientsClose(*c, actual.gradients, kEngineTolerance));
      EXPECT_TRUE(
          MomentsClose(c->program, actual.statistics, c->expected.statistics, kEngineTolerance));
      EXPECT_NEAR(actual.loss, c->expected.loss, kEngineTolerance);
      EXPECT_EQ(actual.correct, c->expected.correct);
    });
    if (declined == seeds && memory != Memory::kFast) GTEST_SKIP() << "declined";
    if (!::testing::Test::HasFailure()) {
      EXPECT_GE(compared, seeds * 9 / 10)
          << "too few cases were compared: " << declined << " declined, the rest ill-conditioned";
    }
  }
};

TEST_P(TrainingParity, HoldsForNetworks) { ExpectParity(300, /*normalise=*/false); }

TEST_P(TrainingParity, HoldsForNetworksWithBatchStatistics) {
  ExpectParity(300, /*normalise=*/true);
}

TEST_P(TrainingParity, HoldsInLittleMemory) {
  ExpectParity(150, /*normalise=*/true, Memory::kSmall);
}

// Filters as large as their image, up to sizes that random networks seldom have.
TEST_P(TrainingParity, HoldsForDenseLayersOnMapsOfPixels) {
  for (const auto& [height, width] : std::vector<std::pair<int64_t, int64_t>>{
           {1, 17}, {8, 8}, {13, 16}, {16, 13}, {16, 14}, {16, 19}, {18, 16}, {24, 20}, {33, 17}}) {
    SCOPED_TRACE(std::to_string(height) + " x " + std::to_string(width));
    Random random(1);
    Program forward;
    const int filters = forward.AddParameter("W", {7, 3, height, width});
    const ValueId x = forward.AddInput({3, height, width});
    forward.MarkOutput(forward.Analysis(x, filters, {{height, width}}));
    const Program program = WithSoftmaxLoss(forward);
    const Work work =
        RandomWork(&random, program, random.Reals(program.parameter_size(), -0.1, 0.1), 6, 7);
    const ReferenceResult<double> expected = RunInDouble(program, work);
    const Results actual = RunOn(FindEngine(GetParam()), program, work);
    EXPECT_TRUE(CloseTo(actual.outputs[0], expected.outputs[0]));
    EXPECT_TRUE(CloseTo(actual.gradients, expected.gradients));
  }
}

INSTANTIATE_TEST_SUITE_P(Engines, TrainingParity, ::testing::ValuesIn(PresentEngines()),
                         EngineTestName);

}  // namespace
}  // namespace csc::test
