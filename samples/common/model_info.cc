#include "samples/common/model_info.h"

#include <fmt/format.h>
#include <onnx/onnx-ml.pb.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "solvers/error.h"

namespace csc {

namespace {

std::vector<std::string> ReadLines(const std::string& path) {
  std::vector<std::string> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) lines.push_back(line);
  }
  return lines;
}

std::vector<std::string> LabelsFromMetadata(const onnx::ModelProto& model) {
  for (const auto& entry : model.metadata_props()) {
    if (entry.key() != "labels") continue;
    const auto json = nlohmann::json::parse(entry.value(), nullptr, /*allow_exceptions=*/false);
    if (!json.is_array()) return {};
    std::vector<std::string> labels;
    for (const auto& label : json) {
      if (!label.is_string()) return {};
      labels.push_back(label.get<std::string>());
    }
    return labels;
  }
  return {};
}

// The only input that is not a constant (old files list those as inputs too).
const onnx::ValueInfoProto& TheInput(const std::string& path, const onnx::GraphProto& graph) {
  std::set<std::string> constants;
  for (const auto& tensor : graph.initializer()) constants.insert(tensor.name());
  const onnx::ValueInfoProto* found = nullptr;
  for (const auto& input : graph.input()) {
    if (constants.count(input.name()) > 0) continue;
    if (found != nullptr) {
      Fail("{}: has inputs {} and {}: a single one expected", path, found->name(), input.name());
    }
    found = &input;
  }
  Require(found != nullptr, "{}: has no input: it is no ONNX model, or an empty one", path);
  return *found;
}

}  // namespace

ModelInfo ReadModelInfo(const std::string& path) {
  onnx::ModelProto model;
  std::ifstream file(path, std::ios::binary);
  Require(file.good(), "{}: cannot be opened", path);
  Require(model.ParseFromIstream(&file), "{}: is no ONNX model", path);

  const auto& shape = TheInput(path, model.graph()).type().tensor_type().shape();
  Require(shape.dim_size() == 4, "{}: the input has {} dimensions: 4 expected, [N, C, H, W]", path,
          shape.dim_size());
  ModelInfo info;
  info.input = {shape.dim(1).dim_value(), shape.dim(2).dim_value(), shape.dim(3).dim_value()};

  const auto beside = std::filesystem::path(path).parent_path() / "labels.txt";
  info.labels = ReadLines(beside.string());
  if (info.labels.empty()) info.labels = LabelsFromMetadata(model);
  return info;
}

}  // namespace csc
