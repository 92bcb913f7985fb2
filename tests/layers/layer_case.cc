#include "tests/layers/layer_case.h"

#include <cstring>
#include <random>
#include <stdexcept>

#include "solvers/engines/reference/interpreter.h"
#include "solvers/network/layer.h"
#include "solvers/network/network.h"

namespace csc::test {

namespace {

// Weights of moderate gain, so that a few iterations neither die nor explode.
Tensor Filters(const Dims& dims, int seed) { return Values(dims, -0.25, 0.25, seed); }

Tensor Scalar(float value) { return {{1}, {value}}; }

LayerCase NetworkCase() {
  const std::vector<LayerSpec> layers = {
      MakeLayerSpec("MsdCsc", {{"unfolding", int64_t{1}}}, 3),
      MakeLayerSpec("MaxPool", {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}}, 0),
      MakeLayerSpec("LayeredThreshold", {}, 2), MakeLayerSpec("GlobalAveragePool", {}, 0),
      MakeLayerSpec("Gemm", {}, 2)};
  return {
      "Network",
      "Network",
      {{"spec", WriteSpec(layers)}},
      {Filters({4, 3, 3, 3}, 61), Values({7}, 0, 0.1, 62), Scalar(0.5), Filters({6, 7, 3, 3}, 63),
       Values({6}, 0, 0.1, 64), Filters({5, 6, 1, 1}, 65), Values({5}, -1, 1, 66)},
      {2, 3, 8, 8}};
}

}  // namespace

std::ostream& operator<<(std::ostream& stream, const LayerCase& c) { return stream << c.title; }

Tensor Values(const Dims& dims, double low, double high, int seed) {
  std::mt19937_64 engine(seed);
  Tensor tensor{dims, std::vector<float>(NumElements(dims))};
  for (float& value : tensor.data) {
    const double unit = static_cast<double>(engine() >> 11) * 0x1p-53;
    value = static_cast<float>(low + (high - low) * unit);
  }
  return tensor;
}

cv::Mat Image(const Dims& dims, int seed) {
  const Tensor tensor = Values(dims, -1, 1, seed);
  cv::Mat image(std::vector<int>(dims.begin(), dims.end()), CV_32F);
  std::memcpy(image.data, tensor.data.data(), tensor.data.size() * sizeof(float));
  return image;
}

std::vector<float> ToVector(const cv::Mat& mat) {
  const cv::Mat whole = mat.isContinuous() ? mat : mat.clone();
  return std::vector<float>(whole.ptr<float>(), whole.ptr<float>() + whole.total());
}

Dims DimsOf(const cv::Mat& mat) { return Dims(mat.size.p, mat.size.p + mat.dims); }

