#include "solvers/engines/onednn/winograd.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "solvers/engines/onednn/direct_kernels.h"

namespace csc::onednn {

namespace {

// Tiles of a panel: enough to read the filters seldom, few enough for the
// transformed inputs to stay in the second-level cache.
constexpr int64_t kPanelTiles = 32;

constexpr int kTaps = kWinogradTaps;

constexpr int kMostLanes = 16;  // of a block

// Blocks of results that are computed together. A map of two blocks of a small image
// leaves one to each of two workers, who read half of the filters each.
int ColumnsFor(const ConvolutionShape& s) {
  constexpr int kMostColumns = 2;
  constexpr int64_t kFewPixels = 64;
  const bool analysis = s.kind == ConvolutionKind::kAnalysis;
  const bool few = analysis && s.code.height * s.code.width <= kFewPixels &&
                   s.code_layout.lanes() == kMostColumns * s.code_layout.block;
  return few ? 1 : kMostColumns;
}

}  // namespace

bool Winograd::Supports(const ConvolutionShape& s) {
  const Geometry& g = s.geometry;
  return g.kernel == std::array<int64_t, 2>{kTaps, kTaps} &&
         g.strides == std::array<int64_t, 2>{1, 1} && VectorsHold(s.code_layout.block);
}

Winograd::Winograd(const ConvolutionShape& s) : BandedMap(s), columns_(ColumnsFor(s)) {
  MakeTiles();
}

void Winograd::MakeTiles() {
  const auto [dh, dw] = std::pair(geometry_.dilations[0], geometry_.dilations[1]);
  const int64_t height = geometry_.out.height, width = geometry_.out.width;
  for (int64_t first_row = 0; first_row < height; first_row += kWinogradResults * dh) {
    for (int64_t row = first_row; row < std::min(first_row + dh, height); ++row, ++num_bands_) {
      for (int64_t phase = 0; phase < std::min(dw, width); ++phase) {
        for (int64_t column = phase; column < width; column += kWinogradResults * dw) {
          tiles_.push_back({0, static_cast<int32_t>(row), static_cast<int32_t>(column)});
        }
      }
    }
  }
  const int64_t tiles = static_cast<int64_t>(tiles_.size());
  band_tiles_ = tiles / num_bands_;
  panel_images_ = std::max<int64_t>(1, kPanelTiles / tiles);
  for (int64_t image = 1; image < panel_images_; ++image) {
    for (int64_t t = 0; t < tiles; ++t) {
      tiles_.push_back({static_cast<int32_t>(image), tiles_[t].row, tiles_[t].column});
    }
  }
}

int64_t Winograd::num_groups() const { return CeilDiv(out_.lanes(), columns_ * out_.block); }

std::string Winograd::Describe() const {
  return fmt::format("winograd 4x4 ({:.0f} % of the products)", 100 * RelativeCost());
}

double Winograd::products() const {
  return static_cast<double>(ImageTiles() * kWinogradPoints * inner_ * out_.lanes());
}

double Winograd::RelativeCost() const {
  const double taps = geometry_.TapsInside();
  return taps == 0 ? 1e9 : ImageTiles() * kWinogradPoints / taps;
}

// A lone image reads a few times as many filters as a direct map, which at four tiles an image
// costs about what the multiplications save, and which a second-level cache holds up to here.
bool Winograd::IsBoundByFilters() const {
  constexpr int64_t kFewTiles = 4, kManyFilters = 512 * 1024;
  return ImageTiles() < kFewTiles && filter_floats() > kManyFilters;
}

int64_t Winograd::filter_floats() const { return kWinogradPoints * inner_ * out_.lanes(); }

int64_t Winograd::PanelFloats(int64_t images, int64_t lanes, int64_t more_lanes) const {
  const int64_t tiles = std::min(kPanelTiles, images * ImageTiles());
  return kWinogradPoints *
         (WinogradPointStride(tiles, lanes) + WinogradPointStride(tiles, more_lanes));
}

int64_t Winograd::scratch_floats(int64_t images) const {
  return PanelFloats(images, in_.lanes(), columns_ * out_.block);
}

int64_t Winograd::gradient_scratch_floats(int64_t images) const {
  return PanelFloats(images, in_.lanes(), out_.lanes());
}

int64_t Winograd::PackedStride(int64_t lane) const {
  const int64_t group = lane / out_.block / columns_;
  const int64_t blocks = out_.lanes() / out_.block;
  const int64_t columns = std::min<int64_t>(columns_, blocks - group * columns_);
  return inner_ * columns * out_.block;
}

int64_t Winograd::PackedOffset(int64_t channel, int64_t lane) const {
  const int64_t group_lanes = columns_ * out_.block;
  const int64_t first_lane = lane / group_lanes * group_lanes;
  return kWinogradPoints * inner_ * first_lane + PackedStride(lane) / inner_ * channel + lane -
         first_lane;
}

template <typename Body>
void Winograd::ForEachFilterBlock(const Body& body) const {
  const int64_t outer = out_.channels();
  std::vector<int64_t> channel_of_lane(out_.lanes(), -1);
  const std::vector<int64_t> lanes = out_.LaneOfChannel();
  for (int64_t k = 0; k < outer; ++k) channel_of_lane[lanes[k]] = k;
  std::vector<int64_t> filters(out_.block);
  for (int64_t channel = 0; channel < inner_; ++channel) {
    for (int64_t lane = 0; lane < out_.lanes(); lane += out_.block) {
      for (int l = 0; l < out_.block; ++l) {
        const int64_t k = channel_of_lane[lane + l];
        filters[l] = k < 0 ? -1 : (synthesis_ ? channel * outer + k : k * inner_ + channel);
      }
      body(filters, channel, lane);
    }
  }
}

void Winograd::PackFilters(const float* filters, float* packed) const {
  constexpr int kAllTaps = kTaps * kTaps;
  ForEachFilterBlock([&](const std::vector<int64_t>& of_lane, int64_t channel, int64_t lane) {
    float taps[kAllTaps * kMostLanes] = {};
    for (int l = 0; l < out_.block; ++l) {
      if (of_lane[l] < 0) continue;
      const float* filter = filters + of_lane[l] * kAllTaps;
      for (int t = 0; t < kAllTaps; ++t) {
        taps[t * out_.block + l] = filter[synthesis_ ? kAllTaps - 1 - t : t];
      }
    }
    TransformFilters(taps, out_.block, packed + PackedOffset(channel, lane), PackedStride(lane));
  });
}

void Winograd::RunPanel(const WinogradPanel& panel, const MapPart& part, const WinogradPlane& from,
                        const float* packed_filters, float scale, const WinogradPlane& to,
                        float* scratch) const {
  const int64_t blocks = out_.lanes() / out_.block;
  float* products = scratch + kWinogradPoints * WinogradPointStride(panel.num_tiles, in_.lanes());
  TransformInputs(panel, from, in_.lanes() / in_.block, scratch);
  for (int64_t group = part.first_group; group < part.end_group; ++group) {
    const int64_t first = group * columns_;
    const int columns = static_cast<int>(std::min<int64_t>(columns_, blocks - first));
    MultiplyTiles(panel, scratch, channels_, packed_filters + PackedOffset(0, first * out_.block),
                  columns, products);
    TransformProducts(panel, products, first, columns, scale, to);
  }
}

template <typename Body>
void Winograd::ForEachRowRange(int64_t first_band, int64_t end_band, const Body& body) const {
  const int64_t height = geometry_.out.height, d = geometry_.dilations[0];
  int64_t first = 0, end = 0;  // rows that follow each other, not passed on yet
  const auto add = [&](int64_t first_row, int64_t end_row) {
    if (first_row != end) {
      if (end > first) body(first, end);
      first = first_row;
    }
    end = end_row;
  };
  int64_t next;
  for (int64_t band = first_band; band < end_band; band = next) {
    next = std::min(end_band, (band / d + 1) * d);  // those of the same 4 * d rows
    const int64_t row = band / d * d * kWinogradResults + band % d;
    for (int64_t i = 0; i < kWinogradResults && row + i * d < height; ++i) {
      add(row + i * d, std::min(row + i * d + next - band, height));
    }
  }
  if (end > first) body(first, end);
}

void Winograd::Run(Plane from, int64_t images, const MapPart& part, const MapFilters& filters,
                   float scale, Plane to, float* scratch, const Finish& finish) const {
  WinogradPlane in{from, geometry_.in.height, geometry_.in.width, -geometry_.pads[0],
                   -geometry_.pads[1]};
  WinogradPlane out{to, geometry_.out.height, geometry_.out.width};
  WinogradPanel panel;
  panel.dilations = geometry_.dilations;
  panel.block = out_.block;
  const auto run = [&](int64_t image, int64_t first, int64_t end) {
    in.plane.data = from.image(image);
    out.plane.data = to.image(image);
    const int64_t panels = CeilDiv(end - first, kPanelTiles);
    for (int64_t p = 0; p < panels; ++p) {
      const int64_t begin = first + (end - first) * p / panels;
      panel.tiles = tiles_.data() + begin;
      panel.num_tiles = first + (end - first) * (p + 1) / panels - begin;
      RunPanel(panel, part, in, filters.packed, scale, out, scratch);
    }
  };
  const int64_t group_lanes = columns_ * out_.block;
  ElementRange done;
  done.first_lane = part.first_group * group_lanes;
  done.end_lane = std::min(part.end_group * group_lanes, out_.lanes());
  if (part.first_band == 0 && part.end_band == num_bands() && panel_images_ > 1) {
    done.end_pixel = geometry_.out.height * geometry_.out.width;
    for (int64_t image = 0; image < images; image += panel_images_) {
      done.first_image = image;
      done.end_image = std::min(image + panel_images_, images);
      run(image, 0, (done.end_image - image) * ImageTiles());
      finish(done);
    }
    return;
  }
  for (int64_t image = 0; image < images; ++image) {
    done.first_image = image;
    done.end_image = image + 1;
    // Panels of even size.
    const int64_t bands = part.end_band - part.first_band;
    const int64_t panels = CeilDiv(bands, std::max<int64_t>(1, kPanelTiles / band_tiles_));
    for (int64_t p = 0; p < panels; ++p) {
      const int64_t first = part.first_band + bands * p / panels;
      const int64_t end = part.first_band + bands * (p + 1) / panels;
      run(image, first * band_tiles_, end * band_tiles_);
      ForEachRowRange(first, end, [&](int64_t first_row, int64_t end_row) {
        done.first_pixel = first_row * geometry_.out.width;
        done.end_pixel = end_row * geometry_.out.width;
        finish(done);
      });
    }
  }
}

void Winograd::Accumulate(Plane image, Plane code, int64_t images, float scale, float* transformed,
                          float* scratch) const {
  WinogradPlane in{image, geometry_.in.height, geometry_.in.width, -geometry_.pads[0],
                   -geometry_.pads[1]};
  WinogradPlane out{code, geometry_.out.height, geometry_.out.width};
  WinogradPanel panel;
  panel.dilations = geometry_.dilations;
  panel.block = out_.block;
  const int64_t blocks = out_.lanes() / out_.block;
  for (int64_t first_image = 0; first_image < images; first_image += panel_images_) {
    const int64_t tiles = std::min(panel_images_, images - first_image) * ImageTiles();
    in.plane.data = image.image(first_image);
    out.plane.data = code.image(first_image);
    const int64_t panels = CeilDiv(tiles, kPanelTiles);
    for (int64_t p = 0; p < panels; ++p) {
      const int64_t begin = tiles * p / panels;
      panel.tiles = tiles_.data() + begin;
      panel.num_tiles = tiles * (p + 1) / panels - begin;
      float* gradients =
          scratch + kWinogradPoints * WinogradPointStride(panel.num_tiles, in_.lanes());
      TransformInputs(panel, in, in_.lanes() / in_.block, scratch);
      TransformGradients(panel, out, blocks, scale, gradients);
      for (int64_t first = 0; first < blocks; first += columns_) {
        const int columns = static_cast<int>(std::min<int64_t>(columns_, blocks - first));
        AccumulateTiles(panel, scratch, channels_, gradients, first, columns, blocks,
                        transformed + PackedOffset(0, first * out_.block));
      }
    }
  }
}

void Winograd::AddGradient(const float* transformed, float* gradient) const {
  constexpr int kAllTaps = kTaps * kTaps;
  ForEachFilterBlock([&](const std::vector<int64_t>& of_lane, int64_t channel, int64_t lane) {
    float taps[kAllTaps * kMostLanes];
    TransformFilterGradients(transformed + PackedOffset(channel, lane), PackedStride(lane),
                             out_.block, taps);
    for (int l = 0; l < out_.block; ++l) {
      if (of_lane[l] < 0) continue;
      float* filter = gradient + of_lane[l] * kAllTaps;
      for (int t = 0; t < kAllTaps; ++t) filter[t] += taps[t * out_.block + l];
    }
  });
}

}  // namespace csc::onednn
