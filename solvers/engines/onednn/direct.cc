#include "solvers/engines/onednn/direct.h"

#include <algorithm>

namespace csc::onednn {

bool Direct::Supports(const ConvolutionShape& s) {
  const Geometry& g = s.geometry;
  return s.kind != ConvolutionKind::kFilterGradient && VectorsHold(s.code_layout.block) &&
         g.kernel[0] * g.kernel[1] <= kMostDirectTaps;
}

Direct::Direct(const ConvolutionShape& s) : BandedMap(s), tiling_(geometry_, out_.block) {
  MakeGroups();
}

// As many blocks as kernels take, but those of few channels alone.
void Direct::MakeGroups() {
  const std::vector<int> results = ChannelsOfBlocks(out_);
  const auto by_tap_lanes = [&](size_t block) {
    return TapLanes::Pays(geometry_, out_.block, results[block]);
  };
  for (size_t block = 0; block < results.size(); ++block) {
    Group group;
    group.first = static_cast<int64_t>(block);
    group.columns = 1;
    group.filters = filter_floats_;
    if (by_tap_lanes(block)) {
      group.tap_lanes =
          std::make_unique<TapLanes>(geometry_, out_.block, channels_, results[block]);
      group.scratch = scratch_floats_;
      scratch_floats_ += group.tap_lanes->scratch_floats();
      filter_floats_ += group.tap_lanes->filter_floats();
    } else {
      while (group.columns < kMostDirectColumns && block + 1 < results.size() &&
             !by_tap_lanes(block + 1)) {
        ++group.columns;
        ++block;
      }
      filter_floats_ += geometry_.taps() * inner_ * group.columns * out_.block;
    }
    groups_.push_back(std::move(group));
  }
}

double Direct::products() const {
  double products = 0;
  for (const Group& group : groups_) {
    products += group.tap_lanes ? group.tap_lanes->products()
                                : geometry_.TapsInside() * inner_ * group.columns * out_.block;
  }
  return products;
}

// Of a group of blocks [input blocks][taps][channels][lanes of the group].
void Direct::PackFilters(const float* filters, float* packed) const {
  const int64_t taps = geometry_.taps();
  std::fill_n(packed, filter_floats(), 0.0f);
  std::vector<int64_t> channels_of, first_of;  // of an input channel's block
  for (int channels : channels_) {
    const int64_t first = static_cast<int64_t>(first_of.size());
    channels_of.insert(channels_of.end(), channels, channels);
    first_of.insert(first_of.end(), channels, first);
  }
  ForEachFilter(taps, [&](int64_t filter, int64_t channel, int64_t lane) {
    const auto next =
        std::upper_bound(groups_.begin(), groups_.end(), lane / out_.block,
                         [](int64_t block, const Group& group) { return block < group.first; });
    const Group& group = next[-1];
    const int64_t lanes = group.columns * out_.block;
    const int64_t own_lane = lane - group.first * out_.block;
    const int64_t first = first_of[channel];
    for (int64_t tap = 0; tap < taps; ++tap) {
      const int64_t offset =
          group.tap_lanes
              ? group.tap_lanes->FilterOffset(channel, own_lane, tap)
              : (taps * first + tap * channels_of[channel] + channel - first) * lanes + own_lane;
      packed[group.filters + offset] = filters[filter + (synthesis_ ? taps - 1 - tap : tap)];
    }
  });
}

void Direct::RunTiles(const DirectTiles& tiles, Plane from, const Group& group, MapFilters* filters,
                      float scale, Plane to) const {
  const int64_t lanes = out_.block;
  int64_t places[kMostTilePixels], targets[kMostTilePixels];
  DirectSums sums{};
  sums.places = places;
  sums.inputs = from.data;
  sums.input_stride = geometry_.in.height * geometry_.in.width * lanes;
  sums.channels = channels_.data();
  sums.blocks = static_cast<int64_t>(channels_.size());
  sums.filter_taps = static_cast<int>(geometry_.taps());
  sums.filters = filters->packed + group.filters;
  sums.scale = scale;
  sums.targets = targets;
  sums.column_stride = geometry_.out.height * geometry_.out.width * lanes;
  sums.results = to.data + group.first * sums.column_stride;
  for (const DirectTiles::Tile& tile : tiles.tiles) {
    for (int p = 0; p < tile.num_pixels; ++p) {
      const DirectTiles::Pixel& pixel = tiles.pixels[tile.first_pixel + p];
      places[p] = pixel.image * from.image_stride + pixel.place;
      targets[p] = pixel.image * to.image_stride + pixel.target;
    }
    sums.taps = tiles.taps.data() + tile.first_tap;
    sums.num_taps = tile.num_taps;
    const int64_t asked = tile.num_taps * sums.blocks * kAheadFloats;
    const bool asks = asked <= filters->next_floats;
    sums.ahead = asks ? filters->next : sums.filters;
    sums.ahead_step = asks ? kAheadFloats : 0;
    if (asks) {
      filters->next += asked;
      filters->next_floats -= asked;
    }
    SumTaps(sums, tile.num_pixels, group.columns, out_.block);
  }
}

void Direct::Run(Plane from, int64_t images, const MapPart& part, const MapFilters& filters,
                 float scale, Plane to, float* scratch, const Finish& finish) const {
  MapFilters left = filters;
  const int64_t plane = geometry_.out.height * geometry_.out.width * out_.block;
  const auto run = [&](const DirectTiles& tiles, int64_t first_image, int64_t end_image,
                       int64_t first_row, int64_t end_row) {
    const auto from_row = [&](Plane all, int64_t row, int64_t width) {
      return Plane{all.image(first_image) + row * width * out_.block, all.image_stride};
    };
    const int64_t first_input = first_row / tiling_.band_rows() * tiling_.band_inputs();
    for (int64_t g = part.first_group; g < part.end_group; ++g) {
      const Group& group = groups_[g];
      if (group.tap_lanes) {
        const bool continues = first_row > part.first_band * tiling_.band_rows();
        for (int64_t image = first_image; image < end_image; ++image) {
          group.tap_lanes->Run(from.image(image), first_row, end_row, continues,
                               filters.packed + group.filters, scale,
                               to.image(image) + group.first * plane, scratch + group.scratch);
        }
      } else {
        RunTiles(tiles, from_row(from, first_input, geometry_.in.width), group, &left, scale,
                 from_row(to, first_row, geometry_.out.width));
      }
      finish({first_image, end_image, group.first * out_.block,
              (group.first + group.columns) * out_.block, first_row * geometry_.out.width,
              end_row * geometry_.out.width});
    }
  };
  int64_t image = 0;
  if (part.first_band == 0 && part.end_band == num_bands() && tiling_.panel_images() > 0) {
    for (; image + tiling_.panel_images() <= images; image += tiling_.panel_images()) {
      run(tiling_.panel(), image, image + tiling_.panel_images(), 0, geometry_.out.height);
    }
  }
  for (; image < images; ++image) {
    for (int64_t band = part.first_band; band < part.end_band; ++band) {
      const int64_t first_row = band * tiling_.band_rows();
      run(tiling_.band(band), image, image + 1, first_row,
          std::min(first_row + tiling_.band_rows(), geometry_.out.height));
    }
  }
}

}  // namespace csc::onednn
