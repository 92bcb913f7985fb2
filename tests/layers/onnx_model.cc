#include "tests/layers/onnx_model.h"

namespace csc::test {

OnnxModel::OnnxModel() {
  proto_.set_ir_version(8);
  auto* standard = proto_.add_opset_import();
  standard->set_domain("");
  standard->set_version(13);
  auto* own = proto_.add_opset_import();
  own->set_domain("csc");
  own->set_version(1);
  proto_.mutable_graph()->set_name("test");
}

OnnxModel& OnnxModel::Input(const std::string& name, const Dims& dims) {
  auto* input = proto_.mutable_graph()->add_input();
  input->set_name(name);
  auto* type = input->mutable_type()->mutable_tensor_type();
  type->set_elem_type(onnx::TensorProto::FLOAT);
  type->mutable_shape();
  for (size_t i = 0; i < dims.size(); ++i) {
    auto* dim = type->mutable_shape()->add_dim();
    if (dims[i] < 0) {
      dim->set_dim_param("size" + std::to_string(i));
    } else {
      dim->set_dim_value(dims[i]);
    }
  }
  return *this;
}

OnnxModel& OnnxModel::Constant(const std::string& name, const Tensor& tensor) {
  auto* constant = proto_.mutable_graph()->add_initializer();
  constant->set_name(name);
  constant->set_data_type(onnx::TensorProto::FLOAT);
  for (int64_t dim : tensor.dims) constant->add_dims(dim);
  constant->set_raw_data(tensor.data.data(), tensor.data.size() * sizeof(float));
  return *this;
}

onnx::NodeProto* OnnxModel::Node(const std::string& domain, const std::string& op,
                                 const std::string& name, const std::vector<std::string>& inputs,
                                 const std::vector<std::string>& outputs) {
  auto* node = proto_.mutable_graph()->add_node();
  node->set_domain(domain);
  node->set_op_type(op);
  node->set_name(name);
  for (const std::string& input : inputs) node->add_input(input);
  for (const std::string& output : outputs) node->add_output(output);
  return node;
}

OnnxModel& OnnxModel::Output(const std::string& name) {
  auto* output = proto_.mutable_graph()->add_output();
  output->set_name(name);
  auto* type = output->mutable_type()->mutable_tensor_type();
  type->set_elem_type(onnx::TensorProto::FLOAT);
  for (int i = 0; i < 4; ++i) {
    type->mutable_shape()->add_dim()->set_dim_param("out" + std::to_string(i));
  }
  return *this;
}

cv::dnn::Net OnnxModel::Read() const {
  const std::string bytes = Bytes();
  return cv::dnn::readNetFromONNX(bytes.data(), bytes.size());
}

void SetAttribute(onnx::NodeProto* node, const std::string& name, const AttributeValue& value) {
  auto* attribute = node->add_attribute();
  attribute->set_name(name);
  if (const auto* integer = std::get_if<int64_t>(&value)) {
    attribute->set_type(onnx::AttributeProto::INT);
    attribute->set_i(*integer);
  } else if (const auto* real = std::get_if<double>(&value)) {
    attribute->set_type(onnx::AttributeProto::FLOAT);
    attribute->set_f(static_cast<float>(*real));
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    attribute->set_type(onnx::AttributeProto::STRING);
    attribute->set_s(*text);
  } else {
    attribute->set_type(onnx::AttributeProto::INTS);
    for (int64_t i : std::get<std::vector<int64_t>>(value)) {
      attribute->add_ints(i);
    }
  }
}

}  // namespace csc::test
