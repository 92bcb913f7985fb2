// Which results are computed together: each once, with the taps it has, in tiles
// that fill the registers and compute nearly nothing in vain.

#include "solvers/engines/onednn/direct_tiles.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "tests/solvers/random.h"

namespace csc::onednn {
namespace {

constexpr int kBlock = 16;

MapGeometry SameSize(int64_t height, int64_t width, int64_t dilation) {
  MapGeometry g;
  g.in = g.out = {1, height, width};
  g.kernel = {3, 3};
  g.dilations = g.pads = {dilation, dilation};
  return g;
}

struct Count {
  int64_t pixels = 0, tiles = 0;
  int64_t needed = 0;    // pairs of pixel and tap
  int64_t computed = 0;  // those that are summed
};

// Checks tiles of rows [first_row, end_row) of `images` images.
Count CheckTiles(const MapGeometry& g, int block, const DirectTiles& tiles, int64_t images,
                 int64_t first_row, int64_t end_row) {
  Count count;
  std::set<std::pair<int64_t, int64_t>> seen;  // image, target
  for (const DirectTiles::Tile& tile : tiles.tiles) {
    EXPECT_GE(tile.num_pixels, 1);
    EXPECT_LE(tile.num_pixels, MostDirectPixels());
    ++count.tiles;
    count.computed += int64_t{tile.num_pixels} * tile.num_taps;
    for (int p = 0; p < tile.num_pixels; ++p) {
      const DirectTiles::Pixel& pixel = tiles.pixels[tile.first_pixel + p];
      EXPECT_TRUE(seen.insert({pixel.image, pixel.target}).second);
      EXPECT_LT(pixel.image, images);
      const int64_t row = first_row + pixel.target / block / g.out.width;
      const int64_t column = pixel.target / block % g.out.width;
      EXPECT_LT(row, end_row);
      std::map<int64_t, int64_t> found;  // by tap: its input
      for (int t = 0; t < tile.num_taps; ++t) {
        const DirectTap& tap = tiles.taps[tile.first_tap + t];
        if (tap.pixels >> p & 1) found[tap.index] = pixel.place + tap.input;
      }
      std::map<int64_t, int64_t> expected;
      for (int64_t tap = 0; tap < g.taps(); ++tap) {
        const int64_t at[] = {
            row * g.strides[0] + tap / g.kernel[1] * g.dilations[0] - g.pads[0],
            column * g.strides[1] + tap % g.kernel[1] * g.dilations[1] - g.pads[1]};
        const int64_t y = at[0] / g.spacings[0], x = at[1] / g.spacings[1];
        if (at[0] < 0 || at[0] % g.spacings[0] != 0 || y >= g.in.height) continue;
        if (at[1] < 0 || at[1] % g.spacings[1] != 0 || x >= g.in.width) continue;
        const int64_t first_input = first_row * g.strides[0] / g.spacings[0];
        expected[tap] = ((y - first_input) * g.in.width + x) * block;
      }
      EXPECT_EQ(found, expected) << row << " " << column;
      count.needed += static_cast<int64_t>(expected.size());
    }
  }
  count.pixels = static_cast<int64_t>(seen.size());
  EXPECT_EQ(count.pixels, images * (end_row - first_row) * g.out.width);
  return count;
}

TEST(DirectTiles, HoldEachResultOnceWithTheTapsThatItHas) {
  test::ForEachSeed(200, [](test::Random* random) {
    MapGeometry g;
    const int block = random->Int(0, 1) == 0 ? 8 : 16;
    const int kind = random->Int(0, 2);  // stride 1, a strided analysis, a strided synthesis
    int64_t sizes[2][2];
    for (int axis : {0, 1}) {
      g.kernel[axis] = random->Int(1, 5);
      g.dilations[axis] = random->Int(1, 4);
      g.pads[axis] = random->Int(0, 10);
      if (kind > 0) (kind == 1 ? g.strides : g.spacings)[axis] = random->Int(1, 5);
      sizes[axis][0] = random->Int(1, 40);
      sizes[axis][1] = random->Int(1, 40);
    }
    g.in = {1, sizes[0][0], sizes[1][0]};
    g.out = {1, sizes[0][1], sizes[1][1]};
    const DirectTiling tiling(g, block);
    for (int64_t band = 0; band < tiling.num_bands(); ++band) {
      const int64_t first = band * tiling.band_rows();
      CheckTiles(g, block, tiling.band(band), 1, first,
                 std::min(first + tiling.band_rows(), g.out.height));
    }
    if (tiling.panel_images() > 0) {
      CheckTiles(g, block, tiling.panel(), tiling.panel_images(), 0, g.out.height);
    }
  });
}

TEST(DirectTiles, FillTheRegistersAtAnySizeAndDilation) {
  for (int64_t dilation : {1, 2, 3}) {
    for (int64_t side : {8, 16, 32}) {
      const MapGeometry g = SameSize(side, side, dilation);
      const DirectTiling tiling(g, kBlock);
      Count all;
      if (tiling.panel_images() > 0) {
        all = CheckTiles(g, kBlock, tiling.panel(), tiling.panel_images(), 0, side);
      } else {
        for (int64_t band = 0; band < tiling.num_bands(); ++band) {
          const int64_t first = band * tiling.band_rows();
          const Count count =
              CheckTiles(g, kBlock, tiling.band(band), 1, first, first + tiling.band_rows());
          all.pixels += count.pixels;
          all.tiles += count.tiles;
          all.needed += count.needed;
          all.computed += count.computed;
        }
      }
      EXPECT_LE(all.computed, all.needed * 1.01) << side << " " << dilation;
      EXPECT_GE(all.pixels, all.tiles * MostDirectPixels() * 0.8) << side << " " << dilation;
    }
  }
}

// Bands of the interior of a large image are alike.
TEST(DirectTiles, AreSharedByBandsThatReachTheSameTaps) {
  const DirectTiling tiling(SameSize(512, 64, 3), kBlock);
  EXPECT_EQ(&tiling.band(1), &tiling.band(126));
  EXPECT_NE(&tiling.band(0), &tiling.band(1));
}

}  // namespace
}  // namespace csc::onednn
