#include "tests/training/onnx/test_networks.h"

#include <cmath>
#include <utility>

#include "solvers/engines/reference/interpreter.h"

namespace csc {

namespace {

using Attributes = std::map<std::string, AttributeValue>;
using Ints = std::vector<int64_t>;

// Filters shrink with their fan-in, so that unrolled steps stay bounded;
// thresholds are small enough to leave something of every code.
Tensor RandomConstant(const std::string& name, const Dims& dims, TestRandom* random) {
  if (dims.size() == 4) {
    const float bound = 1.0f / std::sqrt(static_cast<float>(dims[1] * dims[2] * dims[3]));
    return random->Tensor4(dims, -bound, bound);
  }
  if (name[0] == 'a') return random->Tensor4(dims, 0.5f, 1.5f);
  if (name[0] == 'c') return random->Tensor4(dims, 0.3f, 0.6f);
  const bool deep = name.size() > 1 && name[1] == '_';  // b_i of joint pursuits
  return random->Tensor4(dims, deep ? 0.0005f : 0.005f, deep ? 0.005f : 0.05f);
}

void Append(TestNetwork* test, const std::string& op, const Attributes& attributes,
            const std::vector<Dims>& constants, TestRandom* random) {
  Network& network = test->network;
  network.layers.push_back(MakeLayerSpec(op, attributes, static_cast<int>(constants.size())));
  const std::vector<std::string> names = ParameterNames(network.layers.back());
  for (size_t i = 0; i < constants.size(); ++i) {
    network.parameters.push_back(RandomConstant(names[i], constants[i], random));
  }
}

Attributes Geometry2(const Ints& strides, const Ints& dilations, const Ints& pads) {
  Attributes attributes = {{"strides", strides}, {"dilations", dilations}};
  if (!pads.empty()) attributes["pads"] = pads;
  return attributes;
}

Attributes With(Attributes attributes, const Attributes& more) {
  attributes.insert(more.begin(), more.end());
  return attributes;
}

Attributes Fista(int64_t unfolding) {
  return {{"unfolding", unfolding}, {"algorithm", std::string("fista")}};
}
Attributes Ista(int64_t unfolding) { return {{"unfolding", unfolding}}; }

// The first layer before Gemm is as large as its input.
TestNetwork DenseClassifier() {
  TestNetwork test{"dense_classifier", {}, {2, 6, 5}};
  TestRandom random(77);
  Append(&test, "MlCsc",
         {{"layers", int64_t{2}},
          {"layer_pads", Ints{1, 0}},
          {"layer_strides", Ints{1, 2}},
          {"unfolding", int64_t{2}}},
         {{4, 2, 3, 3}, {4}, {1}, {5, 4, 2, 2}, {1}, {1}}, &random);
  Append(&test, "Gemm", {}, {{7, 5, 3, 2}, {7}}, &random);
  return test;
}

// A layer that is no node of its own, between others.
TestNetwork DenseCscClassifier() {
  TestNetwork test{"dense_csc_classifier", {}, {2, 8, 6}};
  TestRandom random(78);
  Append(&test, "MsdCsc", Ista(1), {{3, 2, 3, 3}, {5}, {1}, {5}}, &random);
  Append(&test, "DenseCsc", With({{"layers", int64_t{2}}}, Ista(1)),
         {{4, 5, 3, 3}, {9}, {1}, {9}, {4, 9, 3, 3}, {13}, {1}, {13}}, &random);
  Append(&test, "GlobalAveragePool", {}, {}, &random);
  Append(&test, "Gemm", {}, {{7, 13, 1, 1}, {7}}, &random);
  return test;
}

}  // namespace

TestNetwork OneLayer(const std::string& name, const std::string& op, const Attributes& attributes,
                     const std::vector<Dims>& constants, const Shape& input) {
  TestNetwork test{name, {}, input};
  TestRandom random(static_cast<uint32_t>(name.size() * 31 + constants.size()));
  Append(&test, op, attributes, constants, &random);
  return test;
}

TestNetwork SmallClassifier() {
  TestNetwork test{"classifier", {}, {3, 12, 10}};
  TestRandom random(5);
  Append(&test, "MsdCsc", With(Geometry2({1, 1}, {2, 2}, {}), Fista(2)),
         {{6, 3, 3, 3}, {9}, {1}, {9}}, &random);
  Append(&test, "MaxPool", {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}}, {}, &random);
  Append(&test, "ResCsc", {{"strides", Ints{2, 2}}, {"shortcut", std::string("pad")}},
         {{12, 9, 3, 3}, {12}, {12, 12, 3, 3}, {12}, {1}, {12}, {12}}, &random);
  Append(&test, "GlobalAveragePool", {}, {}, &random);
  Append(&test, "Gemm", {}, {{4, 12, 1, 1}, {4}}, &random);
  return test;
}

