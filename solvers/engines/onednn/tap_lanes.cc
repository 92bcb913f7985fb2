#include "solvers/engines/onednn/tap_lanes.h"

#include <algorithm>
#include <utility>

namespace csc::onednn {

namespace {

// Rows of results between which rows of products may be dropped.
constexpr int64_t kStepRows = 4;

int64_t Lanes(const DirectGeometry& g, int64_t results) {
  return (g.taps() * results + g.block - 1) / g.block * g.block;
}

}  // namespace

bool TapLanes::Pays(const DirectGeometry& g, int64_t results) {
  return 2 * Lanes(g, results) <= g.taps() * g.block;
}

TapLanes::TapLanes(const DirectGeometry& geometry, std::vector<int> channels, int64_t results)
    : geometry_(geometry),
      channels_(std::move(channels)),
      results_(results),
      lanes_(Lanes(geometry, results)),
      kept_rows_(kStepRows + (geometry.kernel[0] - 1) * geometry.dilations[0]) {
  for (int count : channels_) inner_ += count;
  const DirectGeometry& g = geometry_;
  for (int64_t column = 0; column < g.out.width; ++column) {
    int64_t first = 0, end = g.kernel[1];
    const auto input = [&](int64_t tap) { return column + tap * g.dilations[1] - g.pads[1]; };
    while (first < end && input(first) < 0) ++first;
    while (end > first && input(end - 1) >= g.in.width) --end;
    first_column_.push_back(static_cast<int32_t>(first));
    end_column_.push_back(static_cast<int32_t>(end));
  }
}

int64_t TapLanes::scratch_floats() const {
  return kept_rows_ * geometry_.in.width * lanes_ + geometry_.block;  // read past the last tap
}

double TapLanes::products() const {
  return static_cast<double>(geometry_.in.height * geometry_.in.width * inner_ * lanes_);
}

// [groups of kMostDirectColumns blocks of lanes][channels][lanes of the group]
int64_t TapLanes::FilterOffset(int64_t channel, int64_t result, int64_t tap) const {
  const int64_t lane = tap * results_ + result;
  const int64_t group_lanes = kMostDirectColumns * geometry_.block;
  const int64_t first = lane / group_lanes * group_lanes;
  return first * inner_ + channel * std::min(group_lanes, lanes_ - first) + lane - first;
}

int64_t TapLanes::FirstInput(int64_t row) const {
  return std::max<int64_t>(0, row - geometry_.pads[0]);
}

int64_t TapLanes::EndInput(int64_t row) const {
  const int64_t reach = (geometry_.kernel[0] - 1) * geometry_.dilations[0] - geometry_.pads[0];
  return std::clamp<int64_t>(row + reach, 0, geometry_.in.height);
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
  const DirectGeometry& g = geometry_;
  const int64_t width = g.in.width;
  int64_t places[kMostTilePixels], targets[kMostTilePixels];
  DirectTap tap{};
  DirectSums sums{};
  sums.places = places;
  sums.taps = &tap;
  sums.num_taps = 1;
  sums.inputs = image;
  sums.input_stride = g.in.height * width * g.block;
  sums.channels = channels_.data();
  sums.blocks = static_cast<int64_t>(channels_.size());
  sums.filter_taps = 1;
  sums.scale = 1;
  sums.targets = targets;
  sums.column_stride = g.block;
  int64_t row = first_row, column = 0;
  while (row < end_row) {
    int pixels = 0;
    for (; pixels < MostDirectPixels() && row < end_row; ++pixels) {
      places[pixels] = (row * width + column) * g.block;
      targets[pixels] = (row % kept_rows_ * width + column) * lanes_;
      if (++column == width) {
        column = 0;
        ++row;
      }
    }
    tap.pixels = (uint32_t{1} << pixels) - 1;
    for (int64_t lane = 0; lane < lanes_; lane += kMostDirectColumns * g.block) {
      const int columns =
          static_cast<int>(std::min<int64_t>(kMostDirectColumns, (lanes_ - lane) / g.block));
      sums.filters = sums.ahead = filters + lane * inner_;
      sums.results = scratch + lane;
      SumTaps(sums, pixels, columns, g.block);
    }
  }
}

void TapLanes::AddTaps(int64_t row, float scale, float* results, const float* scratch) const {
  const DirectGeometry& g = geometry_;
  const float* taps[kMostDirectTaps];  // tap 0 of the filter's rows that find inputs
  int rows = 0;
  for (int64_t i = 0; i < g.kernel[0]; ++i) {
    const int64_t y = row + i * g.dilations[0] - g.pads[0];
    if (y < 0 || y >= g.in.height) continue;
    taps[rows++] =
        scratch + (y % kept_rows_ * g.in.width - g.pads[1]) * lanes_ + i * g.kernel[1] * results_;
  }
  DirectGather gather{};
  gather.rows = taps;
  gather.num_rows = rows;
  gather.first_column = first_column_.data();
  gather.end_column = end_column_.data();
  gather.pixel_stride = lanes_;
  gather.column_stride = g.dilations[1] * lanes_ + results_;
  gather.channels = static_cast<int>(results_);
  gather.scale = scale;
  gather.results = results + row * g.out.width * g.block;
  GatherTaps(gather, g.out.width, g.block);
}

}  // namespace csc::onednn
