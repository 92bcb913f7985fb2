#include "solvers/engines/onednn/banded_map.h"

#include <algorithm>

namespace csc::onednn {

namespace {

// Images of up to so many pixels are read sooner than their filters.
constexpr int64_t kFewPixels = 256, kFewestPixels = 64;
// Groups whose sizes, the last one's aside, are even enough for a few workers.
constexpr int64_t kManyGroups = 4;

}  // namespace

BandedMap::BandedMap(const ConvolutionShape& s)
    : synthesis_(s.kind == ConvolutionKind::kSynthesis),
      in_(synthesis_ ? s.code_layout : s.image_layout),
      out_(synthesis_ ? s.image_layout : s.code_layout),
      in_shape_(synthesis_ ? s.code : s.image),
      out_shape_(synthesis_ ? s.image : s.code),
      kernel_(s.geometry.kernel),
      dilations_(s.geometry.dilations) {
  for (int axis : {0, 1}) {
    const int64_t pad = s.geometry.pads[axis];
    pads_[axis] = synthesis_ ? s.geometry.Extent(axis) - 1 - pad : pad;
  }
  channels_ = ChannelsOfBlocks(in_);
  inner_ = in_.channels();
}

bool BandedMap::SharesGroups() const {
  const int64_t pixels = out_shape_.height * out_shape_.width;
  return (pixels <= kFewPixels && num_groups() >= kManyGroups) ||
         (pixels <= kFewestPixels && num_groups() > 1);
}

MapPart BandedMap::PartOf(int64_t part, int64_t parts) const {
  MapPart some = whole();
  int64_t& first = SharesGroups() ? some.first_group : some.first_band;
  int64_t& end = SharesGroups() ? some.end_group : some.end_band;
  first = most_parts() * part / parts;
  end = most_parts() * (part + 1) / parts;
  return some;
}

std::vector<int> BandedMap::ChannelsOfBlocks(const Layout& layout) {
  std::vector<int> channels;
  for (int64_t segment : layout.segments) {
    for (int64_t first = 0; first < segment; first += layout.block) {
      channels.push_back(static_cast<int>(std::min<int64_t>(layout.block, segment - first)));
    }
  }
  return channels;
}

double BandedMap::TapsInside() const {
  const auto along = [&](int axis, int64_t in, int64_t out) {
    int64_t taps = 0;
    for (int64_t k = 0; k < kernel_[axis]; ++k) {
      const int64_t shift = pads_[axis] - k * dilations_[axis];
      const int64_t first = std::max<int64_t>(0, shift);
      const int64_t end = std::min(out, in + shift);
      taps += std::max<int64_t>(0, end - first);
    }
    return static_cast<double>(taps);
  };
  return along(0, in_shape_.height, out_shape_.height) *
         along(1, in_shape_.width, out_shape_.width);
}

}  // namespace csc::onednn
