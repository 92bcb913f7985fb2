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
  model.beta = options.strength * options.sigma;
  model.max_iterations = options.max_iterations;
  return MakeLassoModel(ToPhases(CosineAtoms(kAtomSize), kStride), model);
}

int RoundUp(int value, int multiple) { return (value + multiple - 1) / multiple * multiple; }

// The pixels of `image` with row i and column j modulo kStride, in channel
// kStride * i + j: [kStride^2, H / kStride, W / kStride]. (See ToPhases.)
void SplitPhases(const cv::Mat& image, float* dst) {
  for (int phase = 0; phase < kStride * kStride; ++phase) {
    for (int y = phase / kStride; y < image.rows; y += kStride) {
      const float* row = image.ptr<float>(y);
      for (int x = phase % kStride; x < image.cols; x += kStride) *dst++ = row[x];
    }
  }
}

void JoinPhases(const float* src, cv::Mat* image) {
  for (int phase = 0; phase < kStride * kStride; ++phase) {
    for (int y = phase / kStride; y < image->rows; y += kStride) {
      float* row = image->ptr<float>(y);
      for (int x = phase % kStride; x < image->cols; x += kStride) row[x] = *src++;
    }
  }
}

}  // namespace

Denoiser::Denoiser(const DenoiserOptions& options)
    : options_(options),
      model_(CheckedModel(options)),
      net_(cv::dnn::readNetFromONNX(model_.data(), model_.size())) {
  const int step = kStride / options_.shifts;
  for (int dy = 0; dy < kStride; dy += step) {
    for (int dx = 0; dx < kStride; dx += step) shifts_.emplace_back(dx, dy);
  }
}

// `planes` have a margin around the picture, and `tile`, in their coordinates,
// has it too. Returns the tile without margin, planes as channels.
cv::Mat Denoiser::DenoiseTile(const std::vector<cv::Mat>& planes, const cv::Rect& tile) {
  const int sizes[] = {static_cast<int>(planes.size() * shifts_.size()), kStride * kStride,
                       tile.height / kStride, tile.width / kStride};
  cv::Mat blob(4, sizes, CV_32F);
  int image = 0;
  for (const cv::Mat& plane : planes) {
    for (const cv::Point& shift : shifts_) {
      SplitPhases(plane(tile + shift), blob.ptr<float>(image++));
    }
  }
  net_.setInput(blob);
  blob = net_.forward();

  const cv::Size inner(tile.width - 2 * kMargin, tile.height - 2 * kMargin);
  cv::Mat coded(tile.size(), CV_32F);
  std::vector<cv::Mat> means;
  image = 0;
  for (size_t p = 0; p < planes.size(); ++p) {
    cv::Mat sum = cv::Mat::zeros(inner, CV_32F);
    for (const cv::Point& shift : shifts_) {
      JoinPhases(blob.ptr<float>(image++), &coded);
      sum += coded(cv::Rect(cv::Point(kMargin, kMargin) - shift, inner));
    }
    means.push_back(sum / static_cast<double>(shifts_.size()));
  }
  cv::Mat merged;
  cv::merge(means, merged);
  return merged;
}

cv::Mat Denoiser::Denoise(const cv::Mat& image) {
  Require(
      !image.empty() && image.depth() == CV_32F && (image.channels() == 1 || image.channels() == 3),
      "a picture of {} channels and type {}: 1 or 3 channels of CV_32F expected", image.channels(),
      image.type());
  const cv::Size inner(std::min(RoundUp(image.cols, kStride), kTile),
                       std::min(RoundUp(image.rows, kStride), kTile));
  const bool colour = image.channels() == 3;
  cv::Mat decorrelated = image.clone();
  if (colour) cv::transform(image, decorrelated, ColourTransform());
  // To whole tiles, and a little more for the shifted grids.
  cv::Mat padded;
  cv::copyMakeBorder(decorrelated, padded, kMargin,
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
