#include "training/read_net.h"

#include <algorithm>

#include "training/onnx/onnx_file.h"
#include "training/onnx/parse_onnx.h"
#include "training/through_opencv.h"

namespace csc {

cv::dnn::Net ReadNet(const std::string& path) {
  const onnx::ModelProto model = ParseOnnx(path);
  return ThroughOpenCv(path, [&] {
    try {
      return cv::dnn::readNetFromONNX(path);
    } catch (const cv::Exception&) {
      const auto& nodes = model.graph().node();
      if (std::all_of(nodes.begin(), nodes.end(), IsOfNetworks)) ReadOnnx(path);  // throws
      throw;
    }
  });
}

}  // namespace csc
