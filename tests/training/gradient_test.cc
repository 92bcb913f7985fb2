// Whole small models: gradients against central differences, and the frozen
// network against the training program.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "solvers/engines/reference/interpreter.h"
#include "tests/solvers/compare.h"
#include "tests/training/small_models.h"

namespace csc::test {
namespace {

std::vector<double> InDouble(const std::vector<float>& values) {
  return {values.begin(), values.end()};
}

class WholeModelTest : public ::testing::TestWithParam<ModelCase> {
 protected:
  ReferenceResult<double> Run(const std::vector<double>& parameters) const {
    const Work& work = small_.work;
    return RunReference<double>(small_.training.program, work.batch, {InDouble(work.inputs[0])},
                                parameters, work.labels.data());
  }

  const SmallModel small_ = MakeSmallModel(GetParam());
  const std::vector<double> parameters_ = InDouble(small_.work.parameters);
};

TEST_P(WholeModelTest, GradientsAreCentralDifferences) {
  const std::vector<double> gradients = Run(parameters_).gradients;
  const double scale = LargestMagnitude(gradients);
  ASSERT_GT(scale, 1e-3);
  // Rounding costs 1e-16 / h of a loss near 1, truncation h^2.
  constexpr double kStep = 1e-6;
  constexpr double kTolerance = 1e-6;
  int64_t offset = 0;
  for (const ModelParameter& p : small_.model.parameters) {
    const int64_t stride = std::max<int64_t>(1, p.size() / 12);
    for (int64_t i = 0; i < p.size(); i += stride) {
      const int64_t at = offset + i;
      if (!p.trainable) {
        EXPECT_EQ(gradients[at], 0) << p.name;
        continue;
      }
      std::vector<double> moved = parameters_;
      moved[at] = parameters_[at] + kStep;
      const double above = Run(moved).loss;
      moved[at] = parameters_[at] - kStep;
      const double below = Run(moved).loss;
      const double difference = (above - below) / (2 * kStep);
      EXPECT_TRUE(std::abs(gradients[at] - difference) <= kTolerance * scale)
          << p.name << "[" << i << "]: " << gradients[at] << ", " << difference
          << " expected, largest " << scale;
    }
    offset += p.size();
  }
}

TEST_P(WholeModelTest, FrozenWithTheBatchsMomentsGivesTheSameLogits) {
  const ReferenceResult<double> trained = Run(parameters_);
  const std::vector<float> moments(trained.statistics.begin(),
                                   trained.statistics.begin() + small_.training.moments_size());
  const Network network = Freeze(small_.model, small_.training, small_.work.parameters, moments);
  const ReferenceResult<double> frozen =
      RunReference<double>(BuildProgram(network, small_.model.input), small_.work.batch,
                           {InDouble(small_.work.inputs[0])}, InDouble(FlattenParameters(network)));
  // Constants are rounded to float on the way.
  EXPECT_TRUE(CloseTo(frozen.outputs[0], trained.outputs[0], 1e-4));
}

INSTANTIATE_TEST_SUITE_P(, WholeModelTest, ::testing::ValuesIn(AllModelCases()),
                         [](const auto& c) { return NameOf(c.param); });

TEST(MomentSumsTest, AreTheMomentsOfAllImagesTogether) {
  ModelOptions options;
  options.model = "plain";
  options.depth = 8;
  options.width = 2;
  const TrainingProgram training = BuildTrainingProgram(MakeModel(options, {2, 8, 8}, 3));
  MomentSums sums(training);
  std::vector<float> batch(training.statistics_size());
  // Channel 0 of the first normalisation: one image of values 4 and 6, three of
  // 1; with equal numbers of values an image that is 5, 1, 1, 1 and a variance.
  batch[0] = 5;
  batch[2] = 1;
  sums.Add(1, batch.data());
  batch[0] = 1;
  batch[2] = 0;
  sums.Add(3, batch.data());
  const std::vector<float> moments = sums.Moments();
  ASSERT_EQ(static_cast<int64_t>(moments.size()), training.moments_size());
  EXPECT_FLOAT_EQ(moments[0], 2);  // (4 + 6 + 6 * 1) / 8
  EXPECT_FLOAT_EQ(moments[1], 0);
  EXPECT_FLOAT_EQ(moments[2], (2 * 2 + 4 * 4 + 6 * 1) / 8.0f);  // squares of the deviations
  EXPECT_FLOAT_EQ(moments[3], 0);
}

}  // namespace
}  // namespace csc::test
