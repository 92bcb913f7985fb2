// Which results of a direct convolution are computed together.
//
// The taps that fall on inputs, and not into the pads or between, are the same for all
// pixels of a region: the interior, an edge, a corner, of one phase where inputs lie apart. A tile
// holds as many pixels of one region as registers hold sums, of any rows and images: taps in the
// pads then cost nothing, and narrow images fill the registers as wide ones do. A region of few
// pixels joins another one where that costs less.

#ifndef CSC_SOLVERS_ENGINES_ONEDNN_DIRECT_TILES_H_
#define CSC_SOLVERS_ENGINES_ONEDNN_DIRECT_TILES_H_

#include <cstdint>
#include <map>
#include <vector>

#include "solvers/engines/onednn/direct_kernels.h"
#include "solvers/engines/onednn/map_geometry.h"

namespace csc::onednn {

constexpr int64_t kMostDirectTaps = 32;  // of a filter

// Tiles of one band of rows. They are read with each group of blocks, so they are
// kept small: tiles that reach the same taps share them.
struct DirectTiles {
  struct Pixel {
    int32_t image;
    int32_t place;   // of tap 0's input, from the band's first row of inputs, in floats
    int32_t target;  // of the result, from the band's first row
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
  DirectTiling(const MapGeometry& geometry, int block);
  DirectTiling(const DirectTiling&) = delete;
  DirectTiling& operator=(const DirectTiling&) = delete;

  // Rows of a band, and of inputs from the first one of a band to the next band's.
  int64_t band_rows() const { return band_rows_; }
  int64_t band_inputs() const { return band_rows_ * geometry_.strides[0] / geometry_.spacings[0]; }
  int64_t num_bands() const { return static_cast<int64_t>(bands_.size()); }
  // Of one image.
  const DirectTiles& band(int64_t band) const { return *bands_[band]; }
  // Small images are computed whole, several at a time, as one band; 0: bands of one image.
  int64_t panel_images() const { return panel_images_; }
  const DirectTiles& panel() const { return panel_; }

 private:
  DirectTiles Make(int64_t images, int64_t first_row, int64_t end_row) const;

  const MapGeometry geometry_;
  const int block_;
  const int64_t band_rows_;
  // By the rows of the filters that fall on inputs, row by row.
  std::map<std::vector<uint32_t>, DirectTiles> tiles_;
  std::vector<const DirectTiles*> bands_;
  int64_t panel_images_ = 0;
  DirectTiles panel_;
};

}  // namespace csc::onednn

#endif  // CSC_SOLVERS_ENGINES_ONEDNN_DIRECT_TILES_H_
