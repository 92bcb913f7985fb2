// Attributes: defaults, OpenCV's spellings, ranges, and what is refused.

#include "solvers/network/operator.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/solvers/refusal.h"

namespace csc::test {
namespace {

using Attributes = std::map<std::string, AttributeValue>;
using Ints = std::vector<int64_t>;

AttributeValue Int(int64_t value) { return value; }
AttributeValue Text(const std::string& value) { return value; }
AttributeValue List(Ints value) { return value; }

TEST(AllOperators, AreThoseOfTheContractThreeStandardOnesAndTheSpecsOwn) {
  std::map<std::string, std::set<std::string>> names;  // by domain
  for (const OperatorSchema& schema : AllOperators()) {
    EXPECT_TRUE(names[schema.domain].insert(schema.name).second) << schema.name;
    EXPECT_EQ(FindOperator(schema.name).name, schema.name);
  }
  using Names = std::set<std::string>;
  EXPECT_EQ(names.size(), 3u);
  EXPECT_EQ(names[kCscDomain], (Names{"SoftThreshold", "LayeredThreshold", "LayeredPursuit",
                                      "Synthesis", "Lasso", "MsdCsc", "ResCsc", "MlCsc"}));
  EXPECT_EQ(names[kStandardDomain], (Names{"MaxPool", "GlobalAveragePool", "Gemm"}));
  EXPECT_EQ(names[kSpecDomain], Names{"DenseCsc"});
}

TEST(FindOperator, RefusesUnknownNamesAndListsTheKnownOnes) {
  ExpectRefusal([] { FindOperator("MsdCSC"); }, {"\"MsdCSC\"", "unknown", "MsdCsc", "Gemm"});
  ExpectRefusal([] { FindOperator(""); }, {"\"\""});
}

TEST(MakeLayerSpec, FillsInTheContractsDefaults) {
  EXPECT_EQ(MakeLayerSpec("SoftThreshold", {}, 1).Int("nonnegative"), 0);
  EXPECT_EQ(MakeLayerSpec("LayeredThreshold", {}, 2).Int("nonnegative"), 1);
  const LayerSpec pursuit = MakeLayerSpec("LayeredPursuit", {}, 3);
  EXPECT_EQ(pursuit.Int("nonnegative"), 1);
  EXPECT_EQ(pursuit.Int("unfolding"), 0);
  EXPECT_EQ(pursuit.String("algorithm"), "ista");
  EXPECT_EQ(pursuit.Ints("strides"), (Ints{1, 1}));
  EXPECT_EQ(pursuit.Ints("dilations"), (Ints{1, 1}));
  EXPECT_FALSE(pursuit.Has("pads"));
  const LayerSpec lasso = MakeLayerSpec("Lasso", {}, 2);
  EXPECT_EQ(lasso.String("algorithm"), "fista");
  EXPECT_EQ(lasso.Int("max_iterations"), 100);
  EXPECT_EQ(lasso.Float("tolerance"), 1e-4);
  EXPECT_EQ(lasso.Int("nonnegative"), 0);
  EXPECT_EQ(lasso.Float("step"), 0);
  const LayerSpec msd = MakeLayerSpec("MsdCsc", {}, 3);
  EXPECT_EQ(msd.Int("threshold_identity"), 1);
  EXPECT_EQ(msd.String("algorithm"), "ista");
  const LayerSpec res = MakeLayerSpec("ResCsc", {}, 5);
  EXPECT_EQ(res.String("shortcut"), "identity");
  EXPECT_EQ(res.Int("simplified"), 0);
  const LayerSpec ml =
      MakeLayerSpec("MlCsc", {{"layers", Int(2)}, {"layer_pads", List({1, 0})}}, 6);
  EXPECT_EQ(ml.Ints("layer_strides"), (Ints{1, 1}));
  EXPECT_EQ(ml.Ints("layer_dilations"), (Ints{1, 1}));
  EXPECT_EQ(ml.Int("unfolding"), 0);
  const LayerSpec dense = MakeLayerSpec("DenseCsc", {{"layers", Int(2)}}, 6);
  EXPECT_EQ(dense.Ints("layer_dilations"), (Ints{1, 1}));
  EXPECT_FALSE(dense.Has("layer_strides"));
  EXPECT_EQ(dense.Int("unfolding"), 0);
  EXPECT_EQ(dense.String("algorithm"), "ista");
}

TEST(MakeLayerSpec, AcceptsOpenCvsSpellings) {
  const LayerSpec layer = MakeLayerSpec("LayeredThreshold",
                                        {{"stride", List({2, 3})},
                                         {"dilation", List({4, 5})},
                                         {"pad", List({1, 2, 3, 4})},
                                         {"kernel_size", List({3, 5})}},
                                        2);
  EXPECT_EQ(layer.Ints("strides"), (Ints{2, 3}));
  EXPECT_EQ(layer.Ints("dilations"), (Ints{4, 5}));
  EXPECT_EQ(layer.Ints("pads"), (Ints{1, 2, 3, 4}));
  EXPECT_EQ(layer.Ints("kernel_shape"), (Ints{3, 5}));
  const LayerSpec pool =
      MakeLayerSpec("MaxPool", {{"kernel_size", List({2, 2})}, {"stride", List({2, 2})}}, 0);
  EXPECT_EQ(pool.Ints("strides"), (Ints{2, 2}));
}

TEST(MakeLayerSpec, AcceptsWhatOnlySaysWhatHoldsAnyway) {
  const LayerSpec layer =
      MakeLayerSpec("MsdCsc", {{"auto_pad", Text("NOTSET")}, {"group", Int(1)}}, 3);
  EXPECT_FALSE(layer.Has("auto_pad"));
  EXPECT_FALSE(layer.Has("group"));
}

TEST(MakeLayerSpec, TakesAnIntegerForANumberAndAListOfOneForAnInteger) {
  const LayerSpec lasso =
      MakeLayerSpec("Lasso", {{"tolerance", Int(0)}, {"max_iterations", List({7})}}, 2);
  EXPECT_EQ(lasso.Float("tolerance"), 0);
  EXPECT_EQ(lasso.Int("max_iterations"), 7);
  const LayerSpec ml = MakeLayerSpec("MlCsc", {{"layers", Int(1)}, {"layer_pads", Int(2)}}, 3);
  EXPECT_EQ(ml.Ints("layer_pads"), (Ints{2}));
}

TEST(MakeLayerSpec, AcceptsTheEndsOfEveryRange) {
  MakeLayerSpec("LayeredPursuit",
                {{"strides", List({1, 1024})},
                 {"dilations", List({1024, 1})},
                 {"pads", List({0, 16384, 16384, 0})},
                 {"kernel_shape", List({1, 255})},
                 {"unfolding", Int(1000)}},
                3);
  MakeLayerSpec("Lasso", {{"max_iterations", Int(100000)}, {"tolerance", 0.0}, {"step", 1e30}}, 2);
  MakeLayerSpec("Lasso", {{"max_iterations", Int(1)}}, 2);
}

TEST(MakeLayerSpec, RefusesAnAttributeGivenInBothSpellings) {
  ExpectRefusal(
      [] {
        MakeLayerSpec("MsdCsc", {{"strides", List({1, 1})}, {"stride", List({1, 1})}}, 3);
      },
      {"strides", "twice", "stride"});
}

// What must be refused, and what the message must say besides the attribute.
struct BadAttribute {
  std::string op;
  int num_parameters;
  std::string name;
  AttributeValue value;
  std::vector<std::string> parts;
};

std::vector<BadAttribute> BadAttributes() {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  std::vector<BadAttribute> bad = {
      // ranges
      {"LayeredThreshold", 2, "strides", List({0, 1}), {"[0, 1]", "1..1024"}},
      {"LayeredThreshold", 2, "strides", List({1, 1025}), {"[1, 1025]", "1..1024"}},
      {"LayeredThreshold", 2, "dilations", List({-1, 1}), {"[-1, 1]", "1..1024"}},
      {"LayeredThreshold", 2, "dilations", List({1, 1025}), {"1025", "1..1024"}},
      {"LayeredThreshold", 2, "pads", List({0, 0, 0, -1}), {"[0, 0, 0, -1]", "0..16384"}},
      {"LayeredThreshold", 2, "pads", List({16385, 0, 0, 0}), {"16385", "0..16384"}},
      {"LayeredThreshold", 2, "kernel_shape", List({3, 0}), {"[3, 0]", "1..255"}},
      {"LayeredThreshold", 2, "kernel_shape", List({256, 3}), {"256", "1..255"}},
      {"LayeredThreshold",
       2,
       "strides",
       List({std::numeric_limits<int64_t>::max(), 1}),
       {"9223372036854775807", "1..1024"}},
      {"LayeredPursuit", 3, "unfolding", Int(-1), {"-1", "0..1000"}},
      {"LayeredPursuit", 3, "unfolding", Int(1001), {"1001", "0..1000"}},
      {"MsdCsc", 3, "unfolding", Int(-1), {"-1", "0..1000"}},
      {"MlCsc", 3, "unfolding", Int(5000), {"5000", "0..1000"}},
      {"MsdCsc", 3, "threshold_identity", Int(2), {"2", "0..1"}},
      {"SoftThreshold", 1, "nonnegative", Int(-1), {"-1", "0..1"}},
      {"ResCsc", 5, "simplified", Int(3), {"3", "0..1"}},
      {"ResCsc", 5, "strides", List({2, 0}), {"[2, 0]", "1..1024"}},
      {"Lasso", 2, "max_iterations", Int(0), {"0", "1..100000"}},
      {"Lasso", 2, "max_iterations", Int(100001), {"100001", "1..100000"}},
      {"Lasso", 2, "tolerance", -1e-9, {"-1e-09", "at least 0"}},
      {"Lasso", 2, "tolerance", nan, {"nan", "finite"}},
      {"Lasso", 2, "step", -0.5, {"-0.5", "at least 0"}},
      {"Lasso", 2, "step", infinity, {"inf", "finite"}},
      {"Lasso", 2, "step", nan, {"nan", "finite"}},
      {"Synthesis", 1, "output_size", List({0, 4}), {"[0, 4]"}},
      {"MaxPool", 0, "kernel_shape", List({0, 2}), {"[0, 2]", "1..255"}},
      {"MaxPool", 0, "strides", List({2, -2}), {"[2, -2]"}},
      {"MlCsc", 3, "layers", Int(0), {"0", "1..1000"}},
      {"MlCsc", 3, "layers", Int(1001), {"1001"}},
      {"MlCsc", 3, "layer_pads", List({-3}), {"[-3]"}},
      // choices
      {"MsdCsc", 3, "algorithm", Text("FISTA"), {"\"FISTA\"", "\"ista\" or \"fista\""}},
      {"Lasso", 2, "algorithm", Text(""), {"\"\"", "\"ista\" or \"fista\""}},
      {"ResCsc", 5, "shortcut", Text("conv"), {"\"conv\"", "\"identity\" or \"pad\""}},
      {"MsdCsc", 3, "auto_pad", Text("SAME_UPPER"), {"\"SAME_UPPER\"", "NOTSET"}},
      {"MsdCsc", 3, "group", Int(2), {"2", "1"}},
      // lengths
      {"LayeredThreshold", 2, "strides", List({1}), {"[1]", "2 entries"}},
      {"LayeredThreshold", 2, "strides", List({1, 1, 1}), {"[1, 1, 1]", "2 entries"}},
      {"LayeredThreshold", 2, "pads", List({1, 1, 1}), {"[1, 1, 1]", "4"}},
      {"LayeredThreshold", 2, "pads", List({}), {"[]"}},
      {"LayeredThreshold", 2, "kernel_shape", List({3}), {"[3]", "2 entries"}},
      {"Synthesis", 1, "output_size", List({4}), {"[4]", "2 entries"}},
      // types
      {"LayeredThreshold", 2, "strides", Text("1,1"), {"\"1,1\"", "list of integers"}},
      {"MsdCsc", 3, "unfolding", 1.5, {"1.5", "integer"}},
      {"MsdCsc", 3, "unfolding", Text("2"), {"\"2\"", "integer"}},
      {"MsdCsc", 3, "algorithm", Int(1), {"1", "string"}},
      {"Lasso", 2, "tolerance", Text("small"), {"\"small\"", "number"}},
      {"MsdCsc", 3, "unfolding", List({1, 2}), {"[1, 2]", "integer"}},
      // unknown names
      {"MsdCsc", 3, "unfoldings", Int(2), {"MsdCsc", "2", "unfolding"}},
      {"MsdCsc", 3, "nonnegative", Int(1), {"MsdCsc", "1"}},
      {"SoftThreshold", 1, "strides", List({1, 1}), {"SoftThreshold", "[1, 1]"}},
      {"ResCsc", 5, "dilations", List({1, 1}), {"ResCsc", "[1, 1]"}},
      {"GlobalAveragePool", 0, "axis", Int(1), {"GlobalAveragePool", "none"}},
      {"MaxPool", 0, "ceil_mode", Int(1), {"MaxPool", "kernel_shape"}},
  };
  return bad;
}

TEST(MakeLayerSpec, RefusesBadAttributesNamingThemTheirValueAndWhatIsExpected) {
  for (const BadAttribute& bad : BadAttributes()) {
    SCOPED_TRACE(bad.op + "." + bad.name);
    Attributes attributes;
    if (bad.op == "MlCsc") {
      attributes = {{"layers", Int(1)}, {"layer_pads", List({0})}};
    }
    if (bad.op == "MaxPool") attributes["kernel_shape"] = List({2, 2});
    attributes[bad.name] = bad.value;
    std::vector<std::string> parts = bad.parts;
    parts.push_back("attribute " + bad.name);
    ExpectRefusal([&] { MakeLayerSpec(bad.op, attributes, bad.num_parameters); }, parts);
  }
}

TEST(MakeLayerSpec, RefusesMissingRequiredAttributes) {
  ExpectRefusal(
      [] {
        MakeLayerSpec("MlCsc", {{"layers", Int(1)}}, 3);
      },
      {"attribute layer_pads is missing"});
  ExpectRefusal(
      [] {
        MakeLayerSpec("MlCsc", {{"layer_pads", List({1})}}, 3);
      },
      {"attribute layers is missing"});
  ExpectRefusal([] { MakeLayerSpec("DenseCsc", {}, 3); }, {"attribute layers is missing"});
  ExpectRefusal([] { MakeLayerSpec("MaxPool", {}, 0); }, {"attribute kernel_shape is missing"});
}

TEST(ConstantsPerLayer, CountsTheScale) {
  const Attributes two = {{"layers", Int(2)}, {"layer_pads", List({1, 1})}};
  EXPECT_EQ(ConstantsPerLayer(MakeLayerSpec("MlCsc", two, 6)), 3);
  EXPECT_EQ(ConstantsPerLayer(MakeLayerSpec("DenseCsc", {{"layers", Int(2)}}, 6)), 3);
  EXPECT_EQ(ConstantsPerLayer(MakeLayerSpec("DenseCsc", {{"layers", Int(2)}}, 8)), 4);
}

TEST(MakeLayerSpec, RefusesListsThatDoNotHaveAnEntryALayer) {
  for (const char* name : {"layer_pads", "layer_strides", "layer_dilations"}) {
    Attributes attributes = {{"layers", Int(2)}, {"layer_pads", List({1, 1})}};
    attributes[name] = List({1, 1, 1});
    ExpectRefusal([&] { MakeLayerSpec("MlCsc", attributes, 6); },
                  {std::string("attribute ") + name, "[1, 1, 1]", "2 entries"});
  }
  ExpectRefusal(
      [] {
        MakeLayerSpec("DenseCsc", {{"layers", Int(2)}, {"layer_dilations", Int(3)}}, 6);
      },
      {"attribute layer_dilations", "[3]", "2 entries"});
}

TEST(MakeLayerSpec, RefusesAWrongNumberOfConstants) {
  const auto refuse = [](const std::string& op, const Attributes& attributes, int found,
                         const std::string& expected) {
    ExpectRefusal([&] { MakeLayerSpec(op, attributes, found); },
                  {std::to_string(found) + " constant inputs (blobs) found", expected});
  };
  refuse("SoftThreshold", {}, 0, "1 expected");
  refuse("SoftThreshold", {}, 2, "1 expected");
  refuse("LayeredThreshold", {}, 1, "2 expected");
  refuse("LayeredPursuit", {}, 2, "3 expected");
  refuse("LayeredPursuit", {}, 4, "3 expected");
  refuse("Synthesis", {}, 0, "1 expected");
  refuse("Lasso", {}, 3, "2 expected");
  refuse("MsdCsc", {}, 2, "3 or 4 expected");
  refuse("MsdCsc", {}, 5, "3 or 4 expected");
  refuse("ResCsc", {}, 4, "5 or 7");
  refuse("ResCsc", {}, 6, "5 or 7");
  refuse("ResCsc", {}, 8, "5 or 7");
  refuse("MlCsc", {{"layers", Int(2)}, {"layer_pads", List({0, 0})}}, 5, "6 expected");
  refuse("DenseCsc", {{"layers", Int(2)}}, 5, "6 or 8");
  refuse("DenseCsc", {{"layers", Int(2)}}, 7, "6 or 8");
  refuse("DenseCsc", {{"layers", Int(2)}}, 9, "6 or 8");
  refuse("MaxPool", {{"kernel_shape", List({2, 2})}}, 1, "0 expected");
  refuse("Gemm", {}, 1, "2 expected");
}

TEST(LayerGeometries, AreSamePaddedWhereNoPadsAreGiven) {
  const LayerSpec layer = MakeLayerSpec("LayeredThreshold", {{"dilations", List({2, 1})}}, 2);
  EXPECT_EQ(LayerGeometries(layer, {{4, 3, 3, 5}})[0].pads, (std::array<int64_t, 4>{2, 2, 2, 2}));
  ExpectRefusal(
      [&] {
        LayerGeometries(layer, {{4, 3, 3, 4}});
      },
      {"attribute pads is missing", "kernel of size 4", "explicit pads"});
}

TEST(LayerGeometries, ReadTwoPadsAsBothSides) {
  const LayerSpec layer = MakeLayerSpec("LayeredThreshold", {{"pad", List({1, 2})}}, 2);
  EXPECT_EQ(LayerGeometries(layer, {{4, 3, 3, 5}})[0].pads, (std::array<int64_t, 4>{1, 2, 1, 2}));
}

TEST(LayerGeometries, RefuseAKernelShapeThatDisagreesWithTheFilters) {
  const LayerSpec layer = MakeLayerSpec("MsdCsc", {{"kernel_shape", List({3, 5})}}, 3);
  ExpectRefusal(
      [&] {
        LayerGeometries(layer, {{4, 3, 3, 3}});
      },
      {"attribute kernel_shape", "[3, 5]", "[3, 3]"});
}

TEST(LayerGeometries, AreOneForEachFilterTensor) {
  EXPECT_TRUE(LayerGeometries(MakeLayerSpec("SoftThreshold", {}, 1), {{3}}).empty());
  const LayerSpec res = MakeLayerSpec("ResCsc", {{"strides", List({2, 3})}}, 5);
  const auto two = LayerGeometries(res, {{4, 4, 3, 5}, {4}, {4, 4, 1, 7}, {4}, {1}});
  ASSERT_EQ(two.size(), 2u);
  EXPECT_EQ(two[0], SamePadded({3, 5}, {2, 3}));
  EXPECT_EQ(two[1], SamePadded({1, 7}));
  const LayerSpec ml = MakeLayerSpec("MlCsc",
                                     {{"layers", Int(2)},
                                      {"layer_pads", List({1, 2})},
                                      {"layer_strides", List({2, 1})},
                                      {"layer_dilations", List({1, 3})}},
                                     6);
  const auto both = LayerGeometries(ml, {{4, 3, 3, 3}, {4}, {1}, {5, 4, 2, 2}, {5}, {1}});
  ASSERT_EQ(both.size(), 2u);
  EXPECT_EQ(both[0], (Geometry{{3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}}));
  EXPECT_EQ(both[1], (Geometry{{2, 2}, {1, 1}, {3, 3}, {2, 2, 2, 2}}));
  // A dense block keeps its size.
  const LayerSpec dense =
      MakeLayerSpec("DenseCsc", {{"layers", Int(2)}, {"layer_dilations", List({1, 3})}}, 8);
  const auto kept =
      LayerGeometries(dense, {{4, 3, 3, 5}, {7}, {1}, {7}, {5, 7, 1, 3}, {12}, {1}, {12}});
  ASSERT_EQ(kept.size(), 2u);
  EXPECT_EQ(kept[0], SamePadded({3, 5}));
  EXPECT_EQ(kept[1], SamePadded({1, 3}, {1, 1}, {3, 3}));
}

}  // namespace
}  // namespace csc::test
