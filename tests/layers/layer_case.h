// One layer as a test sees it: operator, attributes, constants, input sizes.
// The same case becomes an ONNX model for OpenCV and a program for the
// reference interpreter.

#ifndef CSC_TESTS_LAYERS_LAYER_CASE_H_
#define CSC_TESTS_LAYERS_LAYER_CASE_H_

#include <map>
#include <opencv2/dnn.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "solvers/network/operator.h"
#include "solvers/program/program.h"
#include "solvers/tensor.h"
#include "tests/layers/onnx_model.h"

namespace csc::test {

using Attributes = std::map<std::string, AttributeValue>;
using Ints = std::vector<int64_t>;

struct LayerCase {
  std::string title;  // of the test: letters and digits
  std::string op;
  Attributes attributes;
  std::vector<Tensor> constants;
  Dims input;  // [N, C, H, W]
};

// For googletest's messages.
std::ostream& operator<<(std::ostream& stream, const LayerCase& c);

// Valid cases, at least one of every operator that is a program, csc.Network
// included; small, with all attributes used somewhere.
std::vector<LayerCase> ProgramCases();

// A case of each operator of the contract with only its required constants,
// the Lasso included: what hostile tests start from.
std::vector<LayerCase> MinimalCases();
LayerCase MinimalCase(const std::string& op);

// Reproducible values in [low, high).
Tensor Values(const Dims& dims, double low, double high, int seed);
cv::Mat Image(const Dims& dims, int seed);
std::vector<float> ToVector(const cv::Mat& mat);  // continuous or not
Dims DimsOf(const cv::Mat& mat);

// A model of this one node, called "node", with its input "x" of these sizes
// (-1: symbolic). The node may be changed before the model is read.
OnnxModel ModelOf(const LayerCase& c, const Dims& declared_input);
cv::dnn::Net ReadNet(const LayerCase& c);

// One run.
cv::Mat Forward(cv::dnn::Net* net, const cv::Mat& input);

// The program of a case for inputs of these sizes.
Program ProgramOf(const LayerCase& c, const Dims& input);

// The output by the reference interpreter, in double.
std::vector<double> Expected(const LayerCase& c, const cv::Mat& input);

}  // namespace csc::test

#endif  // CSC_TESTS_LAYERS_LAYER_CASE_H_
