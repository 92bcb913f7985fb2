#include "samples/denoise/denoiser.h"

#include <algorithm>
#include <cmath>

#include <opencv2/imgproc.hpp>

#include "samples/denoise/lasso_model.h"
#include "solvers/error.h"

namespace csc {

namespace {

constexpr int kAtomSize = 8;
constexpr int kStride = kAtomSize / 2;
// Around each tile, coded with it and then cut off: at a picture's edge fewer
// atoms overlap, and a tile must not show its edges.
constexpr int kMargin = 2 * kAtomSize;
constexpr int kTile = 224;

// An orthonormal change of colours: brightness and two differences, in which
// pictures are sparser and white noise stays white noise of the same sigma.
cv::Matx33f ColourTransform() {
  const float a = 1 / std::sqrt(3.f), b = 1 / std::sqrt(2.f), c = 1 / std::sqrt(6.f);
  return {a, a, a, b, 0, -b, c, -2 * c, c};
}

std::string CheckedModel(const DenoiserOptions& options) {
  Require(options.sigma >= 0 && options.sigma < 10, "a noise level of {}: 0 to 10 expected",
          options.sigma);
  Require(options.strength >= 0, "a strength of {}: at least 0 expected", options.strength);
  Require(options.shifts == 1 || options.shifts == 2 || options.shifts == kStride,
          "{} shifts: 1, 2 or {} expected", options.shifts, kStride);
  LassoModelOptions model;
  model.stride = kStride;
  model.beta = options.strength * options.sigma;
  // Each of the (size / stride)^2 grids of atoms is an orthonormal basis, so
  // lambda_max is their number. csc.Lasso's own bound holds for any filters and
  // does not know of strides: its steps would be 16 times shorter.
  model.step = 1. * kStride * kStride / (kAtomSize * kAtomSize);
  model.max_iterations = options.max_iterations;
  return MakeLassoModel(CosineAtoms(kAtomSize), model);
}

int RoundUp(int value, int multiple) { return (value + multiple - 1) / multiple * multiple; }

}  // namespace

Denoiser::Denoiser(const DenoiserOptions& options)
    : options_(options),
      model_(CheckedModel(options)),
      net_(cv::dnn::readNetFromONNX(model_.data(), model_.size())) {}

// `planes` have a margin around the picture, and `tile`, in their coordinates,
// has it too. Returns the tile without margin, planes as channels.
cv::Mat Denoiser::DenoiseTile(const std::vector<cv::Mat>& planes, const cv::Rect& tile) {
  const int step = kStride / options_.shifts;
  std::vector<cv::Mat> crops;
  for (const cv::Mat& plane : planes) {
    for (int dy = 0; dy < kStride; dy += step) {
      for (int dx = 0; dx < kStride; dx += step) crops.push_back(plane(tile + cv::Point(dx, dy)));
    }
  }
  net_.setInput(cv::dnn::blobFromImages(crops));
  const cv::Mat blob = net_.forward();  // [planes * shifts, 1, H, W]

  const int num_shifts = options_.shifts * options_.shifts;
  const cv::Size inner(tile.width - 2 * kMargin, tile.height - 2 * kMargin);
  std::vector<cv::Mat> sums;
  int image = 0;
  for (size_t p = 0; p < planes.size(); ++p) {
    cv::Mat sum = cv::Mat::zeros(inner, CV_32F);
    for (int dy = 0; dy < kStride; dy += step) {
      for (int dx = 0; dx < kStride; dx += step) {
        const cv::Mat result(tile.size(), CV_32F, const_cast<float*>(blob.ptr<float>(image++)));
        sum += result(cv::Rect({kMargin - dx, kMargin - dy}, inner));
      }
    }
    sums.push_back(sum / num_shifts);
  }
  cv::Mat merged;
  cv::merge(sums, merged);
  return merged;
}

cv::Mat Denoiser::Denoise(const cv::Mat& image) {
  Require(!image.empty() && image.depth() == CV_32F &&
              (image.channels() == 1 || image.channels() == 3),
          "a picture of {} channels and type {}: 1 or 3 channels of CV_32F expected",
          image.channels(), image.type());
  const cv::Size inner(std::min(RoundUp(image.cols, kStride), kTile),
                       std::min(RoundUp(image.rows, kStride), kTile));
  const bool colour = image.channels() == 3;
  cv::Mat planes_image = image;
  if (colour) cv::transform(image, planes_image, ColourTransform());
  // To whole tiles, and a little more for the shifted grids.
  cv::Mat padded;
  cv::copyMakeBorder(planes_image, padded, kMargin,
                     RoundUp(image.rows, inner.height) - image.rows + kMargin + kStride, kMargin,
                     RoundUp(image.cols, inner.width) - image.cols + kMargin + kStride,
                     cv::BORDER_REFLECT);
  std::vector<cv::Mat> planes;
  cv::split(padded, planes);

  cv::Mat result(image.size(), image.type());
  for (int y = 0; y < image.rows; y += inner.height) {
    for (int x = 0; x < image.cols; x += inner.width) {
      const cv::Rect tile(x, y, inner.width + 2 * kMargin, inner.height + 2 * kMargin);
      cv::Mat clean = DenoiseTile(planes, tile);
      if (colour) cv::transform(clean, clean, ColourTransform().t());
      const cv::Rect part = cv::Rect({x, y}, inner) & cv::Rect({0, 0}, image.size());
      clean(cv::Rect({0, 0}, part.size())).copyTo(result(part));
    }
  }
  return result;
}

}  // namespace csc
