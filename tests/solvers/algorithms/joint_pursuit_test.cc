// ML-CSC and dense blocks: what they equal, and what they cost.

#include "solvers/algorithms/joint_pursuit.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "solvers/program/adjoint.h"
#include "solvers/program/cost.h"
#include "tests/solvers/algorithms/one_layer.h"
#include "tests/solvers/compare.h"
#include "tests/solvers/refusal.h"

namespace csc::test {
namespace {

TEST(MlCsc, OfOneLayerIsTheNonnegativeLayeredPursuit) {
  ForEachSeed(40, [](Random* random) {
    const Shape in = {3, 7, 7};
    const int64_t stride = random->Int(1, 3), dilation = random->Int(1, 2), pad = random->Int(0, 3);
    const int64_t unfolding = random->Int(0, 4);
    const std::string algorithm = random->Chance(0.5) ? "ista" : "fista";
    const std::vector<Tensor> parameters = {
        RandomFilters(random, {4, 3, 3, 3}), {{4}, random->Reals(4, -0.1, 0.2)}, {{1}, {0.2f}}};
    const LayerCase ml = Layer("MlCsc",
                               {{"layers", int64_t{1}},
                                {"layer_strides", std::vector<int64_t>{stride}},
                                {"layer_dilations", std::vector<int64_t>{dilation}},
                                {"layer_pads", std::vector<int64_t>{pad}},
                                {"unfolding", unfolding},
                                {"algorithm", algorithm}},
                               parameters, in);
    const LayerCase pursuit = Layer("LayeredPursuit",
                                    {{"strides", std::vector<int64_t>{stride, stride}},
                                     {"dilations", std::vector<int64_t>{dilation, dilation}},
                                     {"pads", std::vector<int64_t>{pad, pad, pad, pad}},
                                     {"unfolding", unfolding},
                                     {"algorithm", algorithm}},
                                    parameters, in);
    const auto x = random->Reals(in.size(), -1, 1);
    EXPECT_TRUE(CloseTo(OutputOf(ml, x, 1), OutputOf(pursuit, x, 1), kRounding));
  });
}

TEST(MlCsc, WithoutUnfoldingIsLayerAfterLayer) {
  ForEachSeed(30, [](Random* random) {
    LayerCase ml = RandomLayer(random, "MlCsc", {2, 8, 8});
    ml.spec.attributes["unfolding"] = int64_t{0};
    const int64_t depth = ml.spec.Int("layers");
    std::vector<LayerCase> layers;
    Shape in = ml.input;
    for (int64_t i = 0; i < depth; ++i) {
      const auto square = [&](const char* name) {
        const int64_t v = ml.spec.Ints(name)[i];
        return std::vector<int64_t>{v, v};
      };
      const int64_t pad = ml.spec.Ints("layer_pads")[i];
      layers.push_back(
          Layer("LayeredPursuit",
                {{"strides", square("layer_strides")},
                 {"dilations", square("layer_dilations")},
                 {"pads", std::vector<int64_t>{pad, pad, pad, pad}}},
                {ml.parameters[3 * i], ml.parameters[3 * i + 1], ml.parameters[3 * i + 2]}, in));
      const Program one = LayerProgram(layers.back());
      in = one.shape(one.outputs()[0]);
    }
    const Program program = NetworkProgram(layers);
    Work work = RandomWork(random, program, Flatten(layers), 2);
    EXPECT_TRUE(SameBits(OutputOf(ml, work.inputs[0], 2), RunInDouble(program, work).outputs[0]));
  });
}

// The filters of a dense block's layer as a plain layer's: first those that copy
// the channels passed on, 1 at the centre.
Tensor WithIdentity(const Tensor& filters) {
  const int64_t w = filters.dims[0], c = filters.dims[1], k = filters.dims[2];
  Tensor all = {{c + w, c, k, k}, std::vector<float>(c * c * k * k, 0.0f)};
  for (int64_t i = 0; i < c; ++i) all.data[(i * c + i) * k * k + k * k / 2] = 1;
  all.data.insert(all.data.end(), filters.data.begin(), filters.data.end());
  return all;
}

TEST(DenseCsc, IsMlCscOverTheFiltersThatPassTheirInputOn) {
  ForEachSeed(60, [](Random* random) {
    const int64_t depth = random->Int(1, 3), batch = 2;
    const Shape in = {random->Int(1, 3), 6, 7};
    std::vector<Tensor> dense, plain;
    std::vector<int64_t> dilations, pads;
    int64_t channels = in.channels;
    for (int64_t i = 0; i < depth; ++i) {
      const int64_t w = random->Int(1, 3), k = random->Pick({1, 3, 5});
      const Tensor filters = {{w, channels, k, k}, random->Reals(w * channels * k * k, -0.3, 0.3)};
      channels += w;
      const Tensor b = {{channels}, random->Reals(channels, -0.1, 0.2)};
      const Tensor c = {{1}, {random->Chance(0.5) ? 0.5f : 0.25f}};
      for (const Tensor& tensor : {filters, b, c}) dense.push_back(tensor);
      for (const Tensor& tensor : {WithIdentity(filters), b, c}) plain.push_back(tensor);
      dilations.push_back(random->Int(1, 3));
      pads.push_back(dilations.back() * (k - 1) / 2);
    }
    Attributes attributes = {{"layers", depth},
                             {"layer_dilations", dilations},
                             {"unfolding", random->Int(0, 4)},
                             {"algorithm", std::string(random->Chance(0.5) ? "ista" : "fista")}};
    const auto x = random->Reals(batch * in.size(), -1, 1);
    const Doubles block = OutputOf(Layer("DenseCsc", attributes, dense, in), x, batch);
    attributes["layer_pads"] = pads;
    EXPECT_TRUE(
        CloseTo(block, OutputOf(Layer("MlCsc", attributes, plain, in), x, batch), kRounding));
  });
}

TEST(DenseCsc, OfOneLayerIsMsdCsc) {
  ForEachSeed(60, [](Random* random) {
    const Shape in = {random->Int(1, 4), 6, 7};
    const int64_t n = in.channels + 3, unfolding = random->Int(0, 4), rows = unfolding + 1;
    const std::vector<Tensor> parameters = {RandomFilters(random, {3, in.channels, 3, 3}),
                                            {{rows, n}, random->Reals(rows * n, -0.1, 0.3)},
                                            {{rows}, random->Reals(rows, 0.1, 0.4)},
                                            {{rows, n}, random->Reals(rows * n, 0.6, 1.4)}};
    const int64_t dilation = random->Int(1, 3);
    const Attributes common = {{"unfolding", unfolding}, {"algorithm", std::string("fista")}};
    Attributes block = common, layer = common;
    block.insert({{"layers", int64_t{1}}, {"layer_dilations", std::vector<int64_t>{dilation}}});
    layer["dilations"] = std::vector<int64_t>{dilation, dilation};
    const auto x = random->Reals(2 * in.size(), -1, 1);
    EXPECT_TRUE(CloseTo(OutputOf(Layer("DenseCsc", block, parameters, in), x, 2),
                        OutputOf(Layer("MsdCsc", layer, parameters, in), x, 2), kRounding));
  });
}

TEST(DenseCsc, WithoutUnfoldingIsLayerAfterLayer) {
  ForEachSeed(30, [](Random* random) {
    LayerCase block = RandomLayer(random, "DenseCsc", {2, 6, 5});
    block.spec.attributes["unfolding"] = int64_t{0};
    const int per_layer = ConstantsPerLayer(block.spec);
    std::vector<LayerCase> layers;
    Shape in = block.input;
    for (int64_t i = 0; i < block.spec.Int("layers"); ++i) {
      const auto first = block.parameters.begin() + per_layer * i;
      std::vector<Tensor> own(first, first + per_layer);
      for (Tensor& tensor : own) {  // of rows by iteration the first
        if (tensor.dims.size() == 2) tensor.dims = {tensor.dims[1]};
        if (tensor.dims.size() == 1) tensor.data.resize(tensor.dims[0]);
      }
      own[2] = {{1}, {own[2].data[0]}};
      const int64_t dilation = block.spec.Ints("layer_dilations")[i];
      layers.push_back(
          Layer("MsdCsc", {{"dilations", std::vector<int64_t>{dilation, dilation}}}, own, in));
      in.channels += own[0].dims[0];
    }
    block.parameters = {};
    for (const LayerCase& layer : layers) {
      block.parameters.insert(block.parameters.end(), layer.parameters.begin(),
                              layer.parameters.end());
    }
    const Program program = NetworkProgram(layers);
    const Work work = RandomWork(random, program, Flatten(layers), 2);
    EXPECT_TRUE(
        SameBits(OutputOf(block, work.inputs[0], 2), RunInDouble(program, work).outputs[0]));
  });
}

// Convolutions of a block of `depth` layers.
int64_t Convolutions(bool dense, int depth, int unfolding, bool with_gradients) {
  Program program;
  std::vector<JointLayer> layers;
  // The input is a code too, so that its gradient is wanted.
  const int first = program.AddParameter("first", {3, 1, 1, 1});
  int64_t channels = 3;
  for (int i = 0; i < depth; ++i) {
    const int filters = program.AddParameter("F", {4, channels, 3, 3});
    channels = dense ? channels + 4 : 4;
    layers.push_back(
        {{filters, program.AddParameter("b", {channels}), program.AddParameter("c", {1})},
         SamePadded({3, 3})});
  }
  JointOptions options;
  options.unfolding = unfolding;
  options.algorithm = Algorithm::kFista;
  options.dense = dense;
  const ValueId x = program.Analysis(program.AddInput({1, 6, 6}), first, {});
  const ValueId code = JointPursuit(&program, x, layers, options);
  EXPECT_EQ(program.shape(code).channels, channels);
  if (with_gradients) {
    Differentiate(&program, {{code, program.AddInput(program.shape(code))}});
  }
  return CostOf(program).convolutions - (with_gradients ? 2 : 1);  // without `first`'s own
}

TEST(JointPursuit, CostsASynthesisAndAnAnalysisALayerAndRound) {
  for (bool dense : {false, true}) {
    for (int depth : {1, 2, 4}) {
      for (int unfolding : {0, 1, 3}) {
        const int64_t passes = depth * (1 + 2 * unfolding);
        EXPECT_EQ(Convolutions(dense, depth, unfolding, false), passes);
        // Each has two gradients: of its filters and of what it reads.
        EXPECT_EQ(Convolutions(dense, depth, unfolding, true), 3 * passes);
      }
    }
  }
}

TEST(JointPursuit, RefusesADenseLayerThatChangesTheSize) {
  Program program;
  JointLayer layer = {{program.AddParameter("F", {2, 1, 3, 3}), program.AddParameter("b", {3}),
                       program.AddParameter("c", {1})},
                      {{3, 3}, {2, 2}, {1, 1}, {1, 1, 1, 1}}};
  const ValueId x = program.AddInput({1, 6, 6});
  JointOptions options;
  EXPECT_EQ(program.shape(JointPursuit(&program, x, {layer}, options)).height, 3);
  options.dense = true;
  ExpectRefusal([&] { JointPursuit(&program, x, {layer}, options); },
                {"geometry 3x3 stride 2x2", "stride 1"});
  ExpectRefusal([&] { JointPursuit(&program, x, {}, options); }, {"at least one layer"});
}

}  // namespace
}  // namespace csc::test
