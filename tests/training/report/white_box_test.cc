#include "training/report/white_box.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "solvers/engines/registry.h"
#include "tests/solvers/random.h"
#include "tests/solvers/run.h"
#include "training/models/training_program.h"

namespace csc::test {
namespace {

using Attributes = std::map<std::string, AttributeValue>;
using Ints = std::vector<int64_t>;
using Floats = std::vector<float>;

void Append(const std::string& op, const Attributes& attributes, std::vector<Tensor> parameters,
            Network* network) {
  network->layers.push_back(MakeLayerSpec(op, attributes, static_cast<int>(parameters.size())));
  for (Tensor& tensor : parameters) network->parameters.push_back(std::move(tensor));
}

Network OneLayer(const std::string& op, const Attributes& attributes,
                 std::vector<Tensor> parameters) {
  Network network;
  Append(op, attributes, std::move(parameters), &network);
  CheckNetwork(&network);
  return network;
}

Tensor Scalar(float value) { return {{1}, {value}}; }
Tensor Vector(const Floats& values) { return {{static_cast<int64_t>(values.size())}, values}; }
// w filters of one tap and one channel.
Tensor Pixels(const Floats& values) {
  return {{static_cast<int64_t>(values.size()), 1, 1, 1}, values};
}

// Every test on every engine present.
class WhiteBoxTest : public ::testing::TestWithParam<std::string> {
 protected:
  // Images of one row.
  std::vector<DictionaryFigures> Measure(const Network& network, const Floats& row,
                                         int64_t images = 1, int64_t channels = 1) const {
    const int64_t width = static_cast<int64_t>(row.size()) / images / channels;
    return MeasureWhiteBox(FindEngine(GetParam()), nullptr, network, {channels, 1, width},
                           row.data(), images);
  }
};

TEST_P(WhiteBoxTest, ALayerOfThresholdsIsTheStepFromZero) {
  const Network network =
      OneLayer("LayeredThreshold", {{"nonnegative", int64_t{1}}}, {Pixels({2}), Vector({1})});
  // Code max(2 x - 1, 0) = 7 0 1 5, reconstruction 14 0 2 10.
  const auto rows = Measure(network, {4, 0.5, 1, 3});
  ASSERT_EQ(rows.size(), 1u);
  const DictionaryFigures& row = rows[0];
  EXPECT_EQ(row.layer, 0);
  EXPECT_EQ(row.op, "LayeredThreshold");
  EXPECT_EQ(row.dictionary, "F^T");
  EXPECT_EQ(row.atoms, 1);
  EXPECT_EQ(row.coherence, 0);
  EXPECT_NEAR(row.lambda_max, 4, 1e-9);
  EXPECT_FALSE(row.step.has_value());
  EXPECT_FALSE(row.step_warning);
  EXPECT_EQ(*row.zeros, 1 / 4.0);
  EXPECT_EQ(*row.mean_l1, 13);
  ASSERT_EQ(row.objective.size(), 1u);
  EXPECT_EQ(row.objective[0].iteration, 1);
  EXPECT_EQ(row.objective[0].value, (100 + 0.25 + 1 + 49) / 2 + 13);
  // Off by 10, 0.5, 1 and 7, where 2 beta = 2 are allowed.
  EXPECT_EQ(*row.tolerance, 2);
  EXPECT_EQ(*row.not_reconstructed, 2 / 4.0);
}

TEST_P(WhiteBoxTest, OffByExactlyTwoBetaIsStillReconstructed) {
  const Network network = OneLayer("LayeredThreshold", {}, {Pixels({1}), Vector({2})});
  // Codes 2, 0 and 0, off by 2, 4 and 5: only more than 4 fails.
  EXPECT_EQ(*Measure(network, {4, -4, -5})[0].not_reconstructed, 1 / 3.0);
}

TEST_P(WhiteBoxTest, APursuitHasAnObjectiveForEachIteration) {
  // beta = 1: from g^1 = 1.5 the second step gets to 2.25, of 3 at the optimum.
  const Attributes attributes = {{"unfolding", int64_t{1}}};
  const Network network =
      OneLayer("LayeredPursuit", attributes, {Pixels({1}), Scalar(0.5), Scalar(0.5)});
  const auto row = Measure(network, {4}).at(0);
  ASSERT_EQ(row.objective.size(), 2u);
  EXPECT_EQ(row.objective[0].value, 2.5 * 2.5 / 2 + 1.5);
  EXPECT_EQ(row.objective[1].iteration, 2);
  EXPECT_EQ(row.objective[1].value, 1.75 * 1.75 / 2 + 2.25);
  EXPECT_EQ(*row.mean_l1, 2.25);
  EXPECT_EQ(*row.step, 0.5);
  EXPECT_EQ(row.step_lambda(), 0.5);
}

TEST_P(WhiteBoxTest, MeansAreOverImages) {
  const Network network = OneLayer("LayeredThreshold", {}, {Pixels({1}), Vector({0})});
  // More than the engine gets at once, and not a whole number of times.
  Floats images;
  for (int n = 0; n < 19; ++n) images.insert(images.end(), {float(n), 0});
  const auto row = Measure(network, images, 19).at(0);
  EXPECT_EQ(*row.mean_l1, 9);
  EXPECT_EQ(*row.zeros, 20 / 38.0);
  EXPECT_EQ(row.objective[0].value, 0);
  EXPECT_EQ(*row.not_reconstructed, 0);
}

TEST_P(WhiteBoxTest, TwoSidedCodesCountWithTheirMagnitude) {
  const Network network =
      OneLayer("LayeredThreshold", {{"nonnegative", int64_t{0}}}, {Pixels({1}), Vector({1})});
  const auto row = Measure(network, {-3, 0.5}).at(0);  // code -2 0
  EXPECT_EQ(*row.mean_l1, 2);
  EXPECT_EQ(row.objective[0].value, (1 + 0.25) / 2 + 2);
}

TEST_P(WhiteBoxTest, MsdCscCodesOverTheIdentityToo) {
  // c = 1/2, so beta is 0.5 of the identity and 1 of F.
  const Network network = OneLayer("MsdCsc", {}, {Pixels({1}), Vector({0.25, 0.5}), Scalar(0.5)});
  // Codes 1.75 and 1.5; 0 and 0; 9.75 and 9.5.
  const auto row = Measure(network, {4, 0, 20}).at(0);
  EXPECT_EQ(row.dictionary, "[I, F^T]");
  EXPECT_EQ(row.atoms, 2);
  EXPECT_EQ(row.coherence, 1);  // F is the identity as well
  EXPECT_NEAR(row.lambda_max, 2, 1e-9);
  EXPECT_EQ(*row.zeros, 2 / 6.0);
  EXPECT_EQ(*row.mean_l1, 22.5);
  ASSERT_EQ(row.objective.size(), 1u);
  EXPECT_EQ(row.objective[0].value,
            (0.75 * 0.75 + 0.75 * 0.75) / 2 + 0.5 * (1.75 + 9.75) + (1.5 + 9.5));
  // 2 beta is 1, the identity atoms' own.
  EXPECT_EQ(*row.tolerance, 1);
  EXPECT_EQ(*row.not_reconstructed, 0);
}

TEST_P(WhiteBoxTest, IdentityWithoutThresholdCostsNothing) {
  const Network network = OneLayer("MsdCsc", {{"threshold_identity", int64_t{0}}},
                                   {Pixels({1}), Vector({1}), Scalar(1)});
  // Codes -2 and 0, 3 and 2.
  const auto row = Measure(network, {-2, 3}).at(0);
  EXPECT_EQ(row.objective[0].value, 2 * 2 / 2.0 + 2);
  // Off by 0 and 2, and beta is that of F.
  EXPECT_EQ(*row.tolerance, 2);
  EXPECT_EQ(*row.not_reconstructed, 0);
}

TEST_P(WhiteBoxTest, ScalesAddTheQuadraticTermTheirStepMinimises) {
  // One step from zero with c = 1 over the identity lands on the minimum of the
  // objective, 1/2 (x - g)^2 + 2 g + 1/2 g^2 for a = 1/2, b = 1. F is zero.
  const Network network =
      OneLayer("MsdCsc", {}, {Pixels({0}), Vector({1, 1}), Scalar(1), Vector({0.5, 0.5})});
  const auto row = Measure(network, {10}).at(0);
  EXPECT_EQ(*row.mean_l1, 4);
  EXPECT_EQ(row.objective[0].value, 36 / 2.0 + 2 * 4 + 16 / 2.0);
  EXPECT_EQ(*row.tolerance, 4);
}

TEST_P(WhiteBoxTest, TheLastIterationsConstantsDefineTheObjective) {
  // Rows of b, and steps of their own; the last are 1/2 and 1/4.
  const Network network = OneLayer("LayeredPursuit", {{"unfolding", int64_t{1}}},
                                   {Pixels({1, 1}), {{2, 2}, {3, 3, 0.5, 0.5}}, Vector({1, 0.25})});
  // g^1 = 1 twice: D g = 2. g^2 = 1 - 0.25 (2 - 4) - 0.5 = 1 again.
  const auto row = Measure(network, {4}).at(0);
  ASSERT_EQ(row.objective.size(), 2u);
  EXPECT_EQ(row.objective[0].value, 2 * 2 / 2.0 + 2 * 2);
  EXPECT_EQ(row.objective[1].value, 2 * 2 / 2.0 + 2 * 2);
  EXPECT_EQ(*row.step, 1);  // the largest
}

TEST_P(WhiteBoxTest, ThereIsNoObjectiveWithoutAPursuit) {
  for (const Tensor& c : {Scalar(0), Scalar(-1)}) {
    const auto row = Measure(OneLayer("MsdCsc", {}, {Pixels({1}), Vector({0, 0}), c}), {1}).at(0);
    EXPECT_TRUE(row.objective.empty());
    EXPECT_FALSE(row.not_reconstructed.has_value());
    EXPECT_TRUE(row.zeros.has_value());
  }
  const Network negative =
      OneLayer("MsdCsc", {}, {Pixels({1}), Vector({0, 0}), Scalar(1), Vector({1, -1})});
  EXPECT_TRUE(Measure(negative, {1})[0].objective.empty());
}

TEST_P(WhiteBoxTest, WarnsWhereAnIterationDoesNotContract) {
  const auto warned = [&](float c, int64_t unfolding) {
    const Network network = OneLayer("LayeredPursuit", {{"unfolding", unfolding}},
                                     {Pixels({2}), Vector({0}), Scalar(c)});
    return Measure(network, {1})[0].step_warning;
  };
  EXPECT_FALSE(warned(0.49f, 1));  // lambda_max is 4
  EXPECT_TRUE(warned(0.51f, 1));
  EXPECT_TRUE(warned(-0.1f, 1));
  EXPECT_FALSE(warned(0.51f, 0));
}

TEST_P(WhiteBoxTest, ResCscIsOneStepFromItsShortcut) {
  // h = max(x - 1, 0) = 3 0; y = max(2 (h - 0.25 * 2 s) + s - 0.5, 0) with s = x.
  const Network network =
      OneLayer("ResCsc", {}, {Pixels({1}), Vector({1}), Pixels({2}), Vector({0.5}), Scalar(-0.25)});
  const auto rows = Measure(network, {4, 1});
  ASSERT_EQ(rows.size(), 2u);
  const DictionaryFigures& first = rows[0];
  EXPECT_EQ(first.dictionary, "F1^T");
  EXPECT_EQ(*first.mean_l1, 3);
  EXPECT_EQ(first.objective.at(0).value, (1 + 1) / 2.0 + 3);
  EXPECT_EQ(*first.not_reconstructed, 0);
  EXPECT_FALSE(first.step.has_value());

  // y = 2 (3 - 2) + 4 - 0.5 = 5.5 and 2 (0 - 0.5) + 1 - 0.5 -> 0. Dictionary
  // L F2^T = 0.5, beta = 0.125: ISTA with step 4 over it gives the same y.
  const DictionaryFigures& second = rows[1];
  EXPECT_EQ(second.dictionary, "F2^T");
  EXPECT_EQ(*second.mean_l1, 5.5);
  EXPECT_EQ(*second.zeros, 0.5);
  EXPECT_EQ(*second.step, 0.25);
  EXPECT_NEAR(second.lambda_max, 4, 1e-9);
  ASSERT_EQ(second.objective.size(), 2u);
  EXPECT_EQ(second.objective[0].iteration, 0);
  EXPECT_EQ(second.objective[0].value, (1 + 0.25) / 2 + 0.125 * 5);
  EXPECT_EQ(second.objective[1].iteration, 1);
  EXPECT_EQ(second.objective[1].value, 0.25 * 0.25 / 2 + 0.125 * 5.5);
  // Off by 0.25 and 0, of 2 beta = 0.25.
  EXPECT_EQ(*second.tolerance, 0.25);
  EXPECT_EQ(*second.not_reconstructed, 0);
}

TEST_P(WhiteBoxTest, ResNetBlocksAreNoPursuit) {
  for (const Attributes& attributes : {Attributes{}, Attributes{{"simplified", int64_t{1}}}}) {
    const bool simplified = !attributes.empty();
    const Network network =
        OneLayer("ResCsc", attributes,
                 {Pixels({1}), Vector({1}), Pixels({1}), Vector({0}), Scalar(simplified ? -1 : 0)});
    const auto rows = Measure(network, {4});
    EXPECT_FALSE(rows[0].objective.empty());
    EXPECT_TRUE(rows[1].objective.empty());
    EXPECT_TRUE(rows[1].zeros.has_value());
    EXPECT_FALSE(rows[1].step_warning);
  }
}

TEST_P(WhiteBoxTest, ResCscThatShrinksStartsFromTheSampledInput) {
  // Stride 2 keeps 4 and 1 of 4 9 1 9, and adds a channel of zeros.
  const Network network =
      OneLayer("ResCsc", {{"strides", Ints{1, 2}}, {"shortcut", std::string("pad")}},
               {Pixels({1, 0}),
                Vector({1, 0}),
                {{2, 2, 1, 1}, {2, 0, 0, 2}},
                Vector({0.5, 0.5}),
                Scalar(-0.25)});
  const auto rows = Measure(network, {4, 9, 1, 9});
  ASSERT_EQ(rows.size(), 2u);
  // 4 and 1 as in the block above; 9 is lost twice, and tolerance is 1 (mean
  // of 1 and 0, twice).
  EXPECT_EQ(*rows[0].tolerance, 1);
  EXPECT_EQ(*rows[0].not_reconstructed, 2 / 4.0);
  EXPECT_EQ(rows[1].objective.at(0).value, (1 + 0.25) / 2 + 0.125 * 5);
  EXPECT_EQ(rows[1].objective.at(1).value, 0.25 * 0.25 / 2 + 0.125 * 5.5);
}

TEST_P(WhiteBoxTest, MlCscReconstructsTheImageFromItsDeepestCode) {
  // beta_1 = 1 and beta_2 = 0.5, F_1 = 2 and F_2 = 1.
  const Network network = OneLayer(
      "MlCsc", {{"layers", int64_t{2}}, {"layer_pads", Ints{0, 0}}, {"unfolding", int64_t{1}}},
      {Pixels({2}), Vector({0.25}), Scalar(0.25), Pixels({1}), Vector({0.5}), Scalar(1)});
  // x = 8: g_1 = 3.75, g_2 = 3.25. Then a_2 = 3.25, a_1 = 3.25, a_0 = 6.5;
  // g_1 = 3.25 - 0.5 (6.5 - 8) - 0.25 = 3.75; g_2 = 3.25 - (3.25 - 3.75) - 0.5
  // = 3.25: a fixed point.
  const auto rows = Measure(network, {8});
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].dictionary, "F_1^T");
  EXPECT_EQ(*rows[0].tolerance, 2);
  EXPECT_EQ(*rows[0].not_reconstructed, 0);  // off by 1.5
  EXPECT_FALSE(rows[0].zeros.has_value());
  EXPECT_NEAR(rows[0].step_lambda(), 1, 1e-9);
  EXPECT_EQ(*rows[1].mean_l1, 3.25);
  ASSERT_EQ(rows[1].objective.size(), 2u);
  for (const Objective& objective : rows[1].objective) {
    EXPECT_EQ(objective.value, 1.5 * 1.5 / 2 + 3.25 + 0.5 * 3.25);
  }
}

