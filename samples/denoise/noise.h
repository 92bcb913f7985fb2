// Noise: to add, to estimate, to compare with. Pictures are CV_32F, 0 to 1.

#ifndef CSC_SAMPLES_DENOISE_NOISE_H_
#define CSC_SAMPLES_DENOISE_NOISE_H_

#include <cstdint>
#include <opencv2/core.hpp>

namespace csc {

// `image` plus white Gaussian noise, not cut to 0..1. The same seed gives the
// same noise.
cv::Mat AddNoise(const cv::Mat& image, double sigma, uint64_t seed);

// The standard deviation of white noise in `image`, from the mean absolute
// value of a difference that straight edges and slopes leave small (J.
// Immerkaer, Fast Noise Variance Estimation, 1996). Fine texture counts as
// noise. Throws Error for pictures smaller than 3 x 3.
double EstimateNoise(const cv::Mat& image);

// Peak signal-to-noise ratio of `image` against `clean` in decibels, for a
// peak of 1.
double Psnr(const cv::Mat& image, const cv::Mat& clean);

}  // namespace csc

#endif  // CSC_SAMPLES_DENOISE_NOISE_H_
