// Removes white noise from pictures by sparse coding, run by OpenCV.

#ifndef CSC_SAMPLES_DENOISE_DENOISER_H_
#define CSC_SAMPLES_DENOISE_DENOISER_H_

#include <opencv2/core.hpp>
#include <opencv2/dnn.hpp>
#include <string>
#include <vector>

namespace csc {

struct DenoiserOptions {
  double sigma = 25. / 255;  // standard deviation of the noise
  // beta = strength * sigma. An atom of norm 1 meets noise of deviation sigma,
  // so this is how many deviations a coefficient must stand out.
  double strength = 2;
  // Each image is coded on grids that start at `shifts` x `shifts` different
  // places (1, 2 or 4), and the results are averaged: what depends on where
  // the grid lies is mostly noise.
  int shifts = 2;
  int max_iterations = 20;
};

// Needs the csc layers to be registered with OpenCV. Keeps one network; one
// thread at a time.
class Denoiser {
 public:
  // Throws Error for options out of range.
  explicit Denoiser(const DenoiserOptions& options);

  // `image` is CV_32F with one or three channels, pixels about 0 to 1; the
  // result has its size and type. Works in tiles, in memory that does not grow
  // with the picture.
  cv::Mat Denoise(const cv::Mat& image);

  // The model it runs, as the bytes of an ONNX file.
  const std::string& model() const { return model_; }

 private:
  cv::Mat DenoiseTile(const std::vector<cv::Mat>& planes, const cv::Rect& tile);

  const DenoiserOptions options_;
  std::vector<cv::Point> shifts_;  // where the grids of atoms start
  std::string model_;
  cv::dnn::Net net_;
};

}  // namespace csc

#endif  // CSC_SAMPLES_DENOISE_DENOISER_H_
