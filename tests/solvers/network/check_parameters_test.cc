// Constants: the forms they are brought into, and what is refused.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "solvers/network/layer.h"
#include "tests/solvers/refusal.h"

namespace csc::test {
namespace {

using Attributes = std::map<std::string, AttributeValue>;

Tensor Constant(const Dims& dims, float value = 0.5f) {
  return {dims, std::vector<float>(NumElements(dims), value)};
}

struct Layer {
  LayerSpec spec;
  std::vector<Tensor> parameters;
};

// Good constants for 3 channels and, where there are filters, 4 of them.
Layer Good(const std::string& op, const Attributes& attributes = {}) {
  Layer layer;
  Attributes all = attributes;
  if (op == "SoftThreshold") layer.parameters = {Constant({3})};
  if (op == "LayeredThreshold") layer.parameters = {Constant({4, 3, 3, 3}), Constant({4})};
  if (op == "LayeredPursuit") {
    layer.parameters = {Constant({4, 3, 3, 3}), Constant({4}), Constant({1})};
  }
  if (op == "Synthesis") layer.parameters = {Constant({4, 3, 3, 3})};
  if (op == "Lasso") layer.parameters = {Constant({4, 3, 3, 3}), Constant({4})};
  if (op == "MsdCsc") {
    layer.parameters = {Constant({4, 3, 3, 3}), Constant({7}), Constant({1}), Constant({7})};
  }
  if (op == "ResCsc") {
    layer.parameters = {Constant({4, 4, 3, 3}), Constant({4}), Constant({4, 4, 3, 3}),
                        Constant({4}),          Constant({1}), Constant({4}),
                        Constant({4})};
  }
  if (op == "MlCsc") {
    all["layers"] = int64_t{2};
    all["layer_pads"] = std::vector<int64_t>{1, 0};
    layer.parameters = {Constant({4, 3, 3, 3}), Constant({4}), Constant({1}),
                        Constant({5, 4, 1, 1}), Constant({5}), Constant({1})};
  }
  if (op == "DenseCsc") {
    all["layers"] = int64_t{2};
    layer.parameters = {Constant({4, 3, 3, 3}), Constant({7}),  Constant({1}), Constant({7}),
                        Constant({5, 7, 1, 3}), Constant({12}), Constant({1}), Constant({12})};
  }
  if (op == "Gemm") layer.parameters = {Constant({10, 3, 2, 2}), Constant({10})};
  layer.spec = MakeLayerSpec(op, all, static_cast<int>(layer.parameters.size()));
  return layer;
}

const std::vector<std::string>& OperatorsWithConstants() {
  static const auto* names = new std::vector<std::string>{
      "SoftThreshold", "LayeredThreshold", "LayeredPursuit", "Synthesis", "Lasso",
      "MsdCsc",        "ResCsc",           "MlCsc",          "DenseCsc",  "Gemm"};
  return *names;
}

void ExpectBad(Layer layer, size_t index, Tensor tensor, std::vector<std::string> parts) {
  const std::string name = ParameterNames(layer.spec).at(index);
  SCOPED_TRACE(layer.spec.op + " " + name + " " + ToString(tensor.dims));
  layer.parameters[index] = std::move(tensor);
  parts.push_back(name + " ");
  ExpectRefusal([&] { CheckParameters(layer.spec, &layer.parameters); }, parts);
}

void ExpectGood(Layer layer, size_t index, Tensor tensor, const Dims& dims_after) {
  SCOPED_TRACE(layer.spec.op + " " + ToString(tensor.dims));
  layer.parameters[index] = std::move(tensor);
  CheckParameters(layer.spec, &layer.parameters);
  EXPECT_EQ(layer.parameters[index].dims, dims_after);
}

TEST(CheckParameters, AcceptsGoodOnes) {
  for (const std::string& op : OperatorsWithConstants()) {
    SCOPED_TRACE(op);
    Layer layer = Good(op);
    EXPECT_EQ(ParameterNames(layer.spec).size(), layer.parameters.size());
    CheckParameters(layer.spec, &layer.parameters);
  }
}

TEST(ParameterNames, AreTheContracts) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(ParameterNames(Good("LayeredPursuit").spec), (Names{"F", "b", "c"}));
  EXPECT_EQ(ParameterNames(Good("Lasso").spec), (Names{"F", "beta"}));
  EXPECT_EQ(ParameterNames(Good("MsdCsc").spec), (Names{"F", "b", "c", "a"}));
  EXPECT_EQ(ParameterNames(Good("ResCsc").spec), (Names{"F1", "b1", "F2", "b2", "c", "a1", "a2"}));
  EXPECT_EQ(ParameterNames(Good("MlCsc").spec), (Names{"F_1", "b_1", "c_1", "F_2", "b_2", "c_2"}));
  EXPECT_EQ(ParameterNames(Good("DenseCsc").spec),
            (Names{"F_1", "b_1", "c_1", "a_1", "F_2", "b_2", "c_2", "a_2"}));
  EXPECT_EQ(ParameterNames(MakeLayerSpec("DenseCsc", {{"layers", int64_t{1}}}, 3)),
            (Names{"F_1", "b_1", "c_1"}));
  EXPECT_TRUE(ParameterNames(MakeLayerSpec("GlobalAveragePool", {}, 0)).empty());
}

TEST(CheckParameters, RefusesNotANumberAndInfinityInEveryConstant) {
  for (const std::string& op : OperatorsWithConstants()) {
    const Layer layer = Good(op);
    for (size_t i = 0; i < layer.parameters.size(); ++i) {
      for (float bad :
           {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
            -std::numeric_limits<float>::infinity()}) {
        Tensor tensor = layer.parameters[i];
        tensor.data.back() = bad;
        ExpectBad(layer, i, tensor,
                  {std::isnan(bad) ? "nan" : "inf",
                   "position " + std::to_string(tensor.data.size() - 1), "finite"});
      }
    }
  }
}

TEST(CheckParameters, RefusesEmptyConstantsAndSizesThatDoNotMatchTheirData) {
  for (const std::string& op : OperatorsWithConstants()) {
    const Layer layer = Good(op);
    for (size_t i = 0; i < layer.parameters.size(); ++i) {
      ExpectBad(layer, i, {{0}, {}}, {"[0]", "at least 1"});
      ExpectBad(layer, i, {{-1}, {}}, {"[-1]", "at least 1"});
      Tensor short_of_data = layer.parameters[i];
      short_of_data.data.pop_back();
      ExpectBad(layer, i, short_of_data, {std::to_string(short_of_data.data.size()) + " values"});
    }
  }
}

TEST(CheckParameters, RefusesAWrongNumberOfConstants) {
  for (const std::string& op : OperatorsWithConstants()) {
    Layer layer = Good(op);
    const size_t count = layer.parameters.size();
    layer.parameters.push_back(Constant({1}));
    ExpectRefusal([&] { CheckParameters(layer.spec, &layer.parameters); },
                  {std::to_string(count + 1) + " constant", std::to_string(count) + " expected"});
    layer.parameters.clear();
    ExpectRefusal([&] { CheckParameters(layer.spec, &layer.parameters); }, {"0 constant"});
  }
}

TEST(CheckParameters, RefusesFiltersThatAreNotFourSizesOrTooLarge) {
  for (const char* op : {"LayeredThreshold", "LayeredPursuit", "Synthesis", "Lasso", "MsdCsc",
                         "ResCsc", "MlCsc", "DenseCsc"}) {
    ExpectBad(Good(op), 0, Constant({4, 3, 3}), {"[4, 3, 3]", "[w, C, kh, kw]"});
    ExpectBad(Good(op), 0, Constant({4, 3, 3, 3, 1}), {"[4, 3, 3, 3, 1]"});
    ExpectBad(Good(op), 0, Constant({1, 1, 256, 1}), {"[1, 1, 256, 1]", "1..255"});
  }
}

TEST(CheckParameters, BringsOneElementConstantsOfAnyRankIntoForm) {
  for (const Dims& dims : {Dims{}, Dims{1}, Dims{1, 1}, Dims{1, 1, 1, 1}}) {
    ExpectGood(Good("SoftThreshold"), 0, Constant(dims), {1});
    ExpectGood(Good("LayeredThreshold"), 1, Constant(dims), {1});
    ExpectGood(Good("LayeredPursuit"), 2, Constant(dims), {1});
    ExpectGood(Good("Lasso"), 1, Constant(dims), {1});
    ExpectGood(Good("MsdCsc"), 1, Constant(dims), {1});
    ExpectGood(Good("ResCsc"), 4, Constant(dims), {1});
    ExpectGood(Good("MlCsc"), 5, Constant(dims), {1});
  }
}

TEST(CheckParameters, TakesVectorsAsColumnsAsOpenCvGivesThem) {
  ExpectGood(Good("SoftThreshold"), 0, Constant({3, 1}), {3});
  ExpectGood(Good("LayeredThreshold"), 1, Constant({4, 1}), {4});
  ExpectGood(Good("Lasso"), 1, Constant({4, 1}), {4});
  ExpectGood(Good("MsdCsc"), 1, Constant({7, 1}), {7});
  ExpectGood(Good("MsdCsc"), 3, Constant({7, 1}), {7});
  ExpectGood(Good("ResCsc"), 5, Constant({4, 1}), {4});
  ExpectGood(Good("MlCsc"), 4, Constant({5, 1}), {5});
  ExpectGood(Good("LayeredPursuit", {{"unfolding", int64_t{2}}}), 2, Constant({3, 1}), {3});
  ExpectGood(Good("Gemm"), 1, Constant({10, 1}), {10});
}

TEST(CheckParameters, AcceptsRowsForEachIteration) {
  const Attributes unfolded = {{"unfolding", int64_t{2}}};
  ExpectGood(Good("MsdCsc", unfolded), 1, Constant({3, 7}), {3, 7});
  ExpectGood(Good("MsdCsc", unfolded), 2, Constant({3}), {3});
  ExpectGood(Good("MsdCsc", unfolded), 3, Constant({3, 7}), {3, 7});
  ExpectGood(Good("LayeredPursuit", unfolded), 1, Constant({3, 4}), {3, 4});
  ExpectGood(Good("DenseCsc", unfolded), 1, Constant({3, 7}), {3, 7});
  ExpectGood(Good("DenseCsc", unfolded), 5, Constant({3, 12}), {3, 12});
  ExpectGood(Good("DenseCsc", unfolded), 6, Constant({3}), {3});
  ExpectGood(Good("DenseCsc", unfolded), 7, Constant({3, 12}), {3, 12});
}

TEST(CheckParameters, RefusesRowsForAnotherNumberOfIterations) {
  const Attributes unfolded = {{"unfolding", int64_t{2}}};
  for (int64_t rows : {2, 4}) {
    ExpectBad(Good("MsdCsc", unfolded), 1, Constant({rows, 7}), {"[3, 7]"});
    ExpectBad(Good("MsdCsc", unfolded), 2, Constant({rows}), {"[1] or [3]"});
    ExpectBad(Good("MsdCsc", unfolded), 3, Constant({rows, 7}), {"[3, 7]"});
    ExpectBad(Good("LayeredPursuit", unfolded), 1, Constant({rows, 4}), {"[3, 4]"});
  }
  ExpectBad(Good("LayeredThreshold"), 1, Constant({2, 4}), {"[2, 4]"});
}

TEST(CheckParameters, RefusesVectorsOfAnotherLength) {
  ExpectBad(Good("LayeredThreshold"), 1, Constant({3}), {"[3]", "[1] or [4]"});
  ExpectBad(Good("LayeredPursuit"), 1, Constant({5}), {"[5]", "[4]"});
  ExpectBad(Good("LayeredPursuit"), 2, Constant({2}), {"[2]", "[1]"});
  ExpectBad(Good("Lasso"), 1, Constant({2}), {"[2]", "[1] or [4]"});
  ExpectBad(Good("MsdCsc"), 1, Constant({4}), {"[4]", "[7]"});
  ExpectBad(Good("MsdCsc"), 3, Constant({3}), {"[3]", "[7]"});
  ExpectBad(Good("ResCsc"), 1, Constant({3}), {"[3]", "[4]"});
  ExpectBad(Good("ResCsc"), 4, Constant({4}), {"[4]", "[1]"});
  ExpectBad(Good("ResCsc"), 6, Constant({2}), {"[2]", "[4]"});
  ExpectBad(Good("MlCsc"), 1, Constant({5}), {"[5]", "[4]"});
  ExpectBad(Good("MlCsc"), 2, Constant({2}), {"[2]", "[1]"});
  ExpectBad(Good("DenseCsc"), 1, Constant({4}), {"[4]", "[7]"});
  ExpectBad(Good("DenseCsc"), 5, Constant({7}), {"[7]", "[12]"});
  ExpectBad(Good("DenseCsc"), 2, Constant({2}), {"[2]", "[1]"});
  ExpectBad(Good("DenseCsc"), 7, Constant({5}), {"[5]", "[12]"});
  ExpectBad(Good("Gemm"), 1, Constant({9}), {"[9]", "[10]"});
  ExpectBad(Good("SoftThreshold"), 0, Constant({3, 2}), {"[3, 2]"});
}

TEST(CheckParameters, RefusesScalesThatAreOneNumber) {
  // Scales are per channel; only thresholds may be shared.
  ExpectBad(Good("MsdCsc"), 3, Constant({1}), {"[1]", "[7]"});
  ExpectBad(Good("ResCsc"), 5, Constant({1}), {"[1]", "[4]"});
  ExpectBad(Good("DenseCsc"), 3, Constant({1}), {"[1]", "[7]"});
}

TEST(CheckParameters, WithoutIdentityThresholdsCoversTheNewChannelsOnly) {
  Layer layer = Good("MsdCsc", {{"threshold_identity", int64_t{0}}});
  layer.parameters[1] = layer.parameters[3] = Constant({4});
  CheckParameters(layer.spec, &layer.parameters);
  ExpectBad(layer, 1, Constant({7}), {"[7]", "[4]"});
  ExpectBad(layer, 3, Constant({7}), {"[7]", "[4]"});
}

TEST(CheckParameters, RefusesNegativeTwoSidedThresholdsAndBeta) {
  const Attributes two_sided = {{"nonnegative", int64_t{0}}};
  const Attributes one_sided = {{"nonnegative", int64_t{1}}};
  for (const char* op : {"SoftThreshold", "LayeredThreshold", "LayeredPursuit"}) {
    const size_t b = op == std::string("SoftThreshold") ? 0 : 1;
    Tensor negative = Good(op).parameters[b];
    negative.data[1] = -0.25f;
    ExpectBad(Good(op, two_sided), b, negative, {"-0.25", "at least 0"});
    ExpectGood(Good(op, one_sided), b, negative, negative.dims);
    negative.data[1] = -0.0f;
    ExpectGood(Good(op, two_sided), b, negative, negative.dims);
  }
  for (const Attributes& attributes : {two_sided, one_sided}) {
    ExpectBad(Good("Lasso", attributes), 1, Constant({4}, -1), {"-1", "at least 0"});
    ExpectGood(Good("Lasso", attributes), 1, Constant({4}, 0), {4});
  }
  ExpectGood(Good("MsdCsc"), 1, Constant({7}, -1), {7});
  ExpectGood(Good("ResCsc"), 1, Constant({4}, -1), {4});
  ExpectGood(Good("MlCsc"), 1, Constant({4}, -1), {4});
}

TEST(CheckParameters, RefusesGeometryThatDoesNotFitTheLayer) {
  const auto refuse = [](const std::string& op, const Attributes& attributes,
                         const std::vector<std::string>& parts) {
    Layer layer = Good(op, attributes);
    ExpectRefusal([&] { CheckParameters(layer.spec, &layer.parameters); }, parts);
  };
  const auto list = [](std::vector<int64_t> v) { return AttributeValue(std::move(v)); };
  refuse("MsdCsc", {{"strides", list({2, 2})}}, {"strides", "[2, 2]", "[1, 1]"});
  refuse("MsdCsc", {{"pads", list({0, 0, 0, 0})}}, {"pads", "[0, 0, 0, 0]", "keep the size"});
  refuse("MsdCsc", {{"kernel_shape", list({5, 5})}}, {"kernel_shape", "[5, 5]", "[3, 3]"});
  refuse("Synthesis", {{"kernel_shape", list({3, 1})}}, {"kernel_shape", "[3, 1]"});
  Layer uneven = Good("MsdCsc", {{"pads", list({2, 0, 0, 2})}});
  CheckParameters(uneven.spec, &uneven.parameters);
  Layer even = Good("LayeredThreshold");
  even.parameters[0] = Constant({4, 3, 2, 2});
  ExpectRefusal([&] { CheckParameters(even.spec, &even.parameters); },
                {"pads is missing", "size 2", "explicit pads"});
}

TEST(CheckParameters, RefusesResCscFiltersThatDoNotFitEachOther) {
  ExpectBad(Good("ResCsc"), 2, Constant({4, 3, 3, 3}), {"[4, 3, 3, 3]", "[4, 4, 3, 3]"});
  ExpectBad(Good("ResCsc"), 2, Constant({3, 4, 3, 3}), {"[3, 4, 3, 3]", "[4, 4, 3, 3]"});
  ExpectBad(Good("ResCsc"), 0, Constant({4, 4, 2, 3}), {"[4, 4, 2, 3]", "odd"});
  ExpectBad(Good("ResCsc"), 2, Constant({4, 4, 3, 4}), {"[4, 4, 3, 4]", "odd"});
}

TEST(CheckParameters, AcceptsRectangularKernelsOfMlCsc) {
  ExpectGood(Good("MlCsc"), 0, Constant({4, 3, 3, 1}), {4, 3, 3, 1});
}

TEST(CheckParameters, RefusesMlCscFiltersThatDoNotFitEachOther) {
  ExpectBad(Good("MlCsc"), 3, Constant({5, 3, 1, 1}), {"[5, 3, 1, 1]", "4"});
}

TEST(CheckParameters, RefusesDenseCscFiltersThatDoNotFitEachOther) {
  ExpectBad(Good("DenseCsc"), 4, Constant({5, 4, 1, 3}), {"[5, 4, 1, 3]", "7 input channels"});
  ExpectBad(Good("DenseCsc"), 4, Constant({5, 7, 2, 3}), {"[5, 7, 2, 3]", "odd"});
}

TEST(HasZeroStep, KnowsAResNetBlockByItsValues) {
  Layer layer = Good("ResCsc");
  EXPECT_FALSE(HasZeroStep(layer.spec, layer.parameters.data()));
  layer.parameters[4] = Constant({1}, 0);
  EXPECT_TRUE(HasZeroStep(layer.spec, layer.parameters.data()));
  layer.parameters[4].data = {};  // sizes alone
  EXPECT_FALSE(HasZeroStep(layer.spec, layer.parameters.data()));
  Layer pursuit = Good("LayeredPursuit");
  pursuit.parameters[2] = Constant({1}, 0);  // still a residual to compute
  EXPECT_FALSE(HasZeroStep(pursuit.spec, pursuit.parameters.data()));
}

TEST(CheckParameters, RefusesWeightsThatAreNotFourSizes) {
  ExpectBad(Good("Gemm"), 0, Constant({10, 12}), {"[10, 12]", "[K, C, H, W]"});
}

}  // namespace
}  // namespace csc::test
