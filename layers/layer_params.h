// What OpenCV hands to a layer's constructor, in the terms of solvers/network.

#ifndef CSC_LAYERS_LAYER_PARAMS_H_
#define CSC_LAYERS_LAYER_PARAMS_H_

#include <map>
#include <opencv2/dnn.hpp>
#include <string>

#include "solvers/network/operator.h"
#include "solvers/tensor.h"

namespace csc {

// The node's name as its author wrote it: without the prefix "onnx_node!" (or
// "onnx_node_output_0!", for a node without a name) of OpenCV's importer.
std::string DisplayName(const std::string& name);

// The attributes of `params`, less those that the importer adds of its own
// accord. Throws Error for values that no operator takes.
std::map<std::string, AttributeValue> ReadAttributes(const cv::dnn::LayerParams& params);

// A copy of a constant. Throws Error naming `what` unless it is a non-empty
// array of float32.
Tensor ReadBlob(const cv::Mat& blob, const std::string& what);

// "[2, 3, 8, 8] of CV_32F": sizes and type of an array, for messages.
std::string Show(const cv::Mat& mat);

}  // namespace csc

#endif  // CSC_LAYERS_LAYER_PARAMS_H_
