#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "solvers/error.h"
#include "training/file.h"
#include "training/onnx/graph_builder.h"
#include "training/onnx/onnx_file.h"
#include "training/onnx/portable.h"

namespace csc {

namespace {

constexpr char kProducer[] = "CSC-DNN";
constexpr char kProducerVersion[] = "1.0";
// ONNX 1.6: the oldest with Pad and Slice as they are today, and one that
// OpenCV 4.6 reads without surprises.
constexpr int64_t kOpset = 11;
constexpr int64_t kIrVersion = 6;

constexpr char kInput[] = "input";
constexpr char kOutput[] = "output";

std::string ConstantName(size_t layer, const LayerSpec& spec, const std::string& constant) {
  return fmt::format("layer{}_{}_{}", layer, spec.op, constant);
}

bool EndsInGemm(const Network& network) {
  return !network.layers.empty() && network.layers.back().op == "Gemm";
}

// All three forms give a classifier's scores as [N, K].
void Flatten(const std::string& from, const std::string& to, GraphBuilder* graph) {
  SetAttribute(graph->AddNode("Flatten", {from}, to), "axis", int64_t{1});
}

// One csc.Network node; `inputs` are its tensor and its constants.
void AddNetworkNode(const std::vector<LayerSpec>& layers, const std::vector<std::string>& inputs,
                    const std::string& to, GraphBuilder* graph) {
  const std::string spec = WriteSpec(layers);
  ReadSpec(spec);  // refuses what a network may not hold
  SetAttribute(graph->AddNode(kCscDomain, "Network", inputs, to), "spec", spec);
}

void WriteFused(const Network& network, GraphBuilder* graph) {
  std::vector<std::string> inputs = {kInput};
  size_t next = 0;
  for (size_t l = 0; l < network.layers.size(); ++l) {
    const LayerSpec& layer = network.layers[l];
    for (const std::string& constant : ParameterNames(layer)) {
      const Tensor& tensor = network.parameters[next++];
      inputs.push_back(
          graph->AddConstant(ConstantName(l, layer, constant), tensor.dims, tensor.data));
    }
  }
  const bool flatten = EndsInGemm(network);
  const std::string output = flatten ? "network" : kOutput;
  AddNetworkNode(network.layers, inputs, output, graph);
  if (flatten) Flatten(output, kOutput, graph);
}

// A dense layer is ONNX's Gemm, which sees [N, C*H*W] and gives [N, K].
void WriteGemm(const std::string& prefix, const Tensor& w, const Tensor& bias,
               const std::string& from, const std::string& to, GraphBuilder* graph) {
  const int64_t k = w.dims.at(0);
  Flatten(from, prefix + "_flat", graph);
  const std::string weights =
      graph->AddConstant(prefix + "_W", {k, NumElements(w.dims) / k}, w.data);
  std::vector<float> biases = bias.data;
  if (biases.size() == 1) biases.resize(k, biases[0]);  // OpenCV does not broadcast it
  onnx::NodeProto* node = graph->AddNode(
      "Gemm", {prefix + "_flat", weights, graph->AddConstant(prefix + "_bias", {k}, biases)}, to);
  SetAttribute(node, "alpha", 1.0);
  SetAttribute(node, "beta", 1.0);
  SetAttribute(node, "transA", int64_t{0});
  SetAttribute(node, "transB", int64_t{1});
}

// `constants` are the sizes of the layer's constants.
void SetAttributes(const LayerSpec& layer, const std::vector<Dims>& constants,
                   onnx::NodeProto* node) {
  for (const auto& [name, value] : layer.attributes) {
    if (name != "pads") SetAttribute(node, name, value);
  }
  if (layer.Has("dilations")) {
    const Geometry geometry = LayerGeometries(layer, constants)[0];
    SetAttribute(node, "pads", std::vector<int64_t>(geometry.pads.begin(), geometry.pads.end()));
  }
  if (layer.op == "MaxPool") {
    SetAttribute(node, "pads", std::vector<int64_t>(4, 0));
    SetAttribute(node, "ceil_mode", int64_t{0});
  }
}

void WriteLayered(const Network& network, GraphBuilder* graph) {
  std::string from = kInput;
  bool flat = false;  // `from` is a Gemm's [N, K]
  size_t next = 0;
  for (size_t l = 0; l < network.layers.size(); ++l) {
    const LayerSpec& layer = network.layers[l];
    const std::string prefix = fmt::format("layer{}_{}", l, layer.op);
    const std::string to = l + 1 == network.layers.size() ? kOutput : prefix;
    if (layer.op == "Gemm") {
      WriteGemm(prefix, network.parameters[next], network.parameters[next + 1], from, to, graph);
      next += 2;
      flat = true;
    } else {
      if (flat) {
        const std::string shape = graph->AddInts(prefix + "_shape", {0, -1, 1, 1});
        graph->AddNode("Reshape", {from, shape}, prefix + "_input");
        from = prefix + "_input";
        flat = false;
      }
      std::vector<std::string> inputs = {from};
      std::vector<Dims> sizes;
      for (const std::string& constant : ParameterNames(layer)) {
        const Tensor& tensor = network.parameters[next++];
        inputs.push_back(
            graph->AddConstant(ConstantName(l, layer, constant), tensor.dims, tensor.data));
        sizes.push_back(tensor.dims);
      }
      const std::string& domain = FindOperator(layer.op).domain;
      if (domain == kSpecDomain) {  // no operator of its own: a network of one layer
        AddNetworkNode({layer}, inputs, to, graph);
      } else {
        SetAttributes(layer, sizes, graph->AddNode(domain, layer.op, inputs, to));
      }
    }
    from = to;
  }
}

void WritePortable(const Network& network, const Shape& input, GraphBuilder* graph) {
  Require(input.height > 0 && input.width > 0,
          "the portable form needs an input of fixed height and width, found {}", ToString(input));
  const bool flatten = EndsInGemm(network);
  const std::string output = flatten ? "scores" : kOutput;
  AppendPortable(BuildProgram(network, input), FlattenParameters(network), kInput, output, graph);
  if (flatten) Flatten(output, kOutput, graph);
}

onnx::ModelProto MakeModel(const Network& network, const Shape& input, OnnxForm form,
                           const std::vector<std::string>& labels) {
  Dims output = OutputDims(network, {0, input.channels, input.height, input.width});
  Require(labels.empty() || static_cast<int64_t>(labels.size()) == output[1],
          "{} labels found: {} expected, one for each output channel", labels.size(), output[1]);
  if (EndsInGemm(network)) output.resize(2);

  onnx::ModelProto model;
  model.set_ir_version(kIrVersion);
  model.set_producer_name(kProducer);
  model.set_producer_version(kProducerVersion);
  auto* standard = model.add_opset_import();
  standard->set_domain("");
  standard->set_version(kOpset);
  if (form != OnnxForm::kPortable) {
    auto* own = model.add_opset_import();
    own->set_domain(kCscDomain);
    own->set_version(kCscOpset);
  }
  if (!labels.empty()) {
    auto* entry = model.add_metadata_props();
    entry->set_key("labels");
    try {
      entry->set_value(nlohmann::json(labels).dump());
    } catch (const nlohmann::json::exception&) {
      Fail("a label is no UTF-8 text");
    }
  }
  model.mutable_graph()->set_name("csc_" + ToString(form));
  GraphBuilder graph(model.mutable_graph());
  graph.AddInput(kInput, {0, input.channels, input.height, input.width});
  graph.AddOutput(kOutput, output);
  switch (form) {
    case OnnxForm::kFused:
      WriteFused(network, &graph);
      break;
    case OnnxForm::kLayered:
      WriteLayered(network, &graph);
      break;
    case OnnxForm::kPortable:
      WritePortable(network, input, &graph);
      break;
  }
  return model;
}

}  // namespace

OnnxForm ParseOnnxForm(const std::string& name) {
  for (OnnxForm form : {OnnxForm::kFused, OnnxForm::kLayered, OnnxForm::kPortable}) {
    if (name == ToString(form)) return form;
  }
  Fail("ONNX form is \"{}\": \"fused\", \"layered\" or \"portable\" expected", name);
}

std::string ToString(OnnxForm form) {
  switch (form) {
    case OnnxForm::kFused:
      return "fused";
    case OnnxForm::kLayered:
      return "layered";
    case OnnxForm::kPortable:
      return "portable";
  }
  return "?";
}

void WriteOnnx(const Network& network, const Shape& input, OnnxForm form, const std::string& path,
               const std::vector<std::string>& labels) {
  Network checked = network;
  Require(!checked.layers.empty(), "a network without layers cannot be written");
  Require(input.channels > 0 && input.height >= 0 && input.width >= 0,
          "an input of shape {}: channels, and sizes that are positive or 0 for open, expected",
          ToString(input));
  CheckNetwork(&checked);
  const onnx::ModelProto model = MakeModel(checked, input, form, labels);

  std::string bytes;
  Require(model.SerializeToString(&bytes), "{}: a model of 2 GB or more: ONNX cannot hold it",
          path);
  WriteFile(path, bytes);
}

}  // namespace csc