TEST_P(WhiteBoxTest, LayersReadWhatLayersBeforeThemMake) {
  Network network;
  Append("LayeredThreshold", {}, {Pixels({1}), Vector({1})}, &network);
  Append("MaxPool", {{"kernel_shape", Ints{1, 2}}, {"strides", Ints{1, 2}}}, {}, &network);
  Append("LayeredThreshold", {}, {Pixels({3}), Vector({0})}, &network);
  Append("GlobalAveragePool", {}, {}, &network);
  Append("Gemm", {}, {Pixels({1}), Vector({0})}, &network);
  CheckNetwork(&network);
  const auto rows = Measure(network, {1, 5, 3, 2});  // 0 4 2 1, then 4 2
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].layer, 0);
  EXPECT_EQ(rows[1].layer, 2);
  EXPECT_EQ(*rows[1].mean_l1, 18);
}

TEST_P(WhiteBoxTest, OfManyIterationsShowsTheFirstAndTheLast) {
  const Network network = OneLayer("LayeredPursuit", {{"unfolding", int64_t{40}}},
                                   {Pixels({1}), Scalar(0.125), Scalar(0.125)});
  const auto row = Measure(network, {4}).at(0);
  ASSERT_EQ(row.objective.size(), 17u);
  EXPECT_EQ(row.objective[15].iteration, 16);
  EXPECT_EQ(row.objective[16].iteration, 41);
  for (size_t i = 1; i < row.objective.size(); ++i) {
    EXPECT_LT(row.objective[i].value, row.objective[i - 1].value);
  }
}

