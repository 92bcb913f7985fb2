// SIMD kernels of direct convolution on blocked values.

#ifndef CSC_SOLVERS_ENGINES_ONEDNN_DIRECT_KERNELS_H_
#define CSC_SOLVERS_ENGINES_ONEDNN_DIRECT_KERNELS_H_

#include <cstdint>

namespace csc::onednn {

// Offsets count floats.
struct DirectTap {
  int64_t input;    // from a pixel's place to the input that the tap multiplies
  int64_t index;    // of the tap's filters
  uint32_t pixels;  // a bit for each pixel that it reaches; others find no input there

  bool operator==(const DirectTap& other) const {
    return input == other.input && index == other.index && pixels == other.pixels;
  }
};

// Pixels of one or two blocks of results whose sums stay in registers over all taps
// and channels.
struct DirectSums {
  const int64_t* places;  // of the pixels, in a block of inputs
  const DirectTap* taps;
  int num_taps;
  const float* inputs;     // the first block
  int64_t input_stride;    // between blocks
  const int* channels;     // of each block of inputs
  int64_t blocks;          // of inputs
  const float* filters;    // [blocks][taps][channels][columns][block]
  int filter_taps;         // of a block of filters
  float scale;             // of the sums
  float* results;          // the first block
  const int64_t* targets;  // of the pixels, in a block of results
  int64_t column_stride;   // between blocks
  // What will be read soon, from where on each tap of each block asks for `ahead_step` floats: 0
  // where there is no such thing, and `ahead` is any memory.
  const float* ahead;
  int64_t ahead_step;  // at most kAheadFloats
};

constexpr int64_t kAheadFloats = 32;  // two lines

constexpr int kMostDirectColumns = 2;

// Writes `columns` (at most kMostDirectColumns) blocks of results of 1 to MostDirectPixels()
// pixels.
void SumTaps(const DirectSums& sums, int pixels, int columns, int block);

// A row of one block of results as the sums of products that lie at their taps' pixels.
struct DirectGather {
  const float* const* rows;  // of products
  int num_rows;
  // By pixel: from a row to the products of the first column of the filters, and their number.
  const int32_t *first_products, *columns;
  int64_t column_stride;  // from one column's products to the next one's
  int channels;           // of the results; the block's other lanes become 0
  float scale;            // of the sums
  float* results;
};

void GatherTaps(const DirectGather& gather, int64_t pixels, int block);

// Pixels whose sums fit the registers, at most kMostTilePixels.
int MostDirectPixels();
constexpr int kMostTilePixels = 12;

// Whether this machine's vectors hold a block.
bool VectorsHold(int block);

}  // namespace csc::onednn

#endif  // CSC_SOLVERS_ENGINES_ONEDNN_DIRECT_KERNELS_H_
