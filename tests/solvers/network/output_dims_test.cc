// Output sizes, also where some are not known yet, and inputs that do not fit.

#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <string>
#include <vector>

#include "solvers/network/layer.h"
#include "tests/solvers/random.h"
#include "tests/solvers/random_layer.h"
#include "tests/solvers/refusal.h"

namespace csc::test {
namespace {

using Ints = std::vector<int64_t>;

AttributeValue List(Ints value) { return value; }

Dims DimsOf(const LayerCase& layer, const Dims& in) {
  std::vector<Dims> dims;
  for (const Tensor& tensor : layer.parameters) dims.push_back(tensor.dims);
  return OutputDims(layer.spec, dims, in);
}

TEST(OutputDims, AreTheShapesOfThePrograms) {
  for (const std::string& op : ProgramOperators()) {
    ForEachSeed(60, [&](Random* random) {
      const LayerCase layer = RandomLayer(random, op, RandomInputShape(random));
      const Program program = LayerProgram(layer);
      const Shape& out = program.shape(program.outputs()[0]);
      const Shape& in = layer.input;
      EXPECT_EQ(DimsOf(layer, {5, in.channels, in.height, in.width}),
                (Dims{5, out.channels, out.height, out.width}))
          << op;
    });
  }
}

TEST(OutputDims, PassZeroSizesOn) {
  for (const std::string& op : ProgramOperators()) {
    ForEachSeed(60, [&](Random* random) {
      SCOPED_TRACE(op);
      const LayerCase layer = RandomLayer(random, op, RandomInputShape(random));
      const Shape& in = layer.input;
      const Dims known = DimsOf(layer, {5, in.channels, in.height, in.width});
      // The batch alone.
      EXPECT_EQ(DimsOf(layer, {0, in.channels, in.height, in.width}),
                (Dims{0, known[1], known[2], known[3]}));
      // One side, then the other: unknown in, unknown out, unless it is fixed.
      const bool fixed = op == "GlobalAveragePool" || op == "Gemm" ||
                         (op == "Synthesis" && layer.spec.Has("output_size"));
      const Dims no_height = DimsOf(layer, {5, in.channels, 0, in.width});
      EXPECT_EQ(no_height, (Dims{5, known[1], fixed ? known[2] : 0, known[3]}));
      const Dims no_width = DimsOf(layer, {5, in.channels, in.height, 0});
      EXPECT_EQ(no_width, (Dims{5, known[1], known[2], fixed ? known[3] : 0}));
      const Dims nothing = DimsOf(layer, {0, in.channels, 0, 0});
      EXPECT_EQ(nothing[0], 0);
      EXPECT_EQ(nothing[1], known[1]);
    });
  }
}

TEST(OutputDims, AcceptChannelsNotKnownYet) {
  for (const std::string& op : ProgramOperators()) {
    ForEachSeed(10, [&](Random* random) {
      const LayerCase layer = RandomLayer(random, op, RandomInputShape(random));
      EXPECT_EQ(DimsOf(layer, {0, 0, 0, 0})[0], 0) << op;
    });
  }
}

TEST(OutputDims, RefuseOtherChannelsNamingTheSizes) {
  for (const std::string& op : ProgramOperators()) {
    if (op == "MaxPool" || op == "GlobalAveragePool") continue;
    ForEachSeed(20, [&](Random* random) {
      SCOPED_TRACE(op);
      const LayerCase layer = RandomLayer(random, op, RandomInputShape(random));
      const Shape& in = layer.input;
      if (op == "SoftThreshold" && layer.parameters[0].data.size() == 1) return;
      const Dims wrong = {5, in.channels + 1, in.height, in.width};
      ExpectRefusal([&] { DimsOf(layer, wrong); }, {ToString(wrong), "expected"});
    });
  }
}

LayerCase Filtered(const std::string& op, const std::map<std::string, AttributeValue>& attributes,
                   const Dims& filters) {
  LayerCase layer;
  layer.parameters = {{filters, std::vector<float>(NumElements(filters), 1)}};
  if (op != "Synthesis") layer.parameters.push_back({{1}, {0}});
  layer.spec = MakeLayerSpec(op, attributes, static_cast<int>(layer.parameters.size()));
  return layer;
}

TEST(OutputDims, RefuseInputsThatAreTooSmall) {
  const LayerCase layer =
      Filtered("LayeredThreshold", {{"pads", List({0, 1, 0, 1})}, {"dilations", List({2, 1})}},
               {4, 3, 3, 3});
  EXPECT_EQ(DimsOf(layer, {1, 3, 5, 1}), (Dims{1, 4, 1, 1}));
  ExpectRefusal([&] { DimsOf(layer, {1, 3, 4, 9}); }, {"height is 4", "at least 5"});
  const LayerCase narrow =
      Filtered("LayeredThreshold", {{"pads", List({0, 0, 0, 0})}}, {4, 3, 1, 7});
  ExpectRefusal([&] { DimsOf(narrow, {1, 3, 4, 6}); }, {"width is 6", "at least 7"});
  LayerCase pool;
  pool.spec = MakeLayerSpec("MaxPool", {{"kernel_shape", List({3, 2})}}, 0);
  ExpectRefusal([&] { DimsOf(pool, {1, 3, 2, 2}); }, {"height is 2", "at least 3"});
}

TEST(OutputDims, RefuseAnotherRankAndNegativeSizes) {
  const LayerCase layer = Filtered("LayeredThreshold", {}, {4, 3, 3, 3});
  ExpectRefusal([&] { DimsOf(layer, {3, 8, 8}); }, {"[3, 8, 8]", "[N, C, H, W]"});
  ExpectRefusal([&] { DimsOf(layer, {1, 3, 8, 8, 1}); }, {"[1, 3, 8, 8, 1]"});
  ExpectRefusal([&] { DimsOf(layer, {}); }, {"[N, C, H, W]"});
  ExpectRefusal([&] { DimsOf(layer, {1, 3, -8, 8}); }, {"[1, 3, -8, 8]", "negative"});
}

TEST(OutputDims, RefuseSizesWhoseProductOverflows) {
  const int64_t huge = int64_t{1} << 40;
  const LayerCase threshold = Filtered("LayeredThreshold", {}, {4, 3, 1, 1});
  ExpectRefusal([&] { DimsOf(threshold, {huge, 3, huge, huge}); }, {std::to_string(huge)});
  const LayerCase synthesis =
      Filtered("Synthesis", {{"strides", List({1024, 1024})}}, {4, 3, 1, 1});
  ExpectRefusal(
      [&] {
        DimsOf(synthesis, {1, 4, std::numeric_limits<int64_t>::max() / 8, 1});
      },
      {std::to_string(std::numeric_limits<int64_t>::max() / 8)});
  ExpectRefusal(
      [&] {
        DimsOf(synthesis, {1, 4, int64_t{1} << 24, int64_t{1} << 24});
      },
      {"17179868161", "overflows"});
}

TEST(OutputDims, OfSynthesisAreTheSmallestWhoseAnalysisFits) {
  const LayerCase layer = Filtered(
      "Synthesis", {{"strides", List({2, 3})}, {"pads", List({1, 0, 0, 2})}}, {4, 3, 3, 5});
  // (5 - 1) * 2 + 3 - 1 and (6 - 1) * 3 + 5 - 2
  EXPECT_EQ(DimsOf(layer, {2, 4, 5, 6}), (Dims{2, 3, 10, 18}));
}

TEST(OutputDims, OfSynthesisFollowOutputSizeWhereItsAnalysisFits) {
  const auto layer = [](int64_t height, int64_t width) {
    return Filtered("Synthesis",
                    {{"strides", List({2, 3})},
                     {"pads", List({1, 0, 0, 2})},
                     {"output_size", List({height, width})}},
                    {4, 3, 3, 5});
  };
  EXPECT_EQ(DimsOf(layer(11, 20), {2, 4, 5, 6}), (Dims{2, 3, 11, 20}));
  EXPECT_EQ(DimsOf(layer(11, 20), {2, 4, 0, 0}), (Dims{2, 3, 11, 20}));
  ExpectRefusal(
      [&] {
        DimsOf(layer(12, 20), {2, 4, 5, 6});
      },
      {"output_size", "height of 12", "6 windows", "5"});
  ExpectRefusal(
      [&] {
        DimsOf(layer(11, 17), {2, 4, 5, 6});
      },
      {"output_size", "width of 17", "5 windows", "6"});
}

TEST(OutputDims, OfSynthesisRefusePadsThatLeaveNothing) {
  const LayerCase layer = Filtered("Synthesis", {{"pads", List({2, 1, 2, 1})}}, {4, 3, 3, 3});
  ExpectRefusal([&] { DimsOf(layer, {1, 4, 1, 5}); }, {"pads", "height", "at least 1"});
  EXPECT_EQ(DimsOf(layer, {1, 4, 3, 5}), (Dims{1, 3, 1, 5}));
}

TEST(OutputDims, OfResCscRefuseAnIdentityThatDoesNotFit) {
  LayerCase layer;
  layer.parameters = {{{4, 3, 3, 3}, {}}, {{4}, {}}, {{4, 4, 3, 3}, {}}, {{4}, {}}, {{1}, {}}};
  layer.spec = MakeLayerSpec("ResCsc", {}, 5);
  ExpectRefusal([&] { DimsOf(layer, {1, 3, 8, 8}); }, {"shortcut", "identity", "[4, 3, 3, 3]"});
  layer.spec = MakeLayerSpec("ResCsc", {{"shortcut", std::string("pad")}}, 5);
  EXPECT_EQ(DimsOf(layer, {1, 3, 8, 8}), (Dims{1, 4, 8, 8}));
  layer.parameters[0].dims = {4, 5, 3, 3};
  ExpectRefusal([&] { DimsOf(layer, {1, 5, 8, 8}); }, {"shortcut", "pad", "[4, 5, 3, 3]"});
  layer.parameters[0].dims = {4, 4, 3, 3};
  layer.spec = MakeLayerSpec("ResCsc", {{"strides", List({2, 2})}}, 5);
  ExpectRefusal([&] { DimsOf(layer, {1, 4, 8, 8}); }, {"shortcut", "[2, 2]"});
}

TEST(OutputDims, OfGemmRefuseAnotherImageSize) {
  LayerCase layer;
  layer.parameters = {{{10, 3, 2, 2}, {}}, {{10}, {}}};
  layer.spec = MakeLayerSpec("Gemm", {}, 2);
  EXPECT_EQ(DimsOf(layer, {7, 3, 2, 2}), (Dims{7, 10, 1, 1}));
  ExpectRefusal([&] { DimsOf(layer, {7, 3, 2, 3}); }, {"[7, 3, 2, 3]", "[N, 3, 2, 2]"});
}

TEST(GlobalAveragePool, CanBeBuiltForImagesLargerThanAKernel) {
  LayerCase layer;
  layer.spec = MakeLayerSpec("GlobalAveragePool", {}, 0);
  layer.input = {2, 300, 257};
  const Program program = LayerProgram(layer);
  EXPECT_EQ(program.shape(program.outputs()[0]), (Shape{2, 1, 1}));
}

TEST(BuildLayer, RefusesTheLassoWhichIsNoProgram) {
  LayerCase layer = Filtered("LayeredThreshold", {}, {4, 3, 3, 3});
  layer.spec = MakeLayerSpec("Lasso", {}, 2);
  layer.input = {3, 8, 8};
  ExpectRefusal([&] { LayerProgram(layer); }, {"Lasso"});
}

}  // namespace
}  // namespace csc::test
