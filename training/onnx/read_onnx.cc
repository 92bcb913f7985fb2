#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "solvers/error.h"
#include "training/onnx/graph_builder.h"
#include "training/onnx/node_reader.h"
#include "training/onnx/onnx_file.h"
#include "training/onnx/parse_onnx.h"

namespace csc {

namespace {

using Attributes = std::map<std::string, AttributeValue>;
using Ints = std::vector<int64_t>;

// Removes an attribute that may only have one value.
void TakeTrivial(Attributes* attributes, const std::string& name,
                 const std::vector<AttributeValue>& allowed, const char* expected) {
  const auto found = attributes->find(name);
  if (found == attributes->end()) return;
  Require(std::find(allowed.begin(), allowed.end(), found->second) != allowed.end(),
          "attribute {} has a value that networks here do not use: {} expected", name, expected);
  attributes->erase(found);
}

// Follows the graph's chain of nodes from its input to its output.
class GraphReader {
 public:
  explicit GraphReader(const onnx::GraphProto& graph) : graph_(graph) {
    for (const onnx::TensorProto& tensor : graph.initializer()) {
      Require(constants_.emplace(tensor.name(), &tensor).second, "constant {} is given twice",
              tensor.name());
    }
  }

  OnnxModel Read() {
    ReadInput();
    for (const onnx::NodeProto& node : graph_.node()) {
      try {
        ReadNode(node);
      } catch (const Error& error) {
        Fail("node {} ({}): {}", node.name().empty() ? "without a name" : node.name(), OpName(node),
             error.what());
      }
    }
    Require(!model_.network.layers.empty(), "the graph has no layers");
    Require(graph_.output_size() == 1, "the graph has {} outputs: 1 expected",
            graph_.output_size());
    Require(graph_.output(0).name() == current_,
            "the graph's output is {}: {}, what its last node gives, expected",
            graph_.output(0).name(), current_);
    return std::move(model_);
  }

 private:
  static std::string OpName(const onnx::NodeProto& node) {
    return IsStandard(node) ? node.op_type() : node.domain() + "." + node.op_type();
  }

  void ReadInput() {
    GraphInput input = ReadGraphInput(graph_);
    dims_ = std::move(input.dims);
    model_.input = {dims_[1], dims_[2], dims_[3]};
    current_ = std::move(input.name);
  }

  void ReadNode(const onnx::NodeProto& node) {
    if (IsStandard(node) && node.op_type() == "Constant") return ReadConstant(node);
    Require(node.input_size() >= 1 && node.input(0) == current_,
            "its first input is {}: {} expected, since each layer is fed by the one before",
            node.input_size() == 0 ? "missing" : node.input(0), current_);
    Require(node.output_size() == 1, "it has {} outputs: 1 expected", node.output_size());
    if (node.domain() == kCscDomain) {
      node.op_type() == "Network" ? ReadNetwork(node) : ReadLayer(node);
    } else if (IsStandard(node)) {
      ReadStandard(node);
    } else {
      Fail("domain \"{}\" is unknown: \"csc\" or ONNX's own expected", node.domain());
    }
    current_ = node.output(0);
  }

  void ReadConstant(const onnx::NodeProto& node) {
    Require(node.output_size() == 1 && node.attribute_size() == 1 &&
                node.attribute(0).name() == "value" && node.attribute(0).has_t(),
            "one attribute, value, with a tensor expected");
    Require(constants_.emplace(node.output(0), &node.attribute(0).t()).second,
            "constant {} is given twice", node.output(0));
  }

  const onnx::TensorProto& Constant(const onnx::NodeProto& node, int input) const {
    const std::string& name = node.input(input);
    Require(!name.empty(), "input {} is empty: leave trailing optional inputs out instead", input);
    const auto found = constants_.find(name);
    Require(found != constants_.end(),
            "input {} is {}, which no initialiser holds: a constant expected", input, name);
    return *found->second;
  }

