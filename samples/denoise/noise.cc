#include "samples/denoise/noise.h"

#include <cmath>
#include <opencv2/imgproc.hpp>

#include "solvers/error.h"

namespace csc {

cv::Mat AddNoise(const cv::Mat& image, double sigma, uint64_t seed) {
  cv::RNG random(seed);
  cv::Mat noise(image.size(), image.type());
  random.fill(noise, cv::RNG::NORMAL, cv::Scalar::all(0), cv::Scalar::all(sigma));
  return image + noise;
}

double EstimateNoise(const cv::Mat& image) {
  Require(image.rows >= 3 && image.cols >= 3, "a picture of {} x {}: at least 3 x 3 expected",
          image.cols, image.rows);
  // The difference of two Laplacians; white noise of deviation 1 becomes
  // deviation 6, whose mean absolute value is 6 sqrt(2 / pi).
  const cv::Matx33f kernel(1, -2, 1, -2, 4, -2, 1, -2, 1);
  cv::Mat difference;
  cv::filter2D(image, difference, CV_32F, kernel);
  const cv::Mat inner = difference(cv::Rect(1, 1, image.cols - 2, image.rows - 2));
  const double mean = cv::norm(inner, cv::NORM_L1) / (inner.total() * inner.channels());
  return std::sqrt(M_PI / 2) * mean / 6;
}

double Psnr(const cv::Mat& image, const cv::Mat& clean) {
  const double error = cv::norm(image, clean, cv::NORM_L2SQR) / (clean.total() * clean.channels());
  return -10 * std::log10(error);
}

}  // namespace csc
