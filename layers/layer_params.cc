#include "layers/layer_params.h"

#include <fmt/format.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "solvers/error.h"

namespace csc {

namespace {

Dims DimsOf(const cv::Mat& mat) { return Dims(mat.size.p, mat.size.p + mat.dims); }

// Throws for what AttributeValue cannot hold; whether an operator has such an
// attribute, and its range, is MakeLayerSpec's to say.
AttributeValue Convert(const std::string& name, const cv::dnn::DictValue& in) {
  const int size = in.size();
  if (in.isString()) {
    Require(size == 1, "attribute {} is a list of {} strings: one value expected", name, size);
    return in.get<cv::String>(0);
  }
  if (in.isInt()) {
    if (size == 1) return int64_t{in.get<int64_t>(0)};
    std::vector<int64_t> list;
    for (int i = 0; i < size; ++i) list.push_back(in.get<int64_t>(i));
    return list;
  }
  Require(size == 1,
          "attribute {} is a list of {} floats: a number, a string or a list "
          "of integers expected",
          name, size);
  return in.get<double>(0);
}

}  // namespace

std::string DisplayName(const std::string& name) {
  if (name.rfind("onnx_node", 0) != 0) return name;
  const size_t mark = name.find('!');
  return mark == std::string::npos ? name : name.substr(mark + 1);
}

std::map<std::string, AttributeValue> ReadAttributes(const cv::dnn::LayerParams& params) {
  std::map<std::string, AttributeValue> attributes;
  for (auto it = params.begin(); it != params.end(); ++it) {
    const std::string& name = it->first;
    // Set by the ONNX importer on every node.
    if (name == "has_dynamic_shapes") continue;
    // The importer's word for an auto_pad other than NOTSET.
    const std::string own_name = name == "pad_mode" ? "auto_pad" : name;
    attributes.emplace(own_name, Convert(own_name, it->second));
  }
  return attributes;
}

Tensor ReadBlob(const cv::Mat& blob, const std::string& what) {
  Require(!blob.empty(), "{} is empty: float32 values expected", what);
  Require(blob.type() == CV_32F, "{} is {}: float32 (CV_32F) expected", what, Show(blob));
  const cv::Mat whole = blob.isContinuous() ? blob : blob.clone();
  Tensor tensor;
  tensor.dims = DimsOf(whole);
  tensor.data.resize(whole.total());
  std::memcpy(tensor.data.data(), whole.data, tensor.data.size() * sizeof(float));
  return tensor;
}

std::string Show(const cv::Mat& mat) {
  return fmt::format("{} of {}", ToString(DimsOf(mat)), cv::typeToString(mat.type()));
}

}  // namespace csc
