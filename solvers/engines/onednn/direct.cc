#include "solvers/engines/onednn/direct.h"

#include <algorithm>
#include <map>
#include <utility>

namespace csc::onednn {

namespace {

// Rows whose sums, inputs and filters of one block fit the first-level cache
// where rows are short.
constexpr int64_t kBandRows = 4;

constexpr int64_t kMostTaps = 32;  // that are summed in registers at once

}  // namespace

bool Direct::Supports(const ConvolutionShape& s) {
  const Geometry& g = s.geometry;
  if (s.kind == ConvolutionKind::kFilterGradient || !VectorsHold(s.code_layout.block) ||
      g.strides != std::array<int64_t, 2>{1, 1}) {
    return false;
  }
  return g.kernel[0] * g.kernel[1] <= kMostTaps;
}

Direct::Direct(const ConvolutionShape& s) : BandedMap(s), kernel_(s.geometry.kernel) {
  MakeStretches();
}

void Direct::MakeStretches() {
  const int64_t width = out_shape_.width;
  const int64_t count = (width + MostDirectPixels() - 1) / MostDirectPixels();
  for (int64_t s = 0; s < count; ++s) {
    const int64_t begin = width * s / count, end = width * (s + 1) / count;
    std::map<std::pair<int64_t, int64_t>, std::vector<int64_t>> columns;
    for (int64_t j = 0; j < kernel_[1]; ++j) {
      const int64_t shift = j * dilations_[1] - pads_[1];
      const int64_t first = std::max(begin, -shift);
      const int64_t last = std::min(end, in_shape_.width - shift);
      if (first < last) columns[{first, last - first}].push_back(j);
    }
    for (auto& [pixels, of_filters] : columns) {
      stretches_.push_back({pixels.first, pixels.second, std::move(of_filters)});
    }
  }
}

int64_t Direct::num_bands() const { return (out_shape_.height + kBandRows - 1) / kBandRows; }

int64_t Direct::filter_floats() const { return kernel_[0] * kernel_[1] * inner_ * out_.lanes(); }

// [groups of kColumns blocks][input blocks][taps][channels][lanes of the group]
void Direct::PackFilters(const float* filters, float* packed) const {
  const int64_t taps = kernel_[0] * kernel_[1];
  const int64_t group_lanes = kColumns * out_.block;
  std::fill_n(packed, filter_floats(), 0.0f);
  std::vector<int64_t> block_of, first_of;  // by input channel
  for (size_t block = 0; block < channels_.size(); ++block) {
    const int64_t first = static_cast<int64_t>(block_of.size());
    block_of.insert(block_of.end(), channels_[block], static_cast<int64_t>(block));
    first_of.insert(first_of.end(), channels_[block], first);
  }
  ForEachFilter(taps, [&](int64_t filter, int64_t channel, int64_t lane) {
    const int64_t first_lane = lane / group_lanes * group_lanes;
    const int64_t lanes = std::min(group_lanes, out_.lanes() - first_lane);
    const int64_t first = first_of[channel];
    float* to = packed + taps * (inner_ * first_lane + first * lanes) + (channel - first) * lanes +
                lane - first_lane;
    for (int64_t tap = 0; tap < taps; ++tap) {
      to[tap * channels_[block_of[channel]] * lanes] =
          filters[filter + (synthesis_ ? taps - 1 - tap : tap)];
    }
  });
}

// Adds what one block of inputs gives to a row of `columns` blocks of results.
void Direct::RunRow(const float* image, int64_t row, int64_t block, const float* filters,
                    int columns, float* results) const {
  const int lanes = out_.block;
  const int64_t tap_floats = int64_t{channels_[block]} * columns * lanes;
  const int64_t pixels = in_shape_.height * in_shape_.width;
  for (const Stretch& stretch : stretches_) {
    DirectTap taps[kMostTaps];
    int num_taps = 0;
    for (int64_t i = 0; i < kernel_[0]; ++i) {
      const int64_t y = row + i * dilations_[0] - pads_[0];
      if (y < 0 || y >= in_shape_.height) continue;
      for (int64_t j : stretch.columns) {
        const int64_t x = stretch.first + j * dilations_[1] - pads_[1];
        taps[num_taps++] = {image + (block * pixels + y * in_shape_.width + x) * lanes,
                            filters + (i * kernel_[1] + j) * tap_floats};
      }
    }
    if (num_taps == 0) continue;
    AccumulateTaps(taps, num_taps, channels_[block], columns, lanes, stretch.count,
                   results + (row * out_shape_.width + stretch.first) * lanes,
                   out_shape_.height * out_shape_.width * lanes);
  }
}

void Direct::Run(Plane from, int64_t images, int64_t first_band, int64_t end_band,
                 const float* packed_filters, float scale, Plane to, float*,
                 const Finish& finish) const {
  const int64_t lanes = out_.block;
  const int64_t blocks = out_.lanes() / lanes;
  const int64_t plane = out_shape_.height * out_shape_.width * lanes;
  const int64_t taps = kernel_[0] * kernel_[1];
  for (int64_t image = 0; image < images; ++image) {
    for (int64_t band = first_band; band < end_band; ++band) {
      const int64_t first_row = band * kBandRows;
      const int64_t end_row = std::min(first_row + kBandRows, out_shape_.height);
      const int64_t row_floats = out_shape_.width * lanes;
      for (int64_t first = 0; first < blocks; first += kColumns) {
        const int columns = static_cast<int>(std::min<int64_t>(kColumns, blocks - first));
        float* results = to.image(image) + first * plane;
        const auto for_each_row = [&](const auto& body) {
          for (int column = 0; column < columns; ++column) {
            float* row = results + column * plane + first_row * row_floats;
            body(row, row + (end_row - first_row) * row_floats);
          }
        };
        for_each_row([](float* begin, float* end) { std::fill(begin, end, 0.0f); });
        const float* filters = packed_filters + taps * inner_ * first * lanes;
        for (size_t block = 0; block < channels_.size(); ++block) {
          for (int64_t row = first_row; row < end_row; ++row) {
            RunRow(from.image(image), row, static_cast<int64_t>(block), filters, columns, results);
          }
          filters += taps * channels_[block] * columns * lanes;
        }
        if (scale != 1) {
          for_each_row([scale](float* begin, float* end) {
            for (float* x = begin; x != end; ++x) *x *= scale;
          });
        }
      }
      finish(image, image + 1, first_row, end_row);
    }
  }
}

}  // namespace csc::onednn
