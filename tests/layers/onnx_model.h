// Builds small ONNX models in memory, as a test needs them: valid ones and
// broken ones.

#ifndef CSC_TESTS_LAYERS_ONNX_MODEL_H_
#define CSC_TESTS_LAYERS_ONNX_MODEL_H_

#include <onnx/onnx-ml.pb.h>

#include <map>
#include <opencv2/dnn.hpp>
#include <string>
#include <vector>

#include "solvers/network/operator.h"
#include "solvers/tensor.h"

namespace csc::test {

class OnnxModel {
 public:
  OnnxModel();

  // A run-time input; a size of -1 is symbolic.
  OnnxModel& Input(const std::string& name, const Dims& dims);
  OnnxModel& Constant(const std::string& name, const Tensor& tensor);
  // The node, for whatever else a test wants to put into it.
  onnx::NodeProto* Node(const std::string& domain, const std::string& op, const std::string& name,
                        const std::vector<std::string>& inputs,
                        const std::vector<std::string>& outputs);
  // An output of the graph, of four sizes not said.
  OnnxModel& Output(const std::string& name);

  onnx::ModelProto& proto() { return proto_; }
  std::string Bytes() const { return proto_.SerializeAsString(); }
  // What OpenCV makes of it; throws cv::Exception.
  cv::dnn::Net Read() const;

 private:
  onnx::ModelProto proto_;
};

void SetAttribute(onnx::NodeProto* node, const std::string& name, const AttributeValue& value);

}  // namespace csc::test

#endif  // CSC_TESTS_LAYERS_ONNX_MODEL_H_
