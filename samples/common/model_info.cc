#include "samples/common/model_info.h"

#include <filesystem>
#include <fstream>

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

}  // namespace

ModelInfo ReadModelInfo(const std::string& path) {
  const onnx::ModelProto model = ParseOnnx(path);
  ModelInfo info;
  const auto beside = std::filesystem::path(path).parent_path() / "labels.txt";
  info.labels = ReadLines(beside.string());
  try {
    const Dims dims = ReadGraphInput(model.graph()).dims;
    info.input = {dims[1], dims[2], dims[3]};
    if (info.labels.empty()) info.labels = ReadLabels(model);
  } catch (const Error& error) {
    Fail("{}: {}", path, error.what());
  }
  return info;
}

}  // namespace csc
