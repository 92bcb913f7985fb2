#include "samples/common/model_info.h"

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "solvers/error.h"
#include "training/onnx/parse_onnx.h"

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

}  // namespace

ModelInfo ReadModelInfo(const std::string& path) {
  const onnx::ModelProto model = ParseOnnx(path);
  ModelInfo info;
  try {
    const Dims dims = ReadGraphInput(model.graph()).dims;
    info.input = {dims[1], dims[2], dims[3]};
  } catch (const Error& error) {
    Fail("{}: {}", path, error.what());
  }

  const auto beside = std::filesystem::path(path).parent_path() / "labels.txt";
  info.labels = ReadLines(beside.string());
  if (info.labels.empty()) info.labels = LabelsFromMetadata(model);
  return info;
}

}  // namespace csc
