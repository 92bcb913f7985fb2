#include "solvers/engines/onednn/direct_tiles.h"

#include <algorithm>
#include <utility>

namespace csc::onednn {

namespace {

// Rows of a band at least: sums of two blocks of them fit the first-level cache where rows
// are short.
constexpr int64_t kBandRows = 4;

// Pixels of a panel of small images: sums of two blocks of them fit the first-level cache.
constexpr int64_t kPanelPixels = 256;
constexpr int64_t kMostPanelImages = 8;

// Sums of fewer pixels take as long as those of so many: the latency of a fused
// multiply-add.
constexpr int64_t kFewestPixels = 4;

int CountBits(uint32_t bits) { return __builtin_popcount(bits); }

// Pixels of which each has some of `taps`.
struct PixelSet {
  uint32_t taps = 0;
  std::vector<DirectTiles::Pixel> pixels;
  std::vector<uint32_t> pixel_taps;

  int64_t size() const { return static_cast<int64_t>(pixels.size()); }
};

int64_t NumTiles(int64_t pixels) { return CeilDiv(pixels, MostDirectPixels()); }

// Of tiles of even size, in multiply-adds of a channel.
int64_t Cost(uint32_t taps, int64_t pixels) {
  return CountBits(taps) * std::max(pixels, NumTiles(pixels) * kFewestPixels);
}

// Joins two sets as long as that saves time.
void JoinSmallSets(std::vector<PixelSet>* sets) {
  for (;;) {
    int64_t most = 0;
    size_t from = 0, to = 0;
    for (size_t a = 0; a < sets->size(); ++a) {
      const PixelSet& x = (*sets)[a];
      if (x.size() >= kFewestPixels) continue;
      for (size_t b = 0; b < sets->size(); ++b) {
        const PixelSet& y = (*sets)[b];
        if (a == b) continue;
        const int64_t saved = Cost(x.taps, x.size()) + Cost(y.taps, y.size()) -
                              Cost(x.taps | y.taps, x.size() + y.size());
        if (saved > most) {
          most = saved;
          from = a;
          to = b;
        }
      }
    }
    if (most == 0) return;
    PixelSet& x = (*sets)[from];
    PixelSet& y = (*sets)[to];
    y.taps |= x.taps;
    y.pixels.insert(y.pixels.end(), x.pixels.begin(), x.pixels.end());
    y.pixel_taps.insert(y.pixel_taps.end(), x.pixel_taps.begin(), x.pixel_taps.end());
    sets->erase(sets->begin() + static_cast<std::ptrdiff_t>(from));
  }
}

// A bit for each tap that falls on an input for the result at (row, column).
uint32_t TapsOf(const MapGeometry& g, int64_t row, int64_t column) {
  uint32_t taps = 0;
  for (int64_t tap = 0; tap < g.taps(); ++tap) {
    if (g.InputOf(0, row, tap / g.kernel[1]) >= 0 && g.InputOf(1, column, tap % g.kernel[1]) >= 0) {
      taps |= uint32_t{1} << tap;
    }
  }
  return taps;
}

// Tiles of even size, the larger ones first.
void AddTiles(const MapGeometry& g, int block, const PixelSet& set, DirectTiles* tiles) {
  const int64_t count = NumTiles(set.size());
  int64_t end = 0;
  for (int64_t t = 0; t < count; ++t) {
    const int64_t begin = end;
    end += set.size() / count + (t < set.size() % count ? 1 : 0);
    std::vector<DirectTap> taps;
    for (int64_t tap = 0; tap < g.taps(); ++tap) {
      uint32_t reached = 0;
      for (int64_t p = begin; p < end; ++p) {
        reached |= (set.pixel_taps[p] >> tap & 1) << (p - begin);
      }
      if (reached == 0) continue;
      const int64_t shift =
          g.ShiftOf(0, tap / g.kernel[1]) * g.in.width + g.ShiftOf(1, tap % g.kernel[1]);
      taps.push_back({shift * block, tap, reached});
    }
    DirectTiles::Tile tile{static_cast<int32_t>(tiles->pixels.size()),
                           static_cast<int32_t>(end - begin), 0, static_cast<int32_t>(taps.size())};
    const auto known = tiles->taps.size() < taps.size()
                           ? tiles->taps.end()
                           : tiles->taps.end() - static_cast<std::ptrdiff_t>(taps.size());
    if (known == tiles->taps.end() || !std::equal(taps.begin(), taps.end(), known)) {
      tiles->taps.insert(tiles->taps.end(), taps.begin(), taps.end());
    }
    tile.first_tap = static_cast<int32_t>(tiles->taps.size() - taps.size());
    tiles->tiles.push_back(tile);
    tiles->pixels.insert(tiles->pixels.end(), set.pixels.begin() + begin, set.pixels.begin() + end);
  }
}

}  // namespace

// Bands begin where a phase does, so that those which reach the same taps are alike.
DirectTiling::DirectTiling(const MapGeometry& geometry, int block)
    : geometry_(geometry),
      block_(block),
      band_rows_(CeilDiv(kBandRows, geometry.spacings[0]) * geometry.spacings[0]) {
  const MapGeometry& g = geometry_;
  const Shape& out = g.out;
  for (int64_t first = 0; first < out.height; first += band_rows_) {
    const int64_t end = std::min(first + band_rows_, out.height);
    std::vector<uint32_t> inside;
    for (int64_t row = first; row < end; ++row) {
      inside.push_back(0);
      for (int64_t i = 0; i < g.kernel[0]; ++i) {
        if (g.InputOf(0, row, i) >= 0) inside.back() |= uint32_t{1} << i;
      }
    }
    const auto [at, is_new] = tiles_.try_emplace(std::move(inside));
    if (is_new) at->second = Make(1, first, end);
    bands_.push_back(&at->second);
  }
  panel_images_ = std::min<int64_t>(kPanelPixels / (out.height * out.width), kMostPanelImages);
  if (panel_images_ > 0) panel_ = Make(panel_images_, 0, out.height);
}

DirectTiles DirectTiling::Make(int64_t images, int64_t first_row, int64_t end_row) const {
  const MapGeometry& g = geometry_;
  const int64_t first_input = first_row / band_rows_ * band_inputs();
  std::map<uint32_t, PixelSet> regions;
  for (int64_t image = 0; image < images; ++image) {
    for (int64_t row = first_row; row < end_row; ++row) {
      for (int64_t column = 0; column < g.out.width; ++column) {
        const uint32_t taps = TapsOf(g, row, column);
        const int64_t place = (g.PlaceOf(0, row) - first_input) * g.in.width + g.PlaceOf(1, column);
        const int64_t target = (row - first_row) * g.out.width + column;
        PixelSet& region = regions[taps];
        region.taps = taps;
        region.pixels.push_back({static_cast<int32_t>(image), static_cast<int32_t>(place * block_),
                                 static_cast<int32_t>(target * block_)});
        region.pixel_taps.push_back(taps);
      }
    }
  }
  std::vector<PixelSet> sets;
  for (auto& [taps, set] : regions) sets.push_back(std::move(set));
  JoinSmallSets(&sets);
  DirectTiles tiles;
  for (const PixelSet& set : sets) AddTiles(g, block_, set, &tiles);
  return tiles;
}

}  // namespace csc::onednn
