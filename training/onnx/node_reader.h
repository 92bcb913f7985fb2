// Takes attributes and constants out of ONNX messages. Used by the reader only.

#ifndef CSC_TRAINING_ONNX_NODE_READER_H_
#define CSC_TRAINING_ONNX_NODE_READER_H_

#include <onnx/onnx-ml.pb.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "solvers/network/operator.h"
#include "solvers/tensor.h"

namespace csc {

// The attributes of a node. Throws Error for types no operator here has, and
// for one given twice.
std::map<std::string, AttributeValue> ReadAttributes(const onnx::NodeProto& node);

// A float32 tensor kept as raw_data or float_data. Throws Error for other
// types, for data kept in another file, and where sizes and values disagree.
Tensor ReadFloats(const onnx::TensorProto& tensor);
// The same for int64.
std::vector<int64_t> ReadInts(const onnx::TensorProto& tensor);

}  // namespace csc

#endif  // CSC_TRAINING_ONNX_NODE_READER_H_
