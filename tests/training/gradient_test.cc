// Whole small models: gradients against central differences, and the frozen
// network against the training program.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "solvers/engines/reference/interpreter.h"
#include "tests/solvers/compare.h"
#include "training/models/model.h"
#include "training/models/training_program.h"
#include "training/random.h"

namespace csc::test {
namespace {

constexpr Shape kInput = {2, 8, 8};
constexpr int64_t kBatch = 5;
constexpr int64_t kClasses = 3;
constexpr uint64_t kSeed = 4;

struct Case {
  std::string model;
  std::string normalisation;
};

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (const std::string& model : ModelNames()) {
    for (const char* normalisation : {"none", "batch"}) {
      cases.push_back({model, normalisation});
    }
  }
  return cases;
}

class WholeModelTest : public ::testing::TestWithParam<Case> {
 protected:
  WholeModelTest() {
    ModelOptions options;
    options.model = GetParam().model;
    options.normalisation = GetParam().normalisation;
    const bool msd = options.model.rfind("msd", 0) == 0;
    const bool multi_layer = options.model == "ml_csc" || options.model == "feed_forward";
    options.depth = msd ? 3 : multi_layer ? 6 : 8;
    options.width = 2;
    if (options.model == "msd_csc" || options.model == "ml_csc") {
      options.unfolding = 2;
    }
    options.filter_scale = 0.7;
    model_ = MakeModel(options, kInput, kClasses);
    training_ = BuildTrainingProgram(model_);
    // Away from b = 0, where ReLUs of black pixels have their kink.
    const std::vector<float> start = InitialParameters(model_, kSeed);
    Random random(kSeed, Stream::kParameters, {99});
    for (float p : start) parameters_.push_back(p + 0.1 * random.Normal());
    for (int64_t i = 0; i < kBatch * kInput.size(); ++i) {
      images_.push_back(random.Below(1000) / 1000.0);
    }
    for (int64_t n = 0; n < kBatch; ++n) {
      labels_.push_back(static_cast<int32_t>(n % kClasses));
    }
  }

  ReferenceResult<double> Run(const std::vector<double>& parameters) const {
    return RunReference<double>(training_.program, kBatch, {images_}, parameters, labels_.data());
  }

  Model model_;
  TrainingProgram training_;
  std::vector<double> parameters_;
  std::vector<double> images_;
  std::vector<int32_t> labels_;
};

TEST_P(WholeModelTest, GradientsAreCentralDifferences) {
  const std::vector<double> gradients = Run(parameters_).gradients;
  const double scale = LargestMagnitude(gradients);
  ASSERT_GT(scale, 1e-3);
  // Rounding costs 1e-16 / h of a loss near 1, truncation h^2.
  constexpr double kStep = 1e-6;
  constexpr double kTolerance = 1e-6;
  int64_t offset = 0;
  for (const ModelParameter& p : model_.parameters) {
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
  const std::vector<float> parameters(parameters_.begin(), parameters_.end());
  const std::vector<float> moments(trained.statistics.begin(),
                                   trained.statistics.begin() + training_.moments_size());
  const Network network = Freeze(model_, training_, parameters, moments);
  const std::vector<float> flat = FlattenParameters(network);
  const ReferenceResult<double> frozen =
      RunReference<double>(BuildProgram(network, kInput), kBatch, {images_},
                           std::vector<double>(flat.begin(), flat.end()));
  // Constants are rounded to float on the way.
  EXPECT_TRUE(CloseTo(frozen.outputs[0], trained.outputs[0], 1e-4));
}

INSTANTIATE_TEST_SUITE_P(, WholeModelTest, ::testing::ValuesIn(Cases()), [](const auto& parameter) {
  return parameter.param.model + "_" + parameter.param.normalisation;
});

TEST(MomentSumsTest, AreTheMomentsOfAllImagesTogether) {
  ModelOptions options;
  options.model = "plain";
  options.depth = 8;
  options.width = 2;
  const TrainingProgram training = BuildTrainingProgram(MakeModel(options, kInput, kClasses));
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
