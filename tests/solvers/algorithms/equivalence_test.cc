// Where the contract says that two layers are one and the same.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "solvers/program/cost.h"
#include "tests/solvers/algorithms/one_layer.h"
#include "tests/solvers/compare.h"

namespace csc::test {
namespace {

// [N, a.., H, W] and [N, b.., H, W] joined along the channels.
Doubles Joined(const Doubles& a, const Doubles& b, int64_t batch) {
  Doubles joined;
  const size_t size_a = a.size() / batch, size_b = b.size() / batch;
  for (int64_t n = 0; n < batch; ++n) {
    joined.insert(joined.end(), a.begin() + n * size_a, a.begin() + (n + 1) * size_a);
    joined.insert(joined.end(), b.begin() + n * size_b, b.begin() + (n + 1) * size_b);
  }
  return joined;
}

int64_t Positions(const Shape& shape) { return shape.height * shape.width; }

// max(values - b, 0), b [1] or one per channel.
Doubles Rectified(Doubles values, const std::vector<float>& b, int64_t channels,
                  int64_t positions) {
  for (size_t i = 0; i < values.size(); ++i) {
    const size_t channel = i / positions % channels;
    values[i] = std::max(values[i] - b[b.size() == 1 ? 0 : channel], 0.0);
  }
  return values;
}

// F x by the one-layer threshold of 0 in two parts: F x = relu(F x) - relu(-F x).
Doubles AnalysisOf(const Tensor& filters, const Attributes& geometry, const Shape& input,
                   const std::vector<float>& x, int64_t batch) {
  Attributes attributes = geometry;
  attributes["nonnegative"] = int64_t{0};
  return OutputOf(Layer("LayeredThreshold", attributes, {filters, {{1}, {0}}}, input), x, batch);
}

// Layers with momentum to choose: the same constants with either algorithm.
TEST(Fista, EqualsIstaBelowTwoIterationsAndDiffersFromThenOn) {
  for (const char* op : {"LayeredPursuit", "MsdCsc", "MlCsc", "DenseCsc"}) {
    int differing = 0;
    const int seeds = ForEachSeed(60, [&](Random* random) {
      const LayerCase fista = RandomLayer(random, op, {3, 6, 6});
      LayerCase ista = fista, with_momentum = fista;
      ista.spec.attributes["algorithm"] = std::string("ista");
      with_momentum.spec.attributes["algorithm"] = std::string("fista");
      const auto x = random->Reals(2 * 108, -1, 1);
      const Doubles a = OutputOf(ista, x, 2);
      const Doubles b = OutputOf(with_momentum, x, 2);
      if (fista.spec.Int("unfolding") < 2) {
        EXPECT_TRUE(SameBits(a, b)) << op;
      } else {
        differing += !SameBits(a, b);
      }
    });
    EXPECT_GE(differing, seeds / 6) << op;
  }
}

TEST(MsdCsc, WithoutUnfoldingAndIdentityThresholdsIsAnMsdNetLayer) {
  ForEachSeed(50, [](Random* random) {
    const Shape in = {random->Int(1, 5), 7, 6};
    const int64_t w = random->Int(1, 5), batch = 2;
    const Tensor filters = RandomFilters(random, {w, in.channels, 3, 3});
    const int64_t dilation = random->Int(1, 4);
    const Attributes geometry = {{"dilations", std::vector<int64_t>{dilation, dilation}}};
    std::vector<float> b(in.channels, 0.0f);
    const std::vector<float> bias = random->Reals(w, -0.3, 0.3);
    b.insert(b.end(), bias.begin(), bias.end());
    const auto x = random->Reals(batch * in.size(), 0, 1);
    const LayerCase layer =
        Layer("MsdCsc", geometry, {filters, {{in.channels + w}, b}, {{1}, {1}}}, in);
    const Doubles expected = Joined(
        Doubles(x.begin(), x.end()),
        Rectified(AnalysisOf(filters, geometry, in, x, batch), bias, w, Positions(in)), batch);
    EXPECT_TRUE(CloseTo(OutputOf(layer, x, batch), expected, kRounding));
  });
}

TEST(MsdCsc, WithoutIdentityThresholdsPassesInputsOfAnySign) {
  ForEachSeed(30, [](Random* random) {
    const Shape in = {3, 5, 6};
    const Tensor filters = RandomFilters(random, {4, 3, 3, 3});
    const std::vector<float> bias = random->Reals(4, -0.3, 0.3);
    const auto x = random->Reals(in.size(), -1, 1);
    const LayerCase layer = Layer("MsdCsc", {{"threshold_identity", int64_t{0}}},
                                  {filters, {{4}, bias}, {{1}, {1}}}, in);
    const Doubles expected =
        Joined(Doubles(x.begin(), x.end()),
               Rectified(AnalysisOf(filters, {}, in, x, 1), bias, 4, Positions(in)), 1);
    EXPECT_TRUE(CloseTo(OutputOf(layer, x, 1), expected, kRounding));
  });
}

TEST(MsdCsc, IsThePursuitOverTheDictionaryOfIdentityAndFilters) {
  ForEachSeed(60, [](Random* random) {
    const int64_t c = random->Int(1, 3), w = random->Int(1, 4), k = random->Pick({1, 3, 5});
    const int64_t batch = 2;
    const Shape in = {c, 6, 7};
    const Tensor filters = RandomFilters(random, {w, c, k, k});
    // Filters that copy the input: 1 at the centre.
    Tensor dictionary = {{c + w, c, k, k}, std::vector<float>((c + w) * c * k * k, 0.0f)};
    for (int64_t i = 0; i < c; ++i) dictionary.data[(i * c + i) * k * k + k * k / 2] = 1;
    std::copy(filters.data.begin(), filters.data.end(), dictionary.data.begin() + c * c * k * k);
    const int64_t unfolding = random->Int(0, 4);
    const int64_t rows = unfolding + 1;
    const Tensor b = random->Chance(0.5)
                         ? Tensor{{c + w}, random->Reals(c + w, -0.1, 0.3)}
                         : Tensor{{rows, c + w}, random->Reals(rows * (c + w), -0.1, 0.3)};
    const Tensor step =
        random->Chance(0.5) ? Tensor{{1}, {0.3f}} : Tensor{{rows}, random->Reals(rows, 0.1, 0.4)};
    const Attributes attributes = {
        {"unfolding", unfolding},
        {"dilations", std::vector<int64_t>{random->Int(1, 3), random->Int(1, 3)}},
        {"algorithm", std::string(random->Chance(0.5) ? "ista" : "fista")}};
    const auto x = random->Reals(batch * in.size(), -1, 1);
    EXPECT_TRUE(
        CloseTo(OutputOf(Layer("MsdCsc", attributes, {filters, b, step}, in), x, batch),
                OutputOf(Layer("LayeredPursuit", attributes, {dictionary, b, step}, in), x, batch),
                kRounding));
  });
}

TEST(MsdCsc, WithAllScalesOneIsTheOneWithoutScales) {
  ForEachSeed(30, [](Random* random) {
    LayerCase layer = RandomLayer(random, "MsdCsc", {3, 5, 5});
    layer.parameters.resize(3);
    layer.spec.num_parameters = 3;
    LayerCase scaled = layer;
    const int64_t n = layer.parameters[0].dims[0] + (layer.spec.Int("threshold_identity") ? 3 : 0);
    scaled.parameters.push_back({{n}, std::vector<float>(n, 1.0f)});
    scaled.spec.num_parameters = 4;
    const auto x = random->Reals(75, -1, 1);
    EXPECT_TRUE(Equal(OutputOf(scaled, x, 1), OutputOf(layer, x, 1)));
  });
}

// The constant at `index` given once more for each iteration.
LayerCase WithRows(LayerCase layer, size_t index, int64_t n) {
  Tensor& tensor = layer.parameters[index];
  const int64_t rows = layer.spec.Int("unfolding") + 1;
  std::vector<float> full = tensor.data;
  if (full.size() == 1) full.assign(n, tensor.data[0]);
  tensor.data.clear();
  for (int64_t r = 0; r < rows; ++r) {
    tensor.data.insert(tensor.data.end(), full.begin(), full.end());
  }
  tensor.dims = n == 1 ? Dims{rows} : Dims{rows, n};
  return layer;
}

TEST(PerIterationRows, ThatAreAllAlikeAreTheSharedVector) {
  ForEachSeed(40, [](Random* random) {
    const int64_t c = 3, w = 4;
    const Shape in = {c, 6, 6};
    const Attributes attributes = {{"unfolding", random->Int(1, 4)},
                                   {"algorithm", std::string("fista")}};
    const Tensor filters = RandomFilters(random, {w, c, 3, 3});
    const Tensor step = {{1}, {0.2f}};
    const auto x = random->Reals(in.size(), -1, 1);
    for (const char* op : {"MsdCsc", "LayeredPursuit"}) {
      const int64_t n = op == std::string("MsdCsc") ? c + w : w;
      const Tensor b = {{n}, random->Reals(n, 0, 0.2)};
      const LayerCase layer = Layer(op, attributes, {filters, b, step}, in);
      LayerCase rows = WithRows(WithRows(layer, 1, n), 2, 1);
      CheckParameters(rows.spec, &rows.parameters);
      EXPECT_TRUE(SameBits(OutputOf(rows, x, 1), OutputOf(layer, x, 1))) << op;
    }
  });
}

TEST(LayeredPursuit, WithoutUnfoldingAndStepOneIsTheLayeredThreshold) {
  ForEachSeed(60, [](Random* random) {
    const LayerCase threshold = RandomLayer(random, "LayeredThreshold", RandomInputShape(random));
    LayerCase pursuit = threshold;
    pursuit.spec.op = "LayeredPursuit";
    pursuit.spec.num_parameters = 3;
    pursuit.spec.attributes["unfolding"] = int64_t{0};
    pursuit.spec.attributes["algorithm"] = std::string("fista");
    pursuit.parameters.push_back({{1}, {1}});
    const auto x = random->Reals(2 * threshold.input.size(), -1, 1);
    EXPECT_TRUE(SameBits(OutputOf(pursuit, x, 2), OutputOf(threshold, x, 2)));
  });
}

struct ResBlock {
  Tensor f1, b1, f2, b2;
  Attributes attributes;
};

ResBlock RandomResBlock(Random* random, int64_t channels) {
  return {RandomFilters(random, {channels, channels, 3, 3}),
          {{channels}, random->Reals(channels, -0.2, 0.2)},
          RandomFilters(random, {channels, channels, 3, 3}),
          {{channels}, random->Reals(channels, -0.2, 0.2)},
          {}};
}

TEST(ResCsc, WithStepZeroIsAResNetBlock) {
  ForEachSeed(40, [](Random* random) {
    const int64_t c = random->Int(1, 4);
    const Shape in = {c, 6, 5};
    const ResBlock block = RandomResBlock(random, c);
    const auto x = random->Reals(in.size(), -1, 1);
    const Doubles inner =
        Rectified(AnalysisOf(block.f1, {}, in, x, 1), block.b1.data, c, Positions(in));
    // Filters of the second layer see doubles: through a program of its own.
    Program second;
    const int filters = second.AddParameter("F2", block.f2.dims);
    const ValueId h = second.AddInput(in);
    second.MarkOutput(second.Analysis(h, filters, SamePadded({3, 3})));
    Doubles y = RunReference<double>(second, 1, {inner},
                                     Doubles(block.f2.data.begin(), block.f2.data.end()))
                    .outputs[0];
    Doubles with_shortcut = y;
    for (size_t i = 0; i < y.size(); ++i) with_shortcut[i] += x[i];
    for (int64_t simplified : {0, 1}) {
      const LayerCase layer = Layer("ResCsc", {{"simplified", simplified}},
                                    {block.f1, block.b1, block.f2, block.b2, {{1}, {0}}}, in);
      EXPECT_TRUE(CloseTo(
          OutputOf(layer, x, 1),
          Rectified(simplified ? y : with_shortcut, block.b2.data, c, Positions(in)), kRounding));
    }
  });
}

TEST(ResCsc, WithAKnownStepOfZeroIsTheSameWithFewerConvolutions) {
  ForEachSeed(20, [](Random* random) {
    LayerCase layer = RandomLayer(random, "ResCsc", {3, 6, 5});
    layer.parameters[4] = {{1}, {0}};
    BuildOptions known;
    known.zero_step = HasZeroStep(layer.spec, layer.parameters.data());
    EXPECT_TRUE(known.zero_step);
    const Program whole = LayerProgram(layer), shorter = LayerProgram(layer, known);
    EXPECT_EQ(CostOf(whole).convolutions, 3);
    EXPECT_EQ(CostOf(shorter).convolutions, 2);
    const Work work = RandomWork(random, whole, Flatten({layer}), 2);
    EXPECT_TRUE(Equal(RunInDouble(shorter, work).outputs[0], RunInDouble(whole, work).outputs[0]));
  });
}

TEST(ResCsc, WithScalesOneIsTheOneWithoutScales) {
  ForEachSeed(20, [](Random* random) {
    const int64_t c = 3;
    const ResBlock block = RandomResBlock(random, c);
    const Shape in = {c, 5, 5};
    const std::vector<Tensor> plain = {block.f1, block.b1, block.f2, block.b2, {{1}, {-0.3f}}};
    std::vector<Tensor> scaled = plain;
    scaled.resize(7, {{c}, std::vector<float>(c, 1.0f)});
    const auto x = random->Reals(in.size(), -1, 1);
    EXPECT_TRUE(CloseTo(OutputOf(Layer("ResCsc", {}, scaled, in), x, 1),
                        OutputOf(Layer("ResCsc", {}, plain, in), x, 1), kRounding));
  });
}

TEST(ResCsc, PadShortcutOfEqualSizesIsTheIdentity) {
  ForEachSeed(20, [](Random* random) {
    const ResBlock block = RandomResBlock(random, 3);
    const Shape in = {3, 5, 5};
    const std::vector<Tensor> constants = {block.f1, block.b1, block.f2, block.b2, {{1}, {-0.3f}}};
    const auto x = random->Reals(in.size(), -1, 1);
    EXPECT_TRUE(
        SameBits(OutputOf(Layer("ResCsc", {{"shortcut", std::string("pad")}}, constants, in), x, 1),
                 OutputOf(Layer("ResCsc", {}, constants, in), x, 1)));
  });
}

TEST(Synthesis, OfTheSmallestSizeIsTheOneWithThatOutputSize) {
  ForEachSeed(40, [](Random* random) {
    LayerCase layer = RandomLayer(random, "Synthesis", RandomInputShape(random));
    layer.spec.attributes.erase("output_size");
    const Program program = LayerProgram(layer);
    const Shape out = program.shape(program.outputs()[0]);
    LayerCase sized = layer;
    sized.spec.attributes["output_size"] = std::vector<int64_t>{out.height, out.width};
    const auto x = random->Reals(layer.input.size(), -1, 1);
    EXPECT_TRUE(SameBits(OutputOf(sized, x, 1), OutputOf(layer, x, 1)));
  });
}

}  // namespace
}  // namespace csc::test
