#include "training/report/filter_mosaic.h"

#include <fmt/format.h>
#include <png.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "solvers/error.h"

namespace csc {

namespace {

constexpr int kTilesInARow = 16;
constexpr int kTileRows = 8;
constexpr int kFilterRows = 12;
constexpr int kChannels = 32;

using Pixel = std::array<uint8_t, 4>;  // red, green, blue, opacity
using Colour = std::array<float, 3>;

Pixel Opaque(const Colour& colour) {
  const auto byte = [](float value) {
    return static_cast<uint8_t>(std::lround(std::clamp(value, 0.0f, 255.0f)));
  };
  return {byte(colour[0]), byte(colour[1]), byte(colour[2]), 255};
}

// Blue below zero, white at zero, red above, for values in -1..1.
Pixel Signed(float value) {
  constexpr float kWhite = 247;
  const Colour end = value < 0 ? Colour{33, 102, 172} : Colour{178, 24, 43};
  const float t = std::min(std::abs(value), 1.0f);
  const auto mixed = [&](float channel) { return kWhite * (1 - t) + channel * t; };
  return Opaque({mixed(end[0]), mixed(end[1]), mixed(end[2])});
}

class Painter {
 public:
  Painter(const Tensor& filters, int columns, int rows)
      : filters_(filters),
        height_(static_cast<int>(filters.dims[2])),
        width_(static_cast<int>(filters.dims[3])),
        rows_(rows * (height_ + 1) - 1),
        columns_(columns * (width_ + 1) - 1),
        picture_(size_t{1} * rows_ * columns_) {}

  // Channel `channel` of filter k, or its three channels as red, green and
  // blue when that is -1.
  void Paint(int64_t k, int64_t channel, int column, int row) {
    const float largest = Largest(k);
    for (int y = 0; y < height_; ++y) {
      for (int x = 0; x < width_; ++x) {
        const auto value = [&](int64_t c) { return largest > 0 ? At(k, c, y, x) / largest : 0; };
        const auto grey = [&](int64_t c) { return 127.5f * (1 + value(c)); };
        picture_[size_t{1} * (row * (height_ + 1) + y) * columns_ + column * (width_ + 1) + x] =
            channel < 0 ? Opaque({grey(0), grey(1), grey(2)}) : Signed(value(channel));
      }
    }
  }

  FilterMosaic Finish(const std::string& note) const {
    png_image image = {};
    image.version = PNG_IMAGE_VERSION;
    image.width = columns_;
    image.height = rows_;
    image.format = PNG_FORMAT_RGBA;
    FilterMosaic mosaic = {{}, columns_, rows_, note};
    // Once to count the bytes, once to write them.
    png_alloc_size_t size = 0;
    const auto write = [&](void* memory) {
      Require(png_image_write_to_memory(&image, memory, &size, /*convert_to_8_bit=*/0,
                                        picture_.data(), /*row_stride=*/0, nullptr) != 0,
              "filters cannot be encoded as PNG: {}", image.message);
    };
    write(nullptr);
    mosaic.png.resize(size);
    write(mosaic.png.data());
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
  const int rows_;  // of pixels
  const int columns_;
  std::vector<Pixel> picture_;  // transparent where nothing is painted
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