  // All inputs after the first.
  std::vector<Tensor> Constants(const onnx::NodeProto& node) const {
    std::vector<Tensor> constants;
    for (int i = 1; i < node.input_size(); ++i) constants.push_back(ReadFloats(Constant(node, i)));
    return constants;
  }

  void ReadNetwork(const onnx::NodeProto& node) {
    const Attributes attributes = ReadAttributes(node);
    Require(attributes.size() == 1 && attributes.count("spec") == 1 &&
                std::holds_alternative<std::string>(attributes.at("spec")),
            "one attribute, spec, a string, expected");
    Append({ReadSpec(std::get<std::string>(attributes.at("spec"))), Constants(node)});
  }

  void ReadLayer(const onnx::NodeProto& node) {
    const std::string& domain = FindOperator(node.op_type()).domain;
    Require(domain == kCscDomain, "operator {} is not in domain csc{}", node.op_type(),
            domain == kSpecDomain ? ": it may only be part of the spec of a csc.Network" : "");
    std::vector<Tensor> constants = Constants(node);
    const LayerSpec layer =
        MakeLayerSpec(node.op_type(), ReadAttributes(node), static_cast<int>(constants.size()));
    Append({{layer}, std::move(constants)});
  }

  // Checks the layers and their sizes, so that errors name this node.
  void Append(Network network) {
    Require(!flat_, "it comes after a Flatten: only Gemm may");
    CheckNetwork(&network);
    dims_ = OutputDims(network, dims_);
    Network& whole = model_.network;
    std::move(network.layers.begin(), network.layers.end(), std::back_inserter(whole.layers));
    std::move(network.parameters.begin(), network.parameters.end(),
              std::back_inserter(whole.parameters));
  }

  void ReadStandard(const onnx::NodeProto& node) {
    const std::string& op = node.op_type();
    Require(IsOfNetworks(node),
            "networks here hold csc operators and ONNX's {}; a file of the portable form cannot be "
            "read back: use the fused or layered one",
            StandardOperatorNames());
    Attributes attributes = ReadAttributes(node);
    if (op == "Identity") {
      // passes on
    } else if (op == "Flatten") {
      TakeTrivial(&attributes, "axis", {int64_t{1}}, "1");
      Require(attributes.empty(), "attribute {} is unknown", attributes.begin()->first);
      flat_ = true;
    } else if (op == "Reshape") {
      ReadReshape(node);
    } else if (op == "Gemm") {
      ReadGemm(node, std::move(attributes));
    } else {  // a pool
      Require(node.input_size() == 1, "it has {} inputs: 1 expected", node.input_size());
      TakeTrivial(&attributes, "pads", {Ints(4, 0)}, "[0, 0, 0, 0]");
      TakeTrivial(&attributes, "dilations", {Ints(2, 1)}, "[1, 1]");
      TakeTrivial(&attributes, "ceil_mode", {int64_t{0}}, "0");
      TakeTrivial(&attributes, "storage_order", {int64_t{0}}, "0");
      TakeTrivial(&attributes, "auto_pad", {std::string("NOTSET"), std::string("VALID")}, "NOTSET");
      Append({{MakeLayerSpec(op, attributes, 0)}, {}});
    }
  }

  // C * H * W; 0 where one of them is open.
  int64_t FlatSize() const {
    const bool open = dims_[1] == 0 || dims_[2] == 0 || dims_[3] == 0;
    return open ? 0 : NumElements({dims_[1], dims_[2], dims_[3]});
  }

