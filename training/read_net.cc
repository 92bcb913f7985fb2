#include "training/read_net.h"

#include <algorithm>

#include "solvers/error.h"
#include "training/onnx/node_reader.h"
#include "training/onnx/onnx_file.h"
#include "training/onnx/parse_onnx.h"
#include "training/through_opencv.h"

namespace csc {

namespace {

// OpenCV takes as many values as the sizes say, and reads past the data where there are
// fewer. Empty constants, which other networks may have, are its business, as are others'
// files.
void CheckConstants(const onnx::GraphProto& graph) {
  for (const onnx::TensorProto& tensor : graph.initializer()) {
    const auto& dims = tensor.dims();
    if (tensor.data_location() == onnx::TensorProto::EXTERNAL) continue;
    if (std::count(dims.begin(), dims.end(), 0) > 0) continue;
    if (tensor.data_type() == onnx::TensorProto::FLOAT) ReadFloats(tensor);
    if (tensor.data_type() == onnx::TensorProto::INT64) ReadInts(tensor);
  }
}

}  // namespace

cv::dnn::Net ReadNet(const std::string& path) {
  const onnx::ModelProto model = ParseOnnx(path);
  const bool ours =
      std::all_of(model.graph().node().begin(), model.graph().node().end(), IsOfNetworks);
  try {
    CheckConstants(model.graph());
  } catch (const Error& error) {
    if (ours) ReadOnnx(path);  // throws the same with the node's name, unless no node has it
    Fail("{}: {}", path, error.what());
  }
  return ThroughOpenCv(path, [&] {
    try {
      return cv::dnn::readNetFromONNX(path);
    } catch (const cv::Exception&) {
      if (ours) ReadOnnx(path);  // throws
      throw;
    }
  });
}

}  // namespace csc
