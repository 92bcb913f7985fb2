// Puts nodes and constants into an ONNX graph. Used by the writers only.

#ifndef CSC_TRAINING_ONNX_GRAPH_BUILDER_H_
#define CSC_TRAINING_ONNX_GRAPH_BUILDER_H_

#include <onnx/onnx-ml.pb.h>

#include <cstdint>
#include <string>
#include <vector>

#include "solvers/network/operator.h"
#include "solvers/tensor.h"

namespace csc {

// The version of the operators in domain "csc" that this library writes, and
// the newest it reads.
constexpr int64_t kCscOpset = 1;

class GraphBuilder {
 public:
  // `graph` belongs to the caller and must outlive the builder.
  explicit GraphBuilder(onnx::GraphProto* graph) : graph_(graph) {}

  // A node with one output. Node, output and constant names must be unique,
  // which is the caller's duty; the node is named after its output.
  onnx::NodeProto* AddNode(const std::string& domain, const std::string& op,
                           const std::vector<std::string>& inputs, const std::string& output);
  onnx::NodeProto* AddNode(const std::string& op, const std::vector<std::string>& inputs,
                           const std::string& output) {
    return AddNode("", op, inputs, output);
  }

  // float32 and int64 initialisers; both return `name`.
  std::string AddConstant(const std::string& name, const Dims& dims,
                          const std::vector<float>& data);
  std::string AddInts(const std::string& name, const std::vector<int64_t>& data);

  // float32 graph inputs and outputs. A zero size is left open, as "N", "H" or
  // "W" after its axis.
  void AddInput(const std::string& name, const Dims& dims);
  void AddOutput(const std::string& name, const Dims& dims);

 private:
  onnx::GraphProto* graph_;
};

void SetAttribute(onnx::NodeProto* node, const std::string& name, const AttributeValue& value);

}  // namespace csc

#endif  // CSC_TRAINING_ONNX_GRAPH_BUILDER_H_