  // [N, C, H, W] to [N, C*H*W], or a Gemm's [N, K] to [N, K, 1, 1].
  void ReadReshape(const onnx::NodeProto& node) {
    Require(node.input_size() == 2, "it has {} inputs: 2 expected", node.input_size());
    const Ints shape = ReadInts(Constant(node, 1));
    const int64_t size = FlatSize();
    const bool batch = !shape.empty() && (shape[0] == 0 || shape[0] == -1);
    const auto is = [&](size_t axis, int64_t wanted) {
      return shape[axis] == wanted || (shape[axis] == -1 && shape[0] != -1);
    };
    if (batch && shape.size() == 2 && is(1, size) && (size > 0 || shape[1] == -1)) {
      flat_ = true;
    } else if (batch && shape.size() == 4 && dims_[2] == 1 && dims_[3] == 1 && is(1, dims_[1]) &&
               shape[2] == 1 && shape[3] == 1) {
      flat_ = false;
    } else {
      Fail("a reshape of {} to {}: [0, -1], which flattens, or [0, K, 1, 1] after a Gemm expected",
           ToString(dims_), ToString(shape));
    }
  }

  void ReadGemm(const onnx::NodeProto& node, Attributes attributes) {
    TakeTrivial(&attributes, "alpha", {1.0}, "1");
    TakeTrivial(&attributes, "beta", {1.0}, "1");
    TakeTrivial(&attributes, "transA", {int64_t{0}}, "0");
    const bool transposed =
        attributes.count("transB") > 0 && attributes.at("transB") == AttributeValue(int64_t{1});
    TakeTrivial(&attributes, "transB", {int64_t{0}, int64_t{1}}, "0 or 1");
    Require(attributes.empty(), "attribute {} is unknown", attributes.begin()->first);
    Require(flat_ || (dims_[2] == 1 && dims_[3] == 1), "its input has 4 axes: a Flatten expected");
    Require(node.input_size() == 2 || node.input_size() == 3, "it has {} inputs: 2 or 3 expected",
            node.input_size());
    std::vector<Tensor> constants = Constants(node);
    Tensor& w = constants[0];
    Require(w.dims.size() == 2, "its weights have sizes {}: 2 axes expected", ToString(w.dims));
    if (!transposed) w = Transposed(w);
    const int64_t k = w.dims[0];
    const int64_t size = FlatSize();
    Require(size > 0,
            "its input has sizes {}, 0 for open: a graph input of fixed sizes, or a "
            "GlobalAveragePool before it, expected",
            ToString(dims_));
    Require(w.dims[1] == size, "its weights have sizes {}: {} inputs, those of {}, expected",
            ToString(w.dims), size, ToString(dims_));
    w.dims = {k, dims_[1], dims_[2], dims_[3]};
    if (constants.size() == 1) constants.push_back({{k}, std::vector<float>(k, 0.0f)});
    Tensor& bias = constants[1];
    if (bias.dims == Dims{1, k}) bias.dims = {k};
    flat_ = false;
    Append({{MakeLayerSpec("Gemm", {}, 2)}, std::move(constants)});
    flat_ = true;
  }

  static Tensor Transposed(const Tensor& in) {
    const int64_t rows = in.dims[0], columns = in.dims[1];
    Tensor out{{columns, rows}, std::vector<float>(in.data.size())};
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < columns; ++j) out.data[j * rows + i] = in.data[i * columns + j];
    }
    return out;
  }

  const onnx::GraphProto& graph_;
  std::map<std::string, const onnx::TensorProto*> constants_;
  OnnxModel model_;
  std::string current_;  // the tensor that the next node must read
  Dims dims_;            // its sizes as [N, C, H, W], 0 where open
  bool flat_ = false;    // it is seen as [N, C*H*W]
};

}  // namespace

OnnxModel ReadOnnx(const std::string& path) {
  const onnx::ModelProto proto = ParseOnnx(path);
  try {
    OnnxModel model = GraphReader(proto.graph()).Read();
    const Shape& input = model.input;
    const Dims out = OutputDims(model.network, {0, input.channels, input.height, input.width});
    model.labels = ReadLabels(proto);
    Require(model.labels.empty() || static_cast<int64_t>(model.labels.size()) == out[1],
            "metadata labels: {} labels found, {} expected, one for each output channel",
            model.labels.size(), out[1]);
    return model;
  } catch (const Error& error) {
    Fail("{}: {}", path, error.what());
  }
}

}  // namespace csc
