#include "training/onnx/graph_builder.h"

#include "solvers/error.h"

namespace csc {

namespace {

// raw_data is little endian by definition.
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "ONNX's raw_data needs swapping here");

constexpr const char* kAxisNames[] = {"N", "C", "H", "W"};

void Describe(const std::string& name, const Dims& dims, onnx::ValueInfoProto* info) {
  info->set_name(name);
  auto* type = info->mutable_type()->mutable_tensor_type();
  type->set_elem_type(onnx::TensorProto::FLOAT);
  for (size_t axis = 0; axis < dims.size(); ++axis) {
    auto* dim = type->mutable_shape()->add_dim();
    if (dims[axis] > 0) {
      dim->set_dim_value(dims[axis]);
    } else {
      dim->set_dim_param(kAxisNames[axis]);
    }
  }
}

}  // namespace

onnx::NodeProto* GraphBuilder::AddNode(const std::string& domain, const std::string& op,
                                       const std::vector<std::string>& inputs,
                                       const std::string& output) {
  onnx::NodeProto* node = graph_->add_node();
  node->set_domain(domain);
  node->set_op_type(op);
  node->set_name(output);
  for (const std::string& input : inputs) node->add_input(input);
  node->add_output(output);
  return node;
}

std::string GraphBuilder::AddConstant(const std::string& name, const Dims& dims,
                                      const std::vector<float>& data) {
  Require(NumElements(dims) == static_cast<int64_t>(data.size()),
          "constant {} has sizes {} but {} values", name, ToString(dims), data.size());
  onnx::TensorProto* tensor = graph_->add_initializer();
  tensor->set_name(name);
  tensor->set_data_type(onnx::TensorProto::FLOAT);
  for (int64_t dim : dims) tensor->add_dims(dim);
  tensor->set_raw_data(data.data(), data.size() * sizeof(float));
  return name;
}

std::string GraphBuilder::AddInts(const std::string& name, const std::vector<int64_t>& data) {
  onnx::TensorProto* tensor = graph_->add_initializer();
  tensor->set_name(name);
  tensor->set_data_type(onnx::TensorProto::INT64);
  tensor->add_dims(static_cast<int64_t>(data.size()));
  tensor->set_raw_data(data.data(), data.size() * sizeof(int64_t));
  return name;
}

void GraphBuilder::AddInput(const std::string& name, const Dims& dims) {
  Describe(name, dims, graph_->add_input());
}

void GraphBuilder::AddOutput(const std::string& name, const Dims& dims) {
  Describe(name, dims, graph_->add_output());
}

void SetAttribute(onnx::NodeProto* node, const std::string& name, const AttributeValue& value) {
  onnx::AttributeProto* attribute = node->add_attribute();
  attribute->set_name(name);
  if (const auto* i = std::get_if<int64_t>(&value)) {
    attribute->set_type(onnx::AttributeProto::INT);
    attribute->set_i(*i);
  } else if (const auto* f = std::get_if<double>(&value)) {
    attribute->set_type(onnx::AttributeProto::FLOAT);
    attribute->set_f(static_cast<float>(*f));
  } else if (const auto* s = std::get_if<std::string>(&value)) {
    attribute->set_type(onnx::AttributeProto::STRING);
    attribute->set_s(*s);
  } else {
    attribute->set_type(onnx::AttributeProto::INTS);
    for (int64_t entry : std::get<std::vector<int64_t>>(value)) attribute->add_ints(entry);
  }
}

}  // namespace csc