// The header's claim for scales other than one: with c lambda_max <= 1 every
// step of ISTA lowers the objective, whatever a > 0, b and F.
TEST_P(WhiteBoxTest, TheObjectiveFallsForSmallSteps) {
  Random random(31);
  for (const bool identity : {true, false}) {
    const int64_t n = identity ? 7 : 4;
    const Tensor filters = {{4, 3, 3, 3}, random.Reals(4 * 27, -0.4f, 0.4f)};
    std::vector<Tensor> parameters = {filters, {{n}, random.Reals(n, -0.1, 0.1)}, Scalar(0.1f)};
    if (identity) parameters.push_back({{n}, random.Reals(n, 0.5, 1.5)});
    const Network network =
        OneLayer(identity ? "MsdCsc" : "LayeredPursuit", {{"unfolding", int64_t{6}}}, parameters);
    const auto images = random.Reals(2 * 3 * 64, 0, 1);
    const auto row =
        MeasureWhiteBox(FindEngine(GetParam()), nullptr, network, {3, 8, 8}, images.data(), 2)
            .at(0);
    ASSERT_LE(row.step_lambda(), 1);
    ASSERT_EQ(row.objective.size(), 7u);
    for (size_t i = 1; i < row.objective.size(); ++i) {
      EXPECT_LT(row.objective[i].value, row.objective[i - 1].value) << "iteration " << i;
    }
  }
}

