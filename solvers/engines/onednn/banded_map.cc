#include "solvers/engines/onednn/banded_map.h"

#include <algorithm>

namespace csc::onednn {

namespace {

// Images of up to so many pixels are read sooner than their filters.
constexpr int64_t kFewPixels = 256, kFewestPixels = 64;
// Groups whose sizes, the last one's aside, are even enough for a few workers.
constexpr int64_t kManyGroups = 4;

}  // namespace

MapGeometry GeometryOf(const ConvolutionShape& s) {
  const Geometry& g = s.geometry;
  const bool synthesis = s.kind == ConvolutionKind::kSynthesis;
  MapGeometry map{synthesis ? s.code : s.image, synthesis ? s.image : s.code, g.kernel,
                  g.dilations};
  for (int axis : {0, 1}) {
    map.pads[axis] = synthesis ? g.Extent(axis) - 1 - g.pads[axis] : g.pads[axis];
  }
  (synthesis ? map.spacings : map.strides) = g.strides;
  return map;
}

BandedMap::BandedMap(const ConvolutionShape& s)
    : synthesis_(s.kind == ConvolutionKind::kSynthesis),
      in_(synthesis_ ? s.code_layout : s.image_layout),
      out_(synthesis_ ? s.image_layout : s.code_layout),
      geometry_(GeometryOf(s)),
      channels_(ChannelsOfBlocks(in_)),
      inner_(in_.channels()) {}

bool BandedMap::SharesGroups() const {
  const int64_t pixels = geometry_.out.height * geometry_.out.width;
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

std::vector<int> ChannelsOfBlocks(const Layout& layout) {
  std::vector<int> channels;
  for (int64_t segment : layout.segments) {
    for (int64_t first = 0; first < segment; first += layout.block) {
      channels.push_back(static_cast<int>(std::min<int64_t>(layout.block, segment - first)));
    }
  }
  return channels;
}

}  // namespace csc::onednn
