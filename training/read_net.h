// Model files into OpenCV, as programs do that talk to users.

#ifndef CSC_TRAINING_READ_NET_H_
#define CSC_TRAINING_READ_NET_H_

#include <opencv2/dnn.hpp>
#include <string>

namespace csc {

// Reads any ONNX file that OpenCV and the plugin read, the latter loaded before. Throws
// Error that names the file; where it is fused or layered, in the words of ReadOnnx,
// which say what was expected, while OpenCV's often say how it failed.
cv::dnn::Net ReadNet(const std::string& path);

}  // namespace csc

#endif  // CSC_TRAINING_READ_NET_H_
