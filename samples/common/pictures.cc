#include "samples/common/pictures.h"

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "solvers/error.h"

namespace csc {

cv::Mat ReadPicture(const std::string& path, const Shape& input) {
  Require(input.channels == 1 || input.channels == 3,
          "the model wants images of {} channels: 1 (grey) or 3 (colour) expected", input.channels);
  cv::Mat image = cv::imread(path, input.channels == 1 ? cv::IMREAD_GRAYSCALE : cv::IMREAD_COLOR);
  Require(!image.empty(), "{}: not a picture that OpenCV reads, or not there", path);
  const cv::Size size(input.width > 0 ? static_cast<int>(input.width) : image.cols,
                      input.height > 0 ? static_cast<int>(input.height) : image.rows);
  if (image.size() != size) cv::resize(image, image, size, 0, 0, cv::INTER_AREA);
  return image;
}

}  // namespace csc
