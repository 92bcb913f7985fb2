// Which results of a direct convolution are computed together.
//
// The taps that reach the image, and not its pads, are the same for all pixels of
// a region: the interior, an edge, a corner. A tile holds as many pixels of one
// region as registers hold sums, of any rows and images: taps in the pads then
// cost nothing, and narrow images fill the registers as wide ones do. A region of
// few pixels joins another one where that costs less.

#ifndef CSC_SOLVERS_ENGINES_ONEDNN_DIRECT_TILES_H_
#define CSC_SOLVERS_ENGINES_ONEDNN_DIRECT_TILES_H_

#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "solvers/engines/onednn/direct_kernels.h"
#include "solvers/program/program.h"

namespace csc::onednn {

// A forward convolution at stride 1.
struct DirectGeometry {
  Shape in, out;
  std::array<int64_t, 2> kernel, dilations, pads;  // pads: top, left
  int block = 16;

  int64_t taps() const { return kernel[0] * kernel[1]; }
  // A bit for each tap that finds an input for the result at (row, column).
  uint32_t TapsInside(int64_t row, int64_t column) const;
  // From the input of tap 0 to that of another, in floats.
  int64_t ShiftOf(int64_t tap) const;
};

constexpr int64_t kMostDirectTaps = 32;  // of a filter

// Tiles of one band of rows. They are read with each group of blocks, so they are
// kept small: tiles that reach the same taps share them.
struct DirectTiles {
  struct Pixel {
    int32_t image;
    int32_t place;   // of tap 0's input, from the image's first row of the band, in floats
    int32_t target;  // of the result, likewise
  };
  struct Tile {
    int32_t first_pixel, num_pixels;  // at most MostDirectPixels()
    int32_t first_tap, num_taps;
  };
  std::vector<Tile> tiles;
  std::vector<Pixel> pixels;
  std::vector<DirectTap> taps;
};

class DirectTiling {
 public:
  // Rows of a band. Sums of two blocks of them fit the first-level cache where rows
  // are short.
  static constexpr int64_t kBandRows = 4;

  explicit DirectTiling(const DirectGeometry& geometry);
  DirectTiling(const DirectTiling&) = delete;
  DirectTiling& operator=(const DirectTiling&) = delete;

  int64_t num_bands() const { return static_cast<int64_t>(bands_.size()); }
  // Of one image.
  const DirectTiles& band(int64_t band) const { return *bands_[band]; }
  // Small images are computed whole, several at a time, as one band; 0: bands of one image.
  int64_t panel_images() const { return panel_images_; }
  const DirectTiles& panel() const { return panel_; }

 private:
  DirectTiles Make(int64_t images, int64_t first_row, int64_t end_row) const;

  const DirectGeometry geometry_;
  std::map<std::vector<uint32_t>, DirectTiles> tiles_;  // by the filters' rows inside, row by row
  std::vector<const DirectTiles*> bands_;
  int64_t panel_images_ = 0;
  DirectTiles panel_;
};

}  // namespace csc::onednn

#endif  // CSC_SOLVERS_ENGINES_ONEDNN_DIRECT_TILES_H_
