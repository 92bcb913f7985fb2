#include "samples/visualise/mosaic.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

namespace csc {

namespace {

constexpr int kBorder = 24;
constexpr int kLabelWidth = 170;
constexpr int kGap = 6;
constexpr int kHeader = 92;  // title, subtitle, column numbers
constexpr int kBarWidth = 14;
constexpr int kBarSpace = 96;
constexpr int kFont = cv::FONT_HERSHEY_SIMPLEX;
constexpr double kTitleSize = 0.65;
constexpr double kSubtitleSize = 0.45;
const cv::Scalar kPaper(255, 255, 255);
const cv::Scalar kInk(40, 40, 40);
const cv::Scalar kPale(120, 120, 120);

int TextWidth(const std::string& text, double size) {
  int baseline = 0;
  return cv::getTextSize(text, kFont, size, 1, &baseline).width;
}

// `at` is the left end of the baseline; `align` 0 left, 0.5 centred, 1 right.
void Text(cv::Mat* picture, const std::string& text, cv::Point at, double size,
          const cv::Scalar& colour, double align = 0) {
  at.x -= static_cast<int>(TextWidth(text, size) * align);
  cv::putText(*picture, text, at, kFont, size, colour, 1, cv::LINE_AA);
}

// Blue-green-red of colour maps with even steps of brightness, ends first.
cv::Vec3b Diverging(float v) {
  const cv::Vec3f blue(172, 102, 33), red(43, 24, 178), white(247, 247, 247);
  const cv::Vec3f end = v < 0 ? blue : red;
  // The square root shows small weights, which a straight scale would hide.
  const float t = std::sqrt(std::min(std::abs(v), 1.f));
  return white * (1 - t) + end * t;
}

cv::Mat Colour(const cv::Mat& plane, float scale, bool is_signed) {
  cv::Mat result(plane.size(), CV_8UC3);
  if (!is_signed) {
    cv::Mat bytes;
    plane.convertTo(bytes, CV_8U, scale > 0 ? 255 / scale : 0);
    cv::applyColorMap(bytes, result, cv::COLORMAP_INFERNO);
    return result;
  }
  for (int y = 0; y < plane.rows; ++y) {
    for (int x = 0; x < plane.cols; ++x) {
      result.at<cv::Vec3b>(y, x) = Diverging(scale > 0 ? plane.at<float>(y, x) / scale : 0);
    }
  }
  return result;
}

float LargestMagnitude(const MosaicRow& row) {
  double largest = 0;
  for (const cv::Mat& tile : row.tiles) {
    largest = std::max(largest, cv::norm(tile, cv::NORM_INF));
  }
  return static_cast<float>(largest);
}

// A bar beside a row, from the row's smallest colour to its largest.
void DrawBar(const cv::Rect& place, float scale, bool is_signed, cv::Mat* picture) {
  cv::Mat ramp(place.height, 1, CV_32F);
  for (int y = 0; y < place.height; ++y) {
    const float up = 1 - (y + 0.5f) / place.height;
    ramp.at<float>(y) = scale * (is_signed ? 2 * up - 1 : up);
  }
  cv::Mat bar;
  cv::resize(Colour(ramp, scale, is_signed), bar, place.size(), 0, 0, cv::INTER_NEAREST);
  bar.copyTo((*picture)(place));
  const int x = place.x + place.width + 6;
  Text(picture, fmt::format("{:.2g}", scale), {x, place.y + 12}, 0.38, kPale);
  Text(picture, is_signed ? fmt::format("{:.2g}", -scale) : "0", {x, place.y + place.height - 3},
       0.38, kPale);
}

}  // namespace

cv::Mat Draw(const Mosaic& mosaic) {
  size_t columns = 0;
  for (const MosaicRow& row : mosaic.rows) columns = std::max(columns, row.tiles.size());
  const int pitch = mosaic.tile_pixels + kGap;
  const int left = kBorder + kLabelWidth;
  const int right = left + static_cast<int>(columns) * pitch;
  const int title_width =
      std::max(TextWidth(mosaic.title, kTitleSize), TextWidth(mosaic.subtitle, kSubtitleSize));
  cv::Mat picture(kHeader + static_cast<int>(mosaic.rows.size()) * pitch + kBorder,
                  std::max(right + kBarSpace, title_width + 2 * kBorder), CV_8UC3, kPaper);

  Text(&picture, mosaic.title, {kBorder, 34}, kTitleSize, kInk);
  Text(&picture, mosaic.subtitle, {kBorder, 56}, kSubtitleSize, kPale);
  Text(&picture, mosaic.columns, {left - 14, kHeader - 10}, 0.42, kPale, 1);
  for (size_t c = 0; c < columns; ++c) {
    Text(&picture, fmt::format("{}", c + 1),
         {left + static_cast<int>(c) * pitch + mosaic.tile_pixels / 2, kHeader - 10}, 0.42, kPale,
         0.5);
  }
  int y = kHeader;
  for (const MosaicRow& row : mosaic.rows) {
    const int middle = y + mosaic.tile_pixels / 2;
    Text(&picture, row.title, {kBorder, middle - 2}, 0.5, kInk);
    Text(&picture, row.subtitle, {kBorder, middle + 15}, 0.38, kPale);
    const float scale = LargestMagnitude(row);
    int x = left;
    for (const cv::Mat& tile : row.tiles) {
      const cv::Rect place(x, y, mosaic.tile_pixels, mosaic.tile_pixels);
      cv::Mat enlarged;
      cv::resize(Colour(tile, scale, mosaic.is_signed), enlarged, place.size(), 0, 0,
                 cv::INTER_NEAREST);
      enlarged.copyTo(picture(place));
      cv::rectangle(picture, place, cv::Scalar(200, 200, 200));
      x += pitch;
    }
    DrawBar({right + 6, y, kBarWidth, mosaic.tile_pixels}, scale, mosaic.is_signed, &picture);
    y += pitch;
  }
  return picture;
}

}  // namespace csc
