// SIMD kernels of direct convolution at stride 1 on blocked values.

#ifndef CSC_SOLVERS_ENGINES_ONEDNN_DIRECT_KERNELS_H_
#define CSC_SOLVERS_ENGINES_ONEDNN_DIRECT_KERNELS_H_

#include <cstdint>

namespace csc::onednn {

// A tap of the filters: where it finds its inputs and its filters.
struct DirectTap {
  const float* inputs;   // [pixels][block], of the first result's
  const float* filters;  // [channels][columns][block]
};

// results[columns][pixels][block], columns `column_stride` floats apart, +=
// sum over taps and channels of inputs times filters. At most
// MostDirectPixels() pixels.
void AccumulateTaps(const DirectTap* taps, int num_taps, int channels, int columns, int block,
                    int64_t pixels, float* results, int64_t column_stride);

// Pixels whose sums fit the registers.
int64_t MostDirectPixels();

// Whether this machine's vectors hold a block.
bool VectorsHold(int block);

}  // namespace csc::onednn

#endif  // CSC_SOLVERS_ENGINES_ONEDNN_DIRECT_KERNELS_H_
