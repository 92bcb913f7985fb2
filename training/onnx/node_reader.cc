#include "training/onnx/node_reader.h"

#include <fmt/format.h>

#include <cstdlib>
#include <cstring>

#include "solvers/error.h"

namespace csc {

namespace {

AttributeValue ReadAttribute(const onnx::AttributeProto& attribute) {
  switch (attribute.type()) {
    case onnx::AttributeProto::INT:
      return attribute.i();
    case onnx::AttributeProto::FLOAT:
      // ONNX holds float32. The shortest decimal that means this float is what
      // its author wrote: 1e-4, not 9.99999974738e-05.
      return std::strtod(fmt::format("{}", attribute.f()).c_str(), nullptr);
    case onnx::AttributeProto::STRING:
      return attribute.s();
    case onnx::AttributeProto::INTS:
      return std::vector<int64_t>(attribute.ints().begin(), attribute.ints().end());
    default:
      Fail("attribute {} has type {}: an integer, a float, a string or a list of integers expected",
           attribute.name(), onnx::AttributeProto::AttributeType_Name(attribute.type()));
  }
}

// Sizes and values of `tensor`, `typed` its values where they are not raw.
template <typename T, typename Typed>
std::vector<T> ReadValues(const onnx::TensorProto& tensor, int wanted, const Typed& typed) {
  Require(tensor.data_type() == wanted, "constant {} has type {}: {} expected", tensor.name(),
          onnx::TensorProto::DataType_Name(
              static_cast<onnx::TensorProto::DataType>(tensor.data_type())),
          onnx::TensorProto::DataType_Name(static_cast<onnx::TensorProto::DataType>(wanted)));
  Require(tensor.data_location() != onnx::TensorProto::EXTERNAL,
          "constant {} is kept in another file: its values inside this one expected",
          tensor.name());
  const Dims dims(tensor.dims().begin(), tensor.dims().end());
  for (int64_t dim : dims) {
    Require(dim >= 1, "constant {} has sizes {}: each must be at least 1", tensor.name(),
            ToString(dims));
  }
  const auto count = static_cast<uint64_t>(NumElements(dims));
  const std::string& raw = tensor.raw_data();
  if (!tensor.has_raw_data()) {
    Require(static_cast<uint64_t>(typed.size()) == count,
            "constant {} has {} values: {} expected by its sizes {}", tensor.name(), typed.size(),
            count, ToString(dims));
    return std::vector<T>(typed.begin(), typed.end());
  }
  // Dividing, not multiplying: the count is the file's word and may be huge.
  Require(raw.size() % sizeof(T) == 0 && raw.size() / sizeof(T) == count,
          "constant {} has {} bytes of data: {} values of {} bytes expected by its sizes {}",
          tensor.name(), raw.size(), count, sizeof(T), ToString(dims));
  std::vector<T> values(count);
  std::memcpy(values.data(), raw.data(), raw.size());
  return values;
}

}  // namespace

std::map<std::string, AttributeValue> ReadAttributes(const onnx::NodeProto& node) {
  std::map<std::string, AttributeValue> attributes;
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    Require(attributes.emplace(attribute.name(), ReadAttribute(attribute)).second,
            "attribute {} is given twice", attribute.name());
  }
  return attributes;
}

Tensor ReadFloats(const onnx::TensorProto& tensor) {
  Tensor result;
  result.data = ReadValues<float>(tensor, onnx::TensorProto::FLOAT, tensor.float_data());
  result.dims.assign(tensor.dims().begin(), tensor.dims().end());
  return result;
}

std::vector<int64_t> ReadInts(const onnx::TensorProto& tensor) {
  return ReadValues<int64_t>(tensor, onnx::TensorProto::INT64, tensor.int64_data());
}

}  // namespace csc
