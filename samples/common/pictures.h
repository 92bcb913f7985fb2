// Picture files as networks see them.

#ifndef CSC_SAMPLES_COMMON_PICTURES_H_
#define CSC_SAMPLES_COMMON_PICTURES_H_

#include <opencv2/core.hpp>
#include <string>

#include "solvers/tensor.h"

namespace csc {

// Reads a picture with the channels, height and width of `input` (a zero
// leaves that open), as OpenCV has them: grey, or blue-green-red. Resized as
// training resizes. Throws Error naming the file.
cv::Mat ReadPicture(const std::string& path, const Shape& input);

}  // namespace csc

#endif  // CSC_SAMPLES_COMMON_PICTURES_H_
