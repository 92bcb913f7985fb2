// Running a model file through OpenCV's importer and engine.

#ifndef CSC_TESTS_TRAINING_ONNX_OPENCV_RUN_H_
#define CSC_TESTS_TRAINING_ONNX_OPENCV_RUN_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <opencv2/dnn.hpp>
#include <string>
#include <vector>

#include "solvers/tensor.h"

namespace csc {

inline Tensor RunOpenCv(cv::dnn::Net* net, const Tensor& images) {
  const std::vector<int> sizes(images.dims.begin(), images.dims.end());
  const cv::Mat blob(sizes, CV_32F, const_cast<float*>(images.data.data()));
  net->setInput(blob);
  const cv::Mat result = net->forward().clone();
  Tensor output;
  for (int i = 0; i < result.dims; ++i) output.dims.push_back(result.size[i]);
  output.data.assign(result.ptr<float>(), result.ptr<float>() + result.total());
  return output;
}

// Differences relative to the largest magnitude; sizes may differ in trailing
// axes of 1. NaN never passes.
inline void ExpectClose(const Tensor& expected, const Tensor& found, double tolerance) {
  ASSERT_EQ(expected.dims[0], found.dims[0]);
  ASSERT_EQ(expected.dims[1], found.dims[1]);
  ASSERT_EQ(expected.data.size(), found.data.size());
  double largest = 0, difference = 0;
  for (size_t i = 0; i < expected.data.size(); ++i) {
    largest = std::max(largest, std::fabs(double{expected.data[i]}));
    const double d = std::fabs(double{expected.data[i]} - double{found.data[i]});
    if (!(d <= difference)) difference = d;
  }
  EXPECT_GT(largest, 0) << "the test would not see a wrong value";
  EXPECT_TRUE(difference <= tolerance * largest)
      << "largest difference " << difference << ", largest magnitude " << largest;
}

}  // namespace csc

#endif  // CSC_TESTS_TRAINING_ONNX_OPENCV_RUN_H_
