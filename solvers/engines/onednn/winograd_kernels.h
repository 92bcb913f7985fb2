// SIMD kernels of Winograd's minimal filtering F(4x4, 3x3) on blocked values.
//
// A tile is 4 x 4 results of one image, computed from 6 x 6 inputs; results and
// inputs of a dilated convolution lie `dilation` pixels apart. Everything here
// works on a panel, a list of tiles:
//
//   transformed inputs   [36][input blocks][tiles][block]
//   transformed filters  [36][input channels][columns]    columns: 1 or 2 blocks
//   products             [36][tiles][columns]             of some output blocks
//
// Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", with the
// points 0, a, -a, b, -b and infinity. a = 5/8, b = 3/2 round several times less
// than the usual 1 and 2.

#ifndef CSC_SOLVERS_ENGINES_ONEDNN_WINOGRAD_KERNELS_H_
#define CSC_SOLVERS_ENGINES_ONEDNN_WINOGRAD_KERNELS_H_

#include <array>
#include <cstdint>
#include <vector>

#include "solvers/engines/onednn/kernels.h"

namespace csc::onednn {

constexpr int kWinogradResults = 4;                                 // a side
constexpr int kWinogradInputs = 6;                                  // a side
constexpr int kWinogradTaps = 3;                                    // a side of a filter
constexpr int kWinogradPoints = kWinogradInputs * kWinogradInputs;  // products a tile
constexpr float kPointA = 0.625f, kPointB = 1.5f;

struct WinogradTile {
  int32_t image;
  int32_t row, column;  // of its first result
};

// A blocked value that tiles are read from or written to.
struct WinogradPlane {
  Plane plane;
  int64_t height = 0, width = 0;
  int64_t first_row = 0, first_column = 0;  // of a tile, relative to its first result
};

struct WinogradPanel {
  const WinogradTile* tiles = nullptr;
  int64_t num_tiles = 0;
  std::array<int64_t, 2> dilations{1, 1};
  int block = 16;
};

// Floats between the transforms of two points, such that they do not fall into
// the same lines of a cache.
int64_t WinogradPointStride(int64_t tiles, int64_t lanes);

// B^T d B of every tile and block; positions outside the value are zero.
void TransformInputs(const WinogradPanel& panel, const WinogradPlane& from, int64_t blocks,
                     float* transformed);

// scale * A d A^T of the 4 x 4 results' gradients, for the gradient of the
// filters; positions outside the value are zero.
void TransformGradients(const WinogradPanel& panel, const WinogradPlane& from, int64_t blocks,
                        float scale, float* transformed);

// products = transformed inputs times transformed filters, for `columns` blocks
// of results. channels[i]: those of input block i that are not padding.
void MultiplyTiles(const WinogradPanel& panel, const float* transformed,
                   const std::vector<int>& channels, const float* filters, int columns,
                   float* products);

// result = scale * A^T p A, for `columns` blocks from block `first` on.
void TransformProducts(const WinogradPanel& panel, const float* products, int64_t first,
                       int columns, float scale, const WinogradPlane& to);

// gradients[36][input channels][columns] += sum over tiles of transformed inputs
// times transformed gradients (blocks [first, first + columns) of `all_columns`).
void AccumulateTiles(const WinogradPanel& panel, const float* transformed,
                     const std::vector<int>& channels, const float* transformed_gradients,
                     int64_t first, int columns, int64_t all_columns, float* gradients);

// G of F(4x4, 3x3).
using WinogradFilterTransform = std::array<std::array<float, kWinogradTaps>, kWinogradInputs>;

// transformed = G F G^T of `block` filters, taps [3 * 3][block]; points lie `stride`
// floats apart.
void TransformFilters(const float* taps, int block, float* transformed, int64_t stride);
// taps = G^T dU G: its adjoint.
void TransformFilterGradients(const float* transformed, int64_t stride, int block, float* taps);

}  // namespace csc::onednn

#endif  // CSC_SOLVERS_ENGINES_ONEDNN_WINOGRAD_KERNELS_H_
