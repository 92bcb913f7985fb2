#include "layers/program_layer.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "layers/layer_params.h"
#include "solvers/error.h"
#include "solvers/memory.h"
#include "solvers/network/layer.h"
#include "solvers/program/cost.h"

namespace csc {

namespace {

std::vector<LayerSpec> ReadLayers(const std::string& op, bool is_network,
                                  const cv::dnn::LayerParams& params) {
  const auto attributes = ReadAttributes(params);
  if (!is_network) {
    return {MakeLayerSpec(op, attributes, static_cast<int>(params.blobs.size()))};
  }
  for (const auto& [name, value] : attributes) {
    Require(name == "spec", "attribute {} is not one of Network's: spec expected", name);
  }
  const auto spec = attributes.find("spec");
  Require(spec != attributes.end(), "attribute spec is missing: a string expected");
  const auto* text = std::get_if<std::string>(&spec->second);
  Require(text != nullptr, "attribute spec is not a string");
  return ReadSpec(*text);
}

// What to call each constant in messages.
std::vector<std::string> ConstantNames(const std::vector<LayerSpec>& layers, bool is_network) {
  std::vector<std::string> names;
  for (size_t i = 0; i < layers.size(); ++i) {
    for (const std::string& name : ParameterNames(layers[i])) {
      names.push_back(is_network ? fmt::format("layer {} ({}): {}", i, layers[i].op, name) : name);
    }
  }
  return names;
}

std::vector<Dims> DimsOf(const std::vector<Tensor>& tensors) {
  std::vector<Dims> dims;
  for (const Tensor& tensor : tensors) dims.push_back(tensor.dims);
  return dims;
}

// Sizes of a synthesis in the height and width of `like`.
Dims SynthesisLike(LayerSpec layer, const std::vector<Dims>& parameters, const Dims& code,
                   const Dims& like) {
  const Geometry geometry = LayerGeometries(layer, parameters)[0];
  for (int axis = 0; axis < 2; ++axis) {
    const int64_t size = like[2 + axis], windows = code[2 + axis];
    if (size == 0 || windows == 0) continue;
    Require(geometry.OutputSize(axis, size) == windows,
            "input like has sizes {}, whose analysis has {} windows along axis "
            "{}: the code's {} expected",
            ToString(like), geometry.OutputSize(axis, size), 2 + axis, windows);
  }
  // Batch and channels do not depend on the code's height and width.
  layer.attributes.erase("output_size");
  const Dims out = OutputDims(layer, parameters, {code[0], code[1], 0, 0});
  return {out[0], out[1], like[2], like[3]};
}

}  // namespace

ProgramLayer::ProgramLayer(const std::string& op, const cv::dnn::LayerParams& params)
    : AdapterLayer(op, op == "Synthesis" ? 2 : 1, params), is_network_(op == "Network") {
  network_.layers = ReadLayers(op, is_network_, params);
  KeepSizes(ReadConstants());
}

void ProgramLayer::KeepSizes(const std::vector<Tensor>& constants) {
  network_.parameters.clear();
  for (const Tensor& constant : constants) {
    network_.parameters.push_back({constant.dims, {}});
    if (constant.data.size() == 1) network_.parameters.back().data = constant.data;
  }
}

std::vector<Tensor> ProgramLayer::ReadConstants() const {
  const std::vector<std::string> names = ConstantNames(network_.layers, is_network_);
  std::vector<Tensor> tensors;
  for (size_t i = 0; i < blobs.size(); ++i) {
    tensors.push_back(ReadBlob(blobs[i], i < names.size() ? names[i] : fmt::format("blob {}", i)));
  }
  if (!is_network_) {
    CheckParameters(network_.layers[0], &tensors);
    return tensors;
  }
  Network network{network_.layers, std::move(tensors)};
  CheckNetwork(&network);
  return std::move(network.parameters);
}

std::vector<Dims> ProgramLayer::OutputDimsFor(const std::vector<Dims>& inputs) const {
  if (is_network_) return {OutputDims(network_, inputs[0])};
  const LayerSpec& layer = network_.layers[0];
  const std::vector<Dims> parameters = DimsOf(network_.parameters);
  if (inputs.size() == 2) {
    return {SynthesisLike(layer, parameters, inputs[0], inputs[1])};
  }
  return {OutputDims(layer, parameters, inputs[0])};
}

Program ProgramLayer::BuildFor(const std::vector<Dims>& inputs) const {
  const Shape shape = {inputs[0][1], inputs[0][2], inputs[0][3]};
  if (is_network_) return BuildProgram(network_, shape);
  LayerSpec layer = network_.layers[0];
  if (inputs.size() == 2) {
    layer.attributes["output_size"] = std::vector<int64_t>{inputs[1][2], inputs[1][3]};
  }
  const std::vector<std::string> names = ParameterNames(layer);
  Program program;
  std::vector<int> parameters;
  for (size_t i = 0; i < network_.parameters.size(); ++i) {
    parameters.push_back(program.AddParameter(names[i], network_.parameters[i].dims));
  }
  const ValueId x = program.AddInput(shape);
  BuildOptions options;
  options.zero_step = HasZeroStep(layer, network_.parameters.data());
  program.MarkOutput(BuildLayer(layer, parameters, x, &program, options));
  return program;
}

int64_t ProgramLayer::FlopsFor(const std::vector<Dims>& inputs) const {
  return CostOf(BuildFor(inputs)).flops();
}

std::string ProgramLayer::Prepare(const Engine& engine, const std::vector<Dims>& inputs) {
  executable_.reset();  // its memory may be needed
  std::vector<Tensor> constants = ReadConstants();
  KeepSizes(constants);
  const Program program = BuildFor(inputs);
  int64_t largest = 0;
  for (ValueId value = 0; value < program.num_values(); ++value) {
    largest = std::max(largest, program.shape(value).size());
  }
  RequireMemory(largest <= (int64_t{1} << 60) ? largest * static_cast<int64_t>(sizeof(float))
                                              : std::numeric_limits<int64_t>::max(),
                "an intermediate result of one image");
  executable_ = engine.Prepare(program);
  executable_->SetParameters(FlattenParameters({{}, std::move(constants)}).data());
  return executable_->Describe();
}

void ProgramLayer::Reserve(int64_t batch, int workers) { executable_->Reserve(batch, workers); }

void ProgramLayer::Run(int64_t batch, const std::vector<const float*>& inputs,
                       const std::vector<float*>& outputs, Executor* executor) {
  RunArguments arguments;
  arguments.batch = batch;
  arguments.inputs = {inputs[0]};  // the values of `like` do not matter
  arguments.outputs = outputs;
  arguments.executor = executor;
  executable_->Run(arguments);
}

}  // namespace csc
