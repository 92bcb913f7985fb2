#include "training/onnx/parse_onnx.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "solvers/error.h"
#include "solvers/network/operator.h"
#include "training/file.h"
#include "training/onnx/graph_builder.h"

namespace csc {

namespace {

// Of an axis of the input, so that no size computed from it overflows.
constexpr int64_t kMaxSize = int64_t{1} << 30;

constexpr const char* kStandardOperators[] = {
    "Constant", "Identity", "MaxPool", "GlobalAveragePool", "Flatten", "Reshape", "Gemm"};

void CheckVersions(const onnx::ModelProto& model) {
  Require(model.has_graph() && model.opset_import_size() > 0,
          "not an ONNX model, or cut short: it has no graph or no opset_import");
  const auto& nodes = model.graph().node();
  bool missing = std::any_of(nodes.begin(), nodes.end(),
                             [](const auto& node) { return node.domain() == kCscDomain; });
  for (const auto& opset : model.opset_import()) {
    if (opset.domain() != kCscDomain) continue;
    missing = false;
    Require(opset.version() <= kCscOpset,
            "written for version {} of the csc operators; this program reads version {}: a newer "
            "one may read it",
            opset.version(), kCscOpset);
  }
  Require(!missing, "opset_import does not name domain csc: version {} of it expected", kCscOpset);
}

}  // namespace

onnx::ModelProto ParseOnnx(const std::string& path) {
  const std::string bytes = ReadFile(path);
  onnx::ModelProto model;
  Require(bytes.size() <= std::numeric_limits<int>::max() && model.ParseFromString(bytes),
          "{}: not an ONNX model, or cut short", path);
  try {
    CheckVersions(model);
  } catch (const Error& error) {
    Fail("{}: {}", path, error.what());
  }
  return model;
}

GraphInput ReadGraphInput(const onnx::GraphProto& graph) {
  std::set<std::string> constants;
  for (const onnx::TensorProto& tensor : graph.initializer()) constants.insert(tensor.name());
  std::vector<const onnx::ValueInfoProto*> inputs;
  for (const onnx::ValueInfoProto& input : graph.input()) {
    // Old files list constants among the inputs.
    if (constants.count(input.name()) == 0) inputs.push_back(&input);
  }
  Require(inputs.size() == 1, "the graph has {} inputs: 1 expected", inputs.size());
  const auto& type = inputs[0]->type().tensor_type();
  Require(
      type.elem_type() == onnx::TensorProto::FLOAT && type.shape().dim_size() == 4,
      "the graph's input {} has type {} and {} axes: FLOAT and 4, [N, C, H, W], expected",
      inputs[0]->name(),
      onnx::TensorProto::DataType_Name(static_cast<onnx::TensorProto::DataType>(type.elem_type())),
      type.shape().dim_size());
  GraphInput result{inputs[0]->name(), {}};
  for (const auto& dim : type.shape().dim()) {
    Require(dim.dim_value() <= kMaxSize,
            "the graph's input {} has a size of {}: at most {} expected", result.name,
            dim.dim_value(), kMaxSize);
    result.dims.push_back(std::max<int64_t>(dim.dim_value(), 0));
  }
  result.dims[0] = 0;
  return result;
}

std::vector<std::string> ReadLabels(const onnx::ModelProto& model) {
  for (const auto& entry : model.metadata_props()) {
    if (entry.key() != "labels") continue;
    const auto json = nlohmann::json::parse(entry.value(), nullptr, /*allow_exceptions=*/false);
    const bool strings =
        json.is_array() &&
        std::all_of(json.begin(), json.end(), [](const auto& j) { return j.is_string(); });
    Require(strings, "metadata labels: a JSON list of strings expected");
    return json.get<std::vector<std::string>>();
  }
  return {};
}

bool IsStandard(const onnx::NodeProto& node) {
  return node.domain().empty() || node.domain() == "ai.onnx";
}

bool IsOfNetworks(const onnx::NodeProto& node) {
  return node.domain() == kCscDomain ||
         (IsStandard(node) && std::count(std::begin(kStandardOperators),
                                         std::end(kStandardOperators), node.op_type()) > 0);
}

std::string StandardOperatorNames() {
  return fmt::format("{}", fmt::join(kStandardOperators, ", "));
}

}  // namespace csc
