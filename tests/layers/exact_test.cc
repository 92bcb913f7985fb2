// Cases small enough to compute by hand, with numbers that float holds
// exactly: no tolerance.

#include <gtest/gtest.h>

#include "layers/csc_opencv.h"
#include "tests/layers/layer_case.h"

namespace csc::test {
namespace {

Tensor Scalar(float value) { return {{1}, {value}}; }
Tensor Filter(float value) { return {{1, 1, 1, 1}, {value}}; }

std::vector<float> Layer(const std::string& op, const Attributes& attributes,
                         const std::vector<Tensor>& constants, const Dims& dims,
                         const std::vector<float>& x) {
  const LayerCase c = {op, op, attributes, constants, dims};
  cv::dnn::Net net = ReadNet(c);
  cv::Mat input(std::vector<int>(dims.begin(), dims.end()), CV_32F);
  std::copy(x.begin(), x.end(), input.ptr<float>());
  return ToVector(Forward(&net, input));
}

using V = std::vector<float>;

TEST(ExactTest, SoftThresholdTakesItsThresholdOff) {
  const V x = {3, -2, 0.5, -0.5, 4, -4, 1, -1};
  EXPECT_EQ(Layer("SoftThreshold", {}, {Scalar(1)}, {1, 2, 2, 2}, x),
            (V{2, -1, 0, 0, 3, -3, 0, 0}));
  EXPECT_EQ(
      Layer("SoftThreshold", {{"nonnegative", int64_t{1}}}, {{{2}, {1, -2}}}, {1, 2, 2, 2}, x),
      (V{2, 0, 0, 0, 6, 0, 3, 1}));
}

TEST(ExactTest, LayeredThresholdCorrelatesAndThresholds) {
  const Tensor ones = {{1, 1, 3, 3}, V(9, 1)};
  // The engine may choose a transform that rounds; the reference does not.
  ASSERT_EQ(csc_set_engine("reference"), 0);
  EXPECT_EQ(
      Layer("LayeredThreshold", {}, {ones, Scalar(20)}, {1, 1, 3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9}),
      (V{0, 1, 0, 7, 25, 13, 4, 19, 8}));
  csc_set_engine("");
}

TEST(ExactTest, LayeredPursuitStepsOnce) {
  // g1 = S+(0.25 * 6 - 0.5) = 1; g2 = S+(1 - 0.25 * 2 * (2 - 3) - 0.5) = 1
  EXPECT_EQ(Layer("LayeredPursuit", {{"unfolding", int64_t{1}}},
                  {Filter(2), Scalar(0.5), Scalar(0.25)}, {1, 1, 1, 1}, {3}),
            V{1});
}

TEST(ExactTest, SynthesisIsTheAdjointOfStridedAnalysis) {
  const Tensor f = {{1, 1, 1, 3}, {1, 2, 3}};
  const Attributes strided = {{"strides", Ints{1, 2}}, {"pads", Ints{0, 0, 0, 0}}};
  EXPECT_EQ(Layer("Synthesis", strided, {f}, {1, 1, 1, 2}, {1, 2}), (V{1, 2, 5, 4, 6}));
  Attributes sized = strided;
  sized["output_size"] = Ints{1, 6};
  EXPECT_EQ(Layer("Synthesis", sized, {f}, {1, 1, 1, 2}, {1, 2}), (V{1, 2, 5, 4, 6, 0}));
}

TEST(ExactTest, MsdCscPutsIdentityChannelsFirst) {
  const std::vector<Tensor> constants = {Filter(2), {{2}, {0.25, 0.5}}, Scalar(0.25)};
  EXPECT_EQ(Layer("MsdCsc", {}, constants, {1, 1, 1, 1}, {3}), (V{0.5, 1}));
  // r = 0.5 + 2 * 1 - 3 = -0.5; S+([0.5 + 0.125, 1 + 0.25] - b)
  EXPECT_EQ(Layer("MsdCsc", {{"unfolding", int64_t{1}}}, constants, {1, 1, 1, 1}, {3}),
            (V{0.375, 0.75}));
}

TEST(ExactTest, ResCscAddsItsStepToTheFirstHalf) {
  const std::vector<Tensor> constants = {Filter(2), Scalar(1), Filter(3), Scalar(0), Scalar(-0.25)};
  // h = 3, s = 2: 3 * (3 - 0.25 * 3 * 2) + 2
  EXPECT_EQ(Layer("ResCsc", {}, constants, {1, 1, 1, 1}, {2}), V{6.5});
  EXPECT_EQ(Layer("ResCsc", {{"simplified", int64_t{1}}}, constants, {1, 1, 1, 1}, {2}), V{4.5});
}

TEST(ExactTest, MlCscGoesDownAndUp) {
  const std::vector<Tensor> constants = {Filter(2), Scalar(1), Scalar(0.5),
                                         Filter(1), Scalar(0), Scalar(0.5)};
  Attributes attributes = {{"layers", int64_t{2}}, {"layer_pads", Ints{0, 0}}};
  // g1 = S+(0.5 * 8 - 1) = 3, g2 = 1.5
  EXPECT_EQ(Layer("MlCsc", attributes, constants, {1, 1, 1, 1}, {4}), V{1.5});
  // For x = 5 the first estimate is g1 = 4, g2 = 2; so a2 = a1 = 2,
  // g1 = S+(2 - 0.5 * 2 * (2 * 2 - 5) - 1) = 2, g2 = 2 - 0.5 * (2 - 2) = 2.
  attributes["unfolding"] = int64_t{1};
  EXPECT_EQ(Layer("MlCsc", attributes, constants, {1, 1, 1, 1}, {5}), V{2});
  // For x = 6: g1 = 5, g2 = 2.5; g1 = S+(2.5 - (5 - 6) - 1) = 2.5, g2 = 2.5;
  // with b_1 = 0: g1 = 6, g2 = 3; g1 = 3 - (6 - 6) = 3, g2 = 3; with c_2 = 1
  // besides: g2 = 6; g1 = 6 - (12 - 6) = 0; g2 = 6 - (6 - 0) = 0.
  std::vector<Tensor> others = constants;
  others[1] = Scalar(0);
  others[5] = Scalar(1);
  EXPECT_EQ(Layer("MlCsc", attributes, others, {1, 1, 1, 1}, {6}), V{0});
  EXPECT_EQ(Layer("MlCsc", attributes, constants, {1, 1, 1, 1}, {6}), V{2.5});
}

TEST(ExactTest, ZeroFiltersGiveZeroLassoCodes) {
  EXPECT_EQ(Layer("Lasso", {}, {Filter(0), Scalar(1)}, {1, 1, 1, 2}, {3, -4}), (V{0, 0}));
}

TEST(ExactTest, LassoOverAUnitFilterThresholdsItsInput) {
  EXPECT_EQ(Layer("Lasso", {{"step", 1.0}}, {Filter(1), Scalar(1)}, {1, 1, 1, 2}, {3, -4}),
            (V{2, -3}));
}

}  // namespace
}  // namespace csc::test