TEST_P(WhiteBoxTest, EveryModelOfThePaperCanBeLookedInto) {
  for (const std::string& name : ModelNames()) {
    SCOPED_TRACE(name);
    ModelOptions options;
    options.model = name;
    if (name != "ml_csc" && name != "feed_forward") options.depth = 8;
    options.width = 3;
    const Shape input = {3, 16, 16};
    const Model model = MakeModel(options, input, 4);
    const TrainingProgram training = BuildTrainingProgram(model);
    const Network network =
        Freeze(model, training, InitialParameters(model, 3), InitialMoments(training));
    Random random(5);
    const Floats images = random.Reals(3 * input.size(), 0, 1);
    const auto rows =
        MeasureWhiteBox(FindEngine(GetParam()), nullptr, network, input, images.data(), 3);
    const auto expected =
        MeasureWhiteBox(FindEngine("reference"), nullptr, network, input, images.data(), 3);
    ASSERT_GE(rows.size(), 6u);
    ASSERT_EQ(rows.size(), expected.size());
    for (size_t i = 0; i < rows.size(); ++i) {
      EXPECT_GT(rows[i].coherence, 0);
      EXPECT_LE(rows[i].coherence, 1 + 1e-12);
      EXPECT_GT(rows[i].lambda_max, 0);
      ASSERT_EQ(rows[i].objective.size(), expected[i].objective.size());
      for (size_t k = 0; k < rows[i].objective.size(); ++k) {
        const double value = expected[i].objective[k].value;
        EXPECT_NEAR(rows[i].objective[k].value, value, 1e-4 * (1 + std::abs(value)));
      }
      EXPECT_NEAR(rows[i].zeros.value_or(0), expected[i].zeros.value_or(0), 0.01);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, WhiteBoxTest, ::testing::ValuesIn(PresentEngines()), EngineTestName);

}  // namespace
}  // namespace csc::test
