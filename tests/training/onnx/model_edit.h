// Model files as messages that a test can change and read again.

#ifndef CSC_TESTS_TRAINING_ONNX_MODEL_EDIT_H_
#define CSC_TESTS_TRAINING_ONNX_MODEL_EDIT_H_

#include <gtest/gtest.h>
#include <onnx/onnx-ml.pb.h>

#include <cstring>
#include <fstream>
#include <functional>
#include <string>

#include "solvers/error.h"
#include "tests/training/onnx/test_networks.h"
#include "training/file.h"
#include "training/onnx/onnx_file.h"

namespace csc {

using Model = onnx::ModelProto;
using Change = std::function<void(Model*)>;

inline std::string TemporaryPath(const std::string& name) {
  return testing::TempDir() + name + ".onnx";
}

inline std::string WriteTemporary(const std::string& name, const std::string& bytes) {
  const std::string path = TemporaryPath(name);
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

inline onnx::ModelProto Written(const TestNetwork& test, OnnxForm form) {
  const std::string path = TemporaryPath("written_" + test.name);
  WriteOnnx(test.network, test.input, form, path, {});
  onnx::ModelProto model;
  EXPECT_TRUE(model.ParseFromString(ReadFile(path)));
  return model;
}

inline OnnxModel Read(const onnx::ModelProto& model) {
  return ReadOnnx(WriteTemporary("changed", model.SerializeAsString()));
}

inline std::string ErrorOf(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

inline onnx::NodeProto* NodeOf(onnx::ModelProto* model, const std::string& op) {
  for (onnx::NodeProto& node : *model->mutable_graph()->mutable_node()) {
    if (node.op_type() == op) return &node;
  }
  ADD_FAILURE() << "no node " << op;
  return nullptr;
}

inline onnx::TensorProto* ConstantOf(onnx::ModelProto* model, const std::string& name) {
  for (onnx::TensorProto& tensor : *model->mutable_graph()->mutable_initializer()) {
    if (tensor.name() == name) return &tensor;
  }
  ADD_FAILURE() << "no constant " << name;
  return nullptr;
}

inline onnx::AttributeProto* AttributeOf(onnx::NodeProto* node, const std::string& name) {
  for (onnx::AttributeProto& attribute : *node->mutable_attribute()) {
    if (attribute.name() == name) return &attribute;
  }
  onnx::AttributeProto* added = node->add_attribute();
  added->set_name(name);
  added->set_type(onnx::AttributeProto::INT);
  return added;
}

inline void SetFirst(onnx::TensorProto* tensor, float value) {
  std::memcpy(tensor->mutable_raw_data()->data(), &value, sizeof(value));
}

}  // namespace csc

#endif  // CSC_TESTS_TRAINING_ONNX_MODEL_EDIT_H_
