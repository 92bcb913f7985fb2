// The start of reading any ONNX file, whatever its operators: one place, so that every
// program says the same of a file that is damaged, or newer than it.

#ifndef CSC_TRAINING_ONNX_PARSE_ONNX_H_
#define CSC_TRAINING_ONNX_PARSE_ONNX_H_

#include <onnx/onnx-ml.pb.h>

#include <string>
#include <vector>

#include "solvers/tensor.h"

namespace csc {

// Throws Error that names the file and says what is wrong: unreadable, no ONNX model,
// cut short, or of a version of the csc operators that is not known here.
onnx::ModelProto ParseOnnx(const std::string& path);

struct GraphInput {
  std::string name;
  Dims dims;  // [N, C, H, W], 0 where the file leaves a size open; N always
};

// The only input that is no constant. Throws Error unless there is one, of float32 and
// four axes.
GraphInput ReadGraphInput(const onnx::GraphProto& graph);

// The names of the classes, a JSON list of strings under "labels" in the model's metadata;
// empty where there are none. Throws Error for anything else there.
std::vector<std::string> ReadLabels(const onnx::ModelProto& model);

// Whether a node is of ONNX's own domain.
bool IsStandard(const onnx::NodeProto& node);

// Whether the node is one of those that ReadOnnx makes networks of.
bool IsOfNetworks(const onnx::NodeProto& node);

// Those of ONNX's own operators among them, for messages.
std::string StandardOperatorNames();

}  // namespace csc

#endif  // CSC_TRAINING_ONNX_PARSE_ONNX_H_
