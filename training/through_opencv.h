// What programs say when OpenCV refuses something.

#ifndef CSC_TRAINING_THROUGH_OPENCV_H_
#define CSC_TRAINING_THROUGH_OPENCV_H_

#include <algorithm>
#include <opencv2/core.hpp>
#include <string>

#include "solvers/error.h"

namespace csc {

// Calls `body`; an exception of OpenCV's, the plugin's layers included, becomes an
// Error of one line that begins with `what`: a file, and what is done with it.
template <typename Body>
auto ThroughOpenCv(const std::string& what, const Body& body) {
  try {
    return body();
  } catch (const cv::Exception& error) {
    std::string text = error.err;
    std::replace(text.begin(), text.end(), '\n', ' ');
    Fail("{}: OpenCV: {}", what, text);
  }
}

}  // namespace csc

#endif  // CSC_TRAINING_THROUGH_OPENCV_H_
