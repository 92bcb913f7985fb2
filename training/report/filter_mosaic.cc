#include "training/report/filter_mosaic.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <opencv2/imgcodecs.hpp>

#include "solvers/error.h"

namespace csc {

namespace {

constexpr int kTilesInARow = 16;
constexpr int kTileRows = 8;
constexpr int kFilterRows = 12;
constexpr int kChannels = 32;

// Opaque; blue, green, red, alpha.
cv::Vec4b Opaque(float blue, float green, float red) {
  return {cv::saturate_cast<uchar>(blue), cv::saturate_cast<uchar>(green),
          cv::saturate_cast<uchar>(red), 255};
}

// Blue below zero, white at zero, red above, for values in -1..1.
cv::Vec4b Signed(float value) {
  const cv::Vec3f white(247, 247, 247);
  const cv::Vec3f end = value < 0 ? cv::Vec3f(172, 102, 33) : cv::Vec3f(43, 24, 178);
  const float t = std::min(std::abs(value), 1.0f);
  const cv::Vec3f colour = white * (1 - t) + end * t;
  return Opaque(colour[0], colour[1], colour[2]);
}

class Painter {
 public:
  Painter(const Tensor& filters, int columns, int rows)
      : filters_(filters),
        height_(static_cast<int>(filters.dims[2])),
        width_(static_cast<int>(filters.dims[3])),
        picture_(rows * (height_ + 1) - 1, columns * (width_ + 1) - 1, CV_8UC4,
                 cv::Scalar::all(0)) {}

  // Channel `channel` of filter k, or its three channels as red, green and
  // blue when that is -1.
  void Paint(int64_t k, int64_t channel, int column, int row) {
    const float largest = Largest(k);
    for (int y = 0; y < height_; ++y) {
      for (int x = 0; x < width_; ++x) {
        const auto value = [&](int64_t c) { return largest > 0 ? At(k, c, y, x) / largest : 0; };
        const auto grey = [&](int64_t c) { return 127.5f * (1 + value(c)); };
        picture_.at<cv::Vec4b>(row * (height_ + 1) + y, column * (width_ + 1) + x) =
            channel < 0 ? Opaque(grey(2), grey(1), grey(0)) : Signed(value(channel));
      }
    }
  }

  FilterMosaic Finish(const std::string& note) const {
    FilterMosaic mosaic = {{}, picture_.cols, picture_.rows, note};
    Require(cv::imencode(".png", picture_, mosaic.png), "filters cannot be encoded as PNG");
    return mosaic;
  }

 private:
  float At(int64_t k, int64_t c, int y, int x) const {
    return filters_.data[((k * filters_.dims[1] + c) * height_ + y) * width_ + x];
  }
  float Largest(int64_t k) const {
    const int64_t size = filters_.dims[1] * height_ * width_;
    float largest = 0;
    for (int64_t i = k * size; i < (k + 1) * size; ++i) {
      largest = std::max(largest, std::abs(filters_.data[i]));
    }
    return largest;
  }

  const Tensor& filters_;
  const int height_;
  const int width_;
  cv::Mat picture_;
};

std::string Sizes(const Dims& d) {
  return fmt::format("{} filters of {} × {} × {}", d[0], d[1], d[2], d[3]);
}

}  // namespace

FilterMosaic DrawFilters(const Tensor& filters) {
  const Dims& d = filters.dims;
  if (d[1] == 1 || d[1] == 3) {
    const int shown = static_cast<int>(std::min<int64_t>(d[0], kTilesInARow * kTileRows));
    const int columns = std::min(shown, kTilesInARow);
    Painter painter(filters, columns, (shown + columns - 1) / columns);
    for (int k = 0; k < shown; ++k) {
      painter.Paint(k, d[1] == 3 ? -1 : 0, k % columns, k / columns);
    }
    std::string note = Sizes(d);
    if (shown < d[0]) note += fmt::format("; the first {}", shown);
    return painter.Finish(note + (d[1] == 3 ? "; grey is zero" : ""));
  }
  const int rows = static_cast<int>(std::min<int64_t>(d[0], kFilterRows));
  const int columns = static_cast<int>(std::min<int64_t>(d[1], kChannels));
  Painter painter(filters, columns, rows);
  for (int k = 0; k < rows; ++k) {
    for (int c = 0; c < columns; ++c) painter.Paint(k, c, c, k);
  }
  std::string note = Sizes(d) + "; a row for each filter, a column for each channel";
  if (rows < d[0] || columns < d[1]) {
    note += fmt::format(", the first {} × {}", rows, columns);
  }
  return painter.Finish(note);
}

std::vector<NamedFilters> FiltersOf(const Network& network) {
  std::vector<NamedFilters> list;
  size_t first = 0;
  for (size_t l = 0; l < network.layers.size(); ++l) {
    const LayerSpec& layer = network.layers[l];
    const std::vector<std::string> names = ParameterNames(layer);
    for (int i = 0; i < layer.num_parameters; ++i) {
      if (names[i][0] != 'F') continue;
      list.push_back({fmt::format("layer {}, {}: {}", l, layer.op, names[i]),
                      &network.parameters.at(first + i)});
    }
    first += layer.num_parameters;
  }
  return list;
}

}  // namespace csc
