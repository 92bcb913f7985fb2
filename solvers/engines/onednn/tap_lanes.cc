#include "solvers/engines/onednn/tap_lanes.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace csc::onednn {

namespace {

// Rows of results between which rows of products may be dropped.
constexpr int64_t kStepRows = 4;

int64_t Lanes(const MapGeometry& g, int block, int64_t results) {
  return CeilDiv(g.taps() * results, block) * block;
}

}  // namespace

bool TapLanes::Pays(const MapGeometry& g, int block, int64_t results) {
  // A result of a phase finds one tap of so many.
  const int64_t phases = g.spacings[0] * g.spacings[1];
  return 2 * phases * g.in.height * g.in.width * Lanes(g, block, results) <=
         g.out.height * g.out.width * g.taps() * block;
}

TapLanes::TapLanes(const MapGeometry& geometry, int block, std::vector<int> channels,
                   int64_t results)
    : geometry_(geometry),
      block_(block),
      channels_(std::move(channels)),
      results_(results),
      lanes_(Lanes(geometry, block, results)),
      kept_rows_(((kStepRows - 1) * geometry.strides[0] +
                  (geometry.kernel[0] - 1) * geometry.dilations[0]) /
                     geometry.spacings[0] +
                 1) {
  for (int count : channels_) inner_ += count;
  const MapGeometry& g = geometry_;
  for (int64_t column = 0; column < g.out.width; ++column) {
    int32_t first = 0, count = 0;
    for (int64_t tap = 0; tap < g.kernel[1]; ++tap) {
      const int64_t input = g.InputOf(1, column, tap);
      if (input >= 0 && count++ == 0) first = static_cast<int32_t>(input * lanes_ + tap * results_);
    }
    first_products_.push_back(first);
    columns_.push_back(count);
  }
}

int64_t TapLanes::scratch_floats() const {
  return kept_rows_ * geometry_.in.width * lanes_ + block_;  // read past the last tap
}

double TapLanes::products() const {
  return static_cast<double>(geometry_.in.height * geometry_.in.width * inner_ * lanes_);
}

// [groups of kMostDirectColumns blocks of lanes][channels][lanes of the group]
int64_t TapLanes::FilterOffset(int64_t channel, int64_t result, int64_t tap) const {
  const int64_t lane = tap * results_ + result;
  const int64_t group_lanes = kMostDirectColumns * block_;
  const int64_t first = lane / group_lanes * group_lanes;
  return first * inner_ + channel * std::min(group_lanes, lanes_ - first) + lane - first;
}

int64_t TapLanes::FirstInput(int64_t row) const {
  return std::max<int64_t>(
      0, CeilDiv(row * geometry_.strides[0] - geometry_.pads[0], geometry_.spacings[0]));
}

int64_t TapLanes::EndInput(int64_t row) const {
  const MapGeometry& g = geometry_;
  const int64_t last = (row - 1) * g.strides[0] - g.pads[0] + (g.kernel[0] - 1) * g.dilations[0];
  return std::clamp<int64_t>(FloorDiv(last, g.spacings[0]) + 1, 0, g.in.height);
}

void TapLanes::Run(const float* image, int64_t first_row, int64_t end_row, bool continues,
                   const float* packed_filters, float scale, float* results, float* scratch) const {
  int64_t multiplied = continues ? EndInput(first_row) : 0;
  for (int64_t row = first_row; row < end_row; row += kStepRows) {
    const int64_t next = std::min(row + kStepRows, end_row);
    const int64_t first = std::max(multiplied, FirstInput(row));
    Multiply(image, first, EndInput(next), packed_filters, scratch);
    multiplied = std::max(first, EndInput(next));
    for (int64_t y = row; y < next; ++y) AddTaps(y, scale, results, scratch);
  }
}

// Products of rows of the input, each in its place among the rows kept.
void TapLanes::Multiply(const float* image, int64_t first_row, int64_t end_row,
                        const float* filters, float* scratch) const {
  const MapGeometry& g = geometry_;
  const int64_t width = g.in.width;
  int64_t places[kMostTilePixels], targets[kMostTilePixels];
  DirectTap tap{};
  DirectSums sums{};
  sums.places = places;
  sums.taps = &tap;
  sums.num_taps = 1;
  sums.inputs = image;
  sums.input_stride = g.in.height * width * block_;
  sums.channels = channels_.data();
  sums.blocks = static_cast<int64_t>(channels_.size());
  sums.filter_taps = 1;
  sums.scale = 1;
  sums.targets = targets;
  sums.column_stride = block_;
  int64_t row = first_row, column = 0;
  while (row < end_row) {
    int pixels = 0;
    for (; pixels < MostDirectPixels() && row < end_row; ++pixels) {
      places[pixels] = (row * width + column) * block_;
      targets[pixels] = (row % kept_rows_ * width + column) * lanes_;
      if (++column == width) {
        column = 0;
        ++row;
      }
    }
    tap.pixels = (uint32_t{1} << pixels) - 1;
    for (int64_t lane = 0; lane < lanes_; lane += kMostDirectColumns * block_) {
      const int columns =
          static_cast<int>(std::min<int64_t>(kMostDirectColumns, (lanes_ - lane) / block_));
      sums.filters = sums.ahead = filters + lane * inner_;
      sums.results = scratch + lane;
      SumTaps(sums, pixels, columns, block_);
    }
  }
}

void TapLanes::AddTaps(int64_t row, float scale, float* results, const float* scratch) const {
  const MapGeometry& g = geometry_;
  const float* taps[kMostDirectTaps];  // tap 0 of the filter's rows that find inputs
  int rows = 0;
  for (int64_t i = 0; i < g.kernel[0]; ++i) {
    const int64_t y = g.InputOf(0, row, i);
    if (y < 0) continue;
    taps[rows++] = scratch + y % kept_rows_ * g.in.width * lanes_ + i * g.kernel[1] * results_;
  }
  DirectGather gather{};
  gather.rows = taps;
  gather.num_rows = rows;
  gather.first_products = first_products_.data();
  gather.columns = columns_.data();
  // The columns of a phase.
  const int64_t step = g.spacings[1] / std::gcd(g.spacings[1], g.dilations[1]);
  gather.column_stride = step * g.dilations[1] / g.spacings[1] * lanes_ + step * results_;
  gather.channels = static_cast<int>(results_);
  gather.scale = scale;
  gather.results = results + row * g.out.width * block_;
  GatherTaps(gather, g.out.width, block_);
}

}  // namespace csc::onednn
