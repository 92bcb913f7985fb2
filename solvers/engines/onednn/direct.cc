#include "solvers/engines/onednn/direct.h"

#include <algorithm>

namespace csc::onednn {

bool Direct::Supports(const ConvolutionShape& s) {
  const Geometry& g = s.geometry;
  return s.kind != ConvolutionKind::kFilterGradient && VectorsHold(s.code_layout.block) &&
         g.strides == std::array<int64_t, 2>{1, 1} && g.kernel[0] * g.kernel[1] <= kMostDirectTaps;
}

Direct::Direct(const ConvolutionShape& s)
    : BandedMap(s),
      geometry_{in_shape_, out_shape_, kernel_, dilations_, pads_, out_.block},
      tiling_(geometry_) {}

// [groups of kColumns blocks][input blocks][taps][channels][lanes of the group]
void Direct::PackFilters(const float* filters, float* packed) const {
  const int64_t taps = geometry_.taps();
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

void Direct::RunTiles(const DirectTiles& tiles, Plane from, int64_t first, int columns,
                      const float* packed_filters, float scale, Plane to) const {
  const int64_t lanes = out_.block;
  int64_t places[kMostTilePixels], targets[kMostTilePixels];
  DirectSums sums{};
  sums.places = places;
  sums.inputs = from.data;
  sums.input_stride = in_shape_.height * in_shape_.width * lanes;
  sums.channels = channels_.data();
  sums.blocks = static_cast<int64_t>(channels_.size());
  sums.filter_taps = static_cast<int>(geometry_.taps());
  sums.filters = packed_filters + sums.filter_taps * inner_ * first * lanes;
  sums.scale = scale;
  sums.targets = targets;
  sums.column_stride = out_shape_.height * out_shape_.width * lanes;
  sums.results = to.data + first * sums.column_stride;
  for (const DirectTile& tile : tiles) {
    const int pixels = static_cast<int>(tile.pixels.size());
    for (int p = 0; p < pixels; ++p) {
      const DirectTile::Pixel& pixel = tile.pixels[p];
      places[p] = pixel.image * from.image_stride + pixel.place;
      targets[p] = pixel.image * to.image_stride + pixel.target;
    }
    sums.taps = tile.taps.data();
    sums.num_taps = static_cast<int>(tile.taps.size());
    SumTaps(sums, pixels, columns, out_.block);
  }
}

void Direct::Run(Plane from, int64_t images, int64_t first_band, int64_t end_band,
                 const float* packed_filters, float scale, Plane to, float*,
                 const Finish& finish) const {
  const int64_t blocks = out_.lanes() / out_.block;
  const auto run = [&](const DirectTiles& tiles, int64_t first_image, int64_t end_image,
                       int64_t first_row, int64_t end_row) {
    const auto from_row = [&](Plane plane, int64_t width) {
      return Plane{plane.image(first_image) + first_row * width * out_.block, plane.image_stride};
    };
    for (int64_t first = 0; first < blocks; first += kColumns) {
      const int columns = static_cast<int>(std::min<int64_t>(kColumns, blocks - first));
      RunTiles(tiles, from_row(from, in_shape_.width), first, columns, packed_filters, scale,
               from_row(to, out_shape_.width));
      finish({first_image, end_image, first * out_.block, (first + columns) * out_.block,
              first_row * out_shape_.width, end_row * out_shape_.width});
    }
  };
  int64_t image = 0;
  if (first_band == 0 && end_band == num_bands() && tiling_.panel_images() > 1) {
    for (; image + tiling_.panel_images() <= images; image += tiling_.panel_images()) {
      run(tiling_.panel(), image, image + tiling_.panel_images(), 0, out_shape_.height);
    }
  }
  for (; image < images; ++image) {
    for (int64_t band = first_band; band < end_band; ++band) {
      const int64_t first_row = band * DirectTiling::kBandRows;
      run(tiling_.band(band), image, image + 1, first_row,
          std::min(first_row + DirectTiling::kBandRows, out_shape_.height));
    }
  }
}

}  // namespace csc::onednn
