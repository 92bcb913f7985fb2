// The SIMD kernel of direct filter gradients on blocked values.

#ifndef CSC_SOLVERS_ENGINES_ONEDNN_DIRECT_GRADIENT_KERNELS_H_
#define CSC_SOLVERS_ENGINES_ONEDNN_DIRECT_GRADIENT_KERNELS_H_

#include <cstdint>

namespace csc::onednn {

// What a tap of the filters from some channels of a block of the image to some blocks of the
// code is summed over: a rectangle of each image. Strides count floats.
struct GradientTap {
  int64_t images, rows, columns;
  const float* image;  // the first channel at the first position
  int64_t image_stride, image_row_stride, image_column_stride;
  const float* code;  // the first block at the first position
  int64_t code_stride, code_row_stride, code_block_stride;
  float scale;
  float* sums;  // [channels][blocks][lanes]: the scaled sums are added to these
};

// Blocks of the code, and channels, whose sums stay in registers over all positions.
constexpr int kMostGradientBlocks = 3;
int MostGradientChannels();

void SumPositions(const GradientTap& tap, int channels, int blocks, int block);

}  // namespace csc::onednn

#endif  // CSC_SOLVERS_ENGINES_ONEDNN_DIRECT_GRADIENT_KERNELS_H_