std::vector<LayerCase> ProgramCases() {
  const std::string fista = "fista";
  std::vector<LayerCase> cases = {
      {"SoftThreshold", "SoftThreshold", {}, {Scalar(0.3)}, {2, 3, 5, 4}},
      {"SoftThresholdByChannel",
       "SoftThreshold",
       {{"nonnegative", int64_t{1}}},
       {Values({3}, 0, 0.5, 1)},
       {2, 3, 5, 4}},
      {"LayeredThreshold",
       "LayeredThreshold",
       {{"strides", Ints{2, 1}},
        {"pads", Ints{0, 1, 2, 1}},
        {"dilations", Ints{1, 2}},
        {"kernel_shape", Ints{3, 2}}},
       {Filters({4, 3, 3, 2}, 2), Values({4}, 0, 0.2, 3)},
       {2, 3, 7, 6}},
      {"LayeredThresholdTwoSided",
       "LayeredThreshold",
       {{"nonnegative", int64_t{0}}},
       {Filters({4, 3, 3, 3}, 4), Scalar(0.1)},
       {1, 3, 6, 6}},
      {"LayeredPursuit",
       "LayeredPursuit",
       {{"unfolding", int64_t{3}}, {"algorithm", fista}, {"strides", Ints{2, 2}}},
       {Filters({5, 2, 3, 3}, 5), Values({5}, 0, 0.1, 6), Scalar(0.4)},
       {2, 2, 7, 7}},
      {"LayeredPursuitLearned",
       "LayeredPursuit",
       {{"unfolding", int64_t{1}}, {"nonnegative", int64_t{0}}},
       {Filters({5, 2, 3, 3}, 7), Values({2, 5}, 0, 0.1, 8), Values({2}, 0.2, 0.5, 9)},
       {2, 2, 6, 5}},
      {"Synthesis",
       "Synthesis",
       {{"strides", Ints{2, 2}}},
       {Filters({4, 3, 3, 3}, 10)},
       {2, 4, 4, 3}},
      {"SynthesisOfSize",
       "Synthesis",
       {{"strides", Ints{3, 3}}, {"pads", Ints{0, 0, 0, 0}}, {"output_size", Ints{12, 11}}},
       {Filters({4, 3, 2, 2}, 11)},
       {2, 4, 4, 4}},
      {"MsdCsc",
       "MsdCsc",
       {{"dilations", Ints{2, 2}}, {"unfolding", int64_t{2}}, {"algorithm", fista}},
       {Filters({4, 3, 3, 3}, 12), Values({7}, 0, 0.1, 13), Scalar(0.5)},
       {2, 3, 6, 7}},
      {"MsdCscScaled",
       "MsdCsc",
       {{"unfolding", int64_t{1}}},
       {Filters({4, 3, 3, 3}, 14), Values({2, 7}, 0, 0.1, 15), Values({2}, 0.3, 0.6, 16),
        Values({2, 7}, 0.5, 1.5, 17)},
       {2, 3, 6, 6}},
      {"MsdCscFreeIdentity",
       "MsdCsc",
       {{"unfolding", int64_t{1}}, {"threshold_identity", int64_t{0}}},
       {Filters({4, 3, 3, 3}, 18), Values({4}, 0, 0.1, 19), Scalar(0.5)},
       {1, 3, 5, 5}},
      {"ResCsc",
       "ResCsc",
       {},
       {Filters({4, 4, 3, 3}, 20), Values({4}, 0, 0.1, 21), Filters({4, 4, 3, 3}, 22),
        Values({4}, 0, 0.1, 23), Scalar(-0.3)},
       {2, 4, 6, 6}},
      {"ResCscPadded",
       "ResCsc",
       {{"strides", Ints{2, 2}}, {"shortcut", std::string("pad")}},
       {Filters({5, 3, 3, 3}, 24), Values({5}, 0, 0.1, 25), Filters({5, 5, 3, 3}, 26),
        Values({5}, 0, 0.1, 27), Scalar(-0.3), Values({5}, 0.5, 1.5, 28),
        Values({5}, 0.5, 1.5, 29)},
       {2, 3, 7, 6}},
      {"ResCscSimplified",
       "ResCsc",
       {{"simplified", int64_t{1}}},
       {Filters({4, 4, 1, 3}, 30), Values({4}, 0, 0.1, 31), Filters({4, 4, 3, 1}, 32),
        Values({4}, 0, 0.1, 33), Scalar(-0.3)},
       {2, 4, 6, 6}},
      {"MlCsc",
       "MlCsc",
       {{"layers", int64_t{2}},
        {"layer_pads", Ints{1, 0}},
        {"layer_strides", Ints{1, 2}},
        {"unfolding", int64_t{2}},
        {"algorithm", fista}},
       {Filters({4, 3, 3, 3}, 34), Values({4}, 0, 0.1, 35), Scalar(0.5), Filters({5, 4, 2, 2}, 36),
        Values({5}, 0, 0.05, 37), Scalar(0.5)},
       {2, 3, 7, 6}},
      {"MlCscOneLayer",
       "MlCsc",
       {{"layers", int64_t{1}}, {"layer_pads", Ints{2}}, {"layer_dilations", Ints{2}}},
       {Filters({4, 3, 3, 3}, 38), Scalar(0.1), Scalar(0.5)},
       {2, 3, 5, 6}},
  };
  cases.push_back(NetworkCase());
  return cases;
}

std::vector<LayerCase> MinimalCases() {
  std::vector<LayerCase> cases;
  std::string last;
  for (LayerCase& c : ProgramCases()) {  // the first of each operator
    if (c.op != last) cases.push_back(c);
    last = c.op;
  }
  cases.push_back({"Lasso",
                   "Lasso",
                   {{"max_iterations", int64_t{20}}},
                   {Filters({4, 2, 3, 3}, 70), Values({4}, 0.01, 0.1, 71)},
                   {2, 2, 6, 6}});
  return cases;
}

LayerCase MinimalCase(const std::string& op) {
  for (LayerCase& c : MinimalCases()) {
    if (c.op == op) return c;
  }
  throw std::logic_error("no case of operator " + op);
}

OnnxModel ModelOf(const LayerCase& c, const Dims& declared_input) {
  OnnxModel model;
  model.Input("x", declared_input);
  std::vector<std::string> inputs = {"x"};
  for (size_t i = 0; i < c.constants.size(); ++i) {
    inputs.push_back("constant" + std::to_string(i));
    model.Constant(inputs.back(), c.constants[i]);
  }
  onnx::NodeProto* node = model.Node("csc", c.op, "node", inputs, {"y"});
  for (const auto& [name, value] : c.attributes) {
    SetAttribute(node, name, value);
  }
  model.Output("y");
  return model;
}

cv::dnn::Net ReadNet(const LayerCase& c) { return ModelOf(c, c.input).Read(); }

cv::Mat Forward(cv::dnn::Net* net, const cv::Mat& input) {
  net->setInput(input);
  return net->forward().clone();
}

Program ProgramOf(const LayerCase& c, const Dims& input) {
  Network network;
  if (c.op == "Network") {
    network.layers = ReadSpec(std::get<std::string>(c.attributes.at("spec")));
  } else {
    network.layers = {MakeLayerSpec(c.op, c.attributes, static_cast<int>(c.constants.size()))};
  }
  network.parameters = c.constants;
  CheckNetwork(&network);
  return BuildProgram(network, {input[1], input[2], input[3]});
}

std::vector<double> Expected(const LayerCase& c, const cv::Mat& input) {
  const Dims dims = DimsOf(input);
  const std::vector<float> x = ToVector(input);
  std::vector<double> parameters;
  for (const Tensor& tensor : c.constants) {
    parameters.insert(parameters.end(), tensor.data.begin(), tensor.data.end());
  }
  return RunReference<double>(ProgramOf(c, dims), dims[0],
                              {std::vector<double>(x.begin(), x.end())}, parameters)
      .outputs[0];
}

}  // namespace csc::test