std::vector<TestNetwork> TestNetworks() {
  const Attributes soft = {{"nonnegative", int64_t{0}}};
  const Attributes pad = {{"strides", Ints{2, 2}}, {"shortcut", std::string("pad")}};
  const Attributes none;
  return {
      OneLayer("soft_threshold", "SoftThreshold", none, {{3}}, {3, 5, 4}),
      OneLayer("soft_threshold_shared", "SoftThreshold", {{"nonnegative", int64_t{1}}}, {{1}},
               {3, 5, 4}),
      OneLayer("threshold_same", "LayeredThreshold", none, {{5, 3, 3, 3}, {5}}, {3, 8, 7}),
      OneLayer("threshold_lopsided", "LayeredThreshold",
               With(Geometry2({2, 1}, {1, 2}, {0, 1, 2, 3}), soft), {{5, 3, 2, 3}, {1}}, {3, 8, 7}),
      OneLayer("pursuit_ista", "LayeredPursuit", Ista(3), {{6, 2, 3, 3}, {6}, {1}}, {2, 7, 6}),
      OneLayer("pursuit_strided_even", "LayeredPursuit",
               With(With(Geometry2({2, 2}, {1, 1}, {}), Fista(3)), soft), {{6, 2, 3, 3}, {6}, {1}},
               {2, 8, 8}),
      OneLayer("pursuit_strided_odd", "LayeredPursuit",
               With(Geometry2({2, 2}, {1, 1}, {}), Fista(2)), {{6, 2, 3, 3}, {1}, {1}}, {2, 9, 7}),
      OneLayer("pursuit_unreached_rows", "LayeredPursuit",
               With(Geometry2({3, 4}, {1, 1}, {0, 0, 0, 0}), Ista(2)), {{6, 2, 2, 2}, {6}, {1}},
               {2, 10, 9}),
      OneLayer("pursuit_strided_dilated_rows", "LayeredPursuit",
               With(Geometry2({2, 2}, {2, 3}, {}), Fista(2)), {{6, 2, 3, 3}, {3, 6}, {3}},
               {2, 11, 12}),
      OneLayer("pursuit_lopsided_strided", "LayeredPursuit",
               With(Geometry2({2, 3}, {1, 1}, {2, 0, 0, 1}), Ista(2)), {{4, 2, 3, 3}, {4}, {1}},
               {2, 9, 9}),
      OneLayer("synthesis_strided", "Synthesis", Geometry2({2, 2}, {1, 1}, {1, 1, 1, 1}),
               {{4, 3, 3, 3}}, {4, 5, 4}),
      OneLayer("synthesis_output_size", "Synthesis",
               With(Geometry2({2, 2}, {1, 1}, {1, 1, 1, 1}), {{"output_size", Ints{10, 8}}}),
               {{4, 3, 3, 3}}, {4, 5, 4}),
      OneLayer("synthesis_wide_pads", "Synthesis", Geometry2({1, 1}, {1, 1}, {3, 0, 0, 4}),
               {{4, 3, 3, 3}}, {4, 6, 7}),
      OneLayer("msd_plain", "MsdCsc", none, {{5, 3, 3, 3}, {8}, {1}}, {3, 6, 7}),
      OneLayer("msd_ista_dilated", "MsdCsc", With(Geometry2({1, 1}, {3, 2}, {}), Ista(2)),
               {{5, 3, 3, 3}, {8}, {1}, {8}}, {3, 9, 7}),
      OneLayer("msd_fista_rows", "MsdCsc", Fista(3), {{5, 3, 3, 3}, {4, 8}, {4}, {4, 8}},
               {3, 6, 7}),
      OneLayer("msd_identity_free", "MsdCsc", With(Fista(3), {{"threshold_identity", int64_t{0}}}),
               {{5, 3, 3, 3}, {5}, {1}, {5}}, {3, 6, 7}),
      OneLayer("msd_even_kernel", "MsdCsc", With(Geometry2({1, 1}, {1, 1}, {1, 0, 0, 1}), Ista(2)),
               {{5, 3, 2, 2}, {1}, {1}}, {3, 6, 7}),
      OneLayer("res_identity", "ResCsc", none, {{4, 4, 3, 3}, {4}, {4, 4, 3, 3}, {4}, {1}},
               {4, 6, 7}),
      OneLayer("res_pad_scaled", "ResCsc", pad,
               {{6, 4, 3, 3}, {6}, {6, 6, 3, 3}, {6}, {1}, {6}, {6}}, {4, 7, 6}),
      OneLayer("res_simplified", "ResCsc", With(pad, {{"simplified", int64_t{1}}}),
               {{6, 4, 1, 3}, {6}, {6, 6, 5, 3}, {6}, {1}}, {4, 8, 6}),
      OneLayer("ml_one_layer", "MlCsc",
               With({{"layers", int64_t{1}}, {"layer_pads", Ints{1}}}, Ista(2)),
               {{4, 2, 3, 3}, {4}, {1}}, {2, 6, 7}),
      OneLayer("ml_three_layers", "MlCsc",
               With({{"layers", int64_t{3}},
                     {"layer_pads", Ints{1, 2, 0}},
                     {"layer_strides", Ints{1, 2, 1}},
                     {"layer_dilations", Ints{1, 2, 1}}},
                    Fista(3)),
               {{4, 2, 3, 3}, {4}, {1}, {5, 4, 3, 3}, {1}, {1}, {6, 5, 2, 2}, {6}, {1}}, {2, 8, 9}),
      OneLayer("dense_one_layer", "DenseCsc", With({{"layers", int64_t{1}}}, Ista(1)),
               {{4, 2, 3, 3}, {6}, {1}}, {2, 6, 7}),
      OneLayer("dense_three_layers", "DenseCsc",
               With({{"layers", int64_t{3}}, {"layer_dilations", Ints{1, 2, 3}}}, Fista(3)),
               {{4, 2, 3, 3},
                {4, 6},
                {4},
                {4, 6},
                {3, 6, 3, 5},
                {9},
                {1},
                {9},
                {2, 9, 1, 3},
                {1},
                {4},
                {4, 11}},
               {2, 8, 9}),
      SmallClassifier(),
      DenseClassifier(),
      DenseCscClassifier(),
  };
}

Tensor TestImages(const Shape& input, int64_t batch, uint32_t seed) {
  TestRandom random(seed);
  return random.Tensor4({batch, input.channels, input.height, input.width}, -1, 1);
}

Tensor ReferenceOutput(const Network& network, const Shape& input, const Tensor& images) {
  const int64_t batch = images.dims[0];
  const Program program = BuildProgram(network, input);
  Tensor output;
  output.data =
      RunReference<float>(program, batch, {images.data}, FlattenParameters(network)).outputs[0];
  const Shape& shape = program.shape(program.outputs()[0]);
  output.dims = {batch, shape.channels, shape.height, shape.width};
  return output;
}

}  // namespace csc
