#include "solvers/engines/onednn/winograd_kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "solvers/engines/onednn/winograd_kernels.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace csc::onednn {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

constexpr int kIn = kWinogradInputs;
constexpr int kOut = kWinogradResults;

// Blocks of 16 lanes need vectors of 16; where there are none, the engine's blocks
// have 8.
template <int kBlock>
using Tag = hn::CappedTag<float, kBlock>;

// Tiles whose products are summed in registers together: 14 x 2 sums, 2 filters
// and a factor fill 32 registers, 6 x 2 sums fill 16.
#if HWY_TARGET <= HWY_AVX3
constexpr int kMaxRows = 14;
#else
constexpr int kMaxRows = 6;
#endif

// One dimension of B^T d: 12 operations.
template <class D, class V = hn::Vec<D>>
HWY_INLINE void InputsOfLine(D d, const V* x, V* y) {
  const V a = hn::Set(d, kPointA), a2 = hn::Set(d, kPointA * kPointA);
  const V b = hn::Set(d, kPointB), b2 = hn::Set(d, kPointB * kPointB);
  const V product = hn::Set(d, kPointA * kPointA * kPointB * kPointB);
  const V sum = hn::Set(d, kPointA * kPointA + kPointB * kPointB);
  const V even_a = hn::NegMulAdd(b2, x[2], x[4]), odd_a = hn::NegMulAdd(b2, x[1], x[3]);
  const V even_b = hn::NegMulAdd(a2, x[2], x[4]), odd_b = hn::NegMulAdd(a2, x[1], x[3]);
  y[0] = hn::MulAdd(product, x[0], hn::NegMulAdd(sum, x[2], x[4]));
  y[1] = hn::MulAdd(a, odd_a, even_a);
  y[2] = hn::NegMulAdd(a, odd_a, even_a);
  y[3] = hn::MulAdd(b, odd_b, even_b);
  y[4] = hn::NegMulAdd(b, odd_b, even_b);
  y[5] = hn::MulAdd(product, x[1], hn::NegMulAdd(sum, x[3], x[5]));
}

// One dimension of A^T p: 12 operations.
template <class D, class V = hn::Vec<D>>
HWY_INLINE void ResultsOfLine(D d, const V* x, V* y) {
  const V a = hn::Set(d, kPointA), a2 = hn::Set(d, kPointA * kPointA);
  const V b = hn::Set(d, kPointB), b2 = hn::Set(d, kPointB * kPointB);
  const V a3 = hn::Set(d, kPointA * kPointA * kPointA);
  const V b3 = hn::Set(d, kPointB * kPointB * kPointB);
  const V even_a = hn::Add(x[1], x[2]), odd_a = hn::Sub(x[1], x[2]);
  const V even_b = hn::Add(x[3], x[4]), odd_b = hn::Sub(x[3], x[4]);
  y[0] = hn::Add(x[0], hn::Add(even_a, even_b));
  y[1] = hn::MulAdd(a, odd_a, hn::Mul(b, odd_b));
  y[2] = hn::MulAdd(a2, even_a, hn::Mul(b2, even_b));
  y[3] = hn::MulAdd(a3, odd_a, hn::MulAdd(b3, odd_b, x[5]));
}

// One dimension of A d: 10 operations.
template <class D, class V = hn::Vec<D>>
HWY_INLINE void GradientsOfLine(D d, const V* x, V* y) {
  const V a = hn::Set(d, kPointA), a2 = hn::Set(d, kPointA * kPointA);
  const V b = hn::Set(d, kPointB), b2 = hn::Set(d, kPointB * kPointB);
  const V even_a = hn::MulAdd(a2, x[2], x[0]), odd_a = hn::MulAdd(a2, x[3], x[1]);
  const V even_b = hn::MulAdd(b2, x[2], x[0]), odd_b = hn::MulAdd(b2, x[3], x[1]);
  y[0] = x[0];
  y[1] = hn::MulAdd(a, odd_a, even_a);
  y[2] = hn::NegMulAdd(a, odd_a, even_a);
  y[3] = hn::MulAdd(b, odd_b, even_b);
  y[4] = hn::NegMulAdd(b, odd_b, even_b);
  y[5] = x[3];
}

// Where the kSide x kSide positions of a tile lie in its image, and which of them
// lie outside.
template <int kSide, class D>
struct Window {
  int64_t row_offset[kSide];  // floats; valid rows only
  bool row_inside[kSide];
  int64_t column_offset[kSide];  // floats; 0 where outside
  hn::Mask<D> column_inside[kSide];

  HWY_INLINE Window(D d, const WinogradPanel& panel, const WinogradPlane& from,
                    const WinogradTile& tile) {
    const auto none = hn::Ne(hn::Zero(d), hn::Zero(d));
    for (int i = 0; i < kSide; ++i) {
      const int64_t row = tile.row + from.first_row + i * panel.dilations[0];
      row_inside[i] = 0 <= row && row < from.height;
      row_offset[i] = row * from.width * panel.block;
      const int64_t column = tile.column + from.first_column + i * panel.dilations[1];
      const bool inside = 0 <= column && column < from.width;
      column_offset[i] = inside ? column * panel.block : 0;
      column_inside[i] = inside ? hn::Not(none) : none;
    }
  }
};

// Transforms kSide x kSide values of each tile and block by `line` in both
// dimensions.
template <int kBlock, int kSide, typename Line>
HWY_INLINE void TransformTiles(const WinogradPanel& panel, const WinogradPlane& from,
                               int64_t blocks, float scale, float* transformed, const Line& line) {
  const Tag<kBlock> d;
  using V = hn::Vec<Tag<kBlock>>;
  const V factor = hn::Set(d, scale);
  const int64_t point_stride = WinogradPointStride(panel.num_tiles, blocks * kBlock);
  const int64_t block_floats = from.height * from.width * kBlock;
  for (int64_t t = 0; t < panel.num_tiles; ++t) {
    const Window<kSide, Tag<kBlock>> window(d, panel, from, panel.tiles[t]);
    const float* image = from.plane.image(panel.tiles[t].image);
    for (int64_t block = 0; block < blocks; ++block, image += block_floats) {
      V lines[kSide][kIn];
      for (int i = 0; i < kSide; ++i) {
        V x[kSide];
        if (window.row_inside[i]) {
          const float* row = image + window.row_offset[i];
          for (int j = 0; j < kSide; ++j) {
            x[j] = hn::MaskedLoad(window.column_inside[j], d, row + window.column_offset[j]);
            if (kSide == kOut) x[j] = hn::Mul(factor, x[j]);  // the smaller side: gradients
          }
        } else {
          for (int j = 0; j < kSide; ++j) x[j] = hn::Zero(d);
        }
        line(d, x, lines[i]);
      }
      float* to = transformed + (block * panel.num_tiles + t) * kBlock;
      for (int j = 0; j < kIn; ++j) {
        V x[kSide], y[kIn];
        for (int i = 0; i < kSide; ++i) x[i] = lines[i][j];
        line(d, x, y);
        for (int i = 0; i < kIn; ++i) hn::StoreU(y[i], d, to + (i * kIn + j) * point_stride);
      }
    }
  }
}

template <int kBlock>
void TransformInputsBlocked(const WinogradPanel& panel, const WinogradPlane& from, int64_t blocks,
                            float* transformed) {
  TransformTiles<kBlock, kIn>(panel, from, blocks, 1, transformed,
                              [](auto d, const auto* x, auto* y) { InputsOfLine(d, x, y); });
}

template <int kBlock>
void TransformGradientsBlocked(const WinogradPanel& panel, const WinogradPlane& from,
                               int64_t blocks, float scale, float* transformed) {
  TransformTiles<kBlock, kOut>(panel, from, blocks, scale, transformed,
                               [](auto d, const auto* x, auto* y) { GradientsOfLine(d, x, y); });
}

template <int kBlock>
void TransformProductsBlocked(const WinogradPanel& panel, const float* products, int64_t first,
                              int columns, float scale, const WinogradPlane& to) {
  const Tag<kBlock> d;
  using V = hn::Vec<Tag<kBlock>>;
  const int64_t point_stride = WinogradPointStride(panel.num_tiles, columns * kBlock);
  const V factor = hn::Set(d, scale);
  for (int64_t t = 0; t < panel.num_tiles; ++t) {
    const WinogradTile& tile = panel.tiles[t];
    for (int column = 0; column < columns; ++column) {
      const float* from = products + (t * columns + column) * kBlock;
      V lines[kIn][kOut];
      for (int i = 0; i < kIn; ++i) {
        V x[kIn];
        for (int j = 0; j < kIn; ++j) x[j] = hn::LoadU(d, from + (i * kIn + j) * point_stride);
        ResultsOfLine(d, x, lines[i]);
      }
      float* block = to.plane.image(tile.image) + (first + column) * to.height * to.width * kBlock;
      for (int j = 0; j < kOut; ++j) {
        const int64_t x_at = tile.column + j * panel.dilations[1];
        if (x_at >= to.width) break;
        V x[kIn], y[kOut];
        for (int i = 0; i < kIn; ++i) x[i] = lines[i][j];
        ResultsOfLine(d, x, y);
        for (int i = 0; i < kOut; ++i) {
          const int64_t y_at = tile.row + i * panel.dilations[0];
          if (y_at >= to.height) break;
          hn::StoreU(hn::Mul(factor, y[i]), d, block + (y_at * to.width + x_at) * kBlock);
        }
      }
    }
  }
}

// kRows tiles times kColumns blocks of results at one point.
template <int kBlock, int kRows, int kColumns>
HWY_INLINE void MultiplyRows(const float* inputs, int64_t block_stride, const int* channels,
                             int64_t blocks, const float* filters, float* products) {
  const Tag<kBlock> d;
  using V = hn::Vec<Tag<kBlock>>;
  V sums[kRows][kColumns];
  for (int r = 0; r < kRows; ++r) {
    for (int j = 0; j < kColumns; ++j) sums[r][j] = hn::Zero(d);
  }
  for (int64_t block = 0; block < blocks; ++block, inputs += block_stride) {
    const float* row = inputs;
    for (int k = 0; k < channels[block]; ++k, ++row, filters += kColumns * kBlock) {
      // One of the next block's rows: they follow no pattern that hardware foresees.
      __builtin_prefetch(inputs + block_stride + k * kBlock);
      V filter[kColumns];
      for (int j = 0; j < kColumns; ++j) filter[j] = hn::LoadU(d, filters + j * kBlock);
#pragma GCC unroll 14
      for (int r = 0; r < kRows; ++r) {
        const V input = hn::Set(d, row[r * kBlock]);
        for (int j = 0; j < kColumns; ++j) sums[r][j] = hn::MulAdd(input, filter[j], sums[r][j]);
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int j = 0; j < kColumns; ++j) {
      hn::StoreU(sums[r][j], d, products + (r * kColumns + j) * kBlock);
    }
  }
}

using MultiplyFunction = void (*)(const float* inputs, int64_t block_stride, const int* channels,
                                  int64_t blocks, const float* filters, float* products);

template <int kBlock, int kColumns, int... kRows>
MultiplyFunction MultiplyOf(int64_t rows, std::integer_sequence<int, kRows...>) {
  static constexpr MultiplyFunction kFunctions[] = {MultiplyRows<kBlock, kRows + 1, kColumns>...};
  return kFunctions[rows - 1];
}

template <int kBlock, int kColumns>
void MultiplyTilesBlocked(const WinogradPanel& panel, const float* transformed,
                          const std::vector<int>& channels, const float* filters, float* products) {
  const int64_t blocks = static_cast<int64_t>(channels.size());
  const int64_t tiles = panel.num_tiles;
  const int64_t input_stride = WinogradPointStride(tiles, blocks * kBlock);
  const int64_t product_stride = WinogradPointStride(tiles, kColumns * kBlock);
  int64_t inner = 0;
  for (int c : channels) inner += c;
  const int64_t groups = (tiles + kMaxRows - 1) / kMaxRows;
  for (int point = 0; point < kWinogradPoints; ++point) {
    for (int64_t g = 0; g < groups; ++g) {
      const int64_t first = g * tiles / groups;
      const int64_t rows = (g + 1) * tiles / groups - first;
      MultiplyOf<kBlock, kColumns>(rows, std::make_integer_sequence<int, kMaxRows>())(
          transformed + point * input_stride + first * kBlock, tiles * kBlock, channels.data(),
          blocks, filters + point * inner * kColumns * kBlock,
          products + point * product_stride + first * kColumns * kBlock);
    }
  }
}

// Adds over all tiles, for kRows input channels, to gradients[kRows][kColumns].
template <int kBlock, int kRows, int kColumns>
HWY_INLINE void AccumulateRows(const float* inputs, const float* gradients, int64_t tiles,
                               int64_t gradient_stride, float* sums_at) {
  const Tag<kBlock> d;
  using V = hn::Vec<Tag<kBlock>>;
  V sums[kRows][kColumns];
  for (int r = 0; r < kRows; ++r) {
    for (int j = 0; j < kColumns; ++j) {
      sums[r][j] = hn::LoadU(d, sums_at + (r * kColumns + j) * kBlock);
    }
  }
  for (int64_t t = 0; t < tiles; ++t, inputs += kBlock, gradients += kBlock) {
    V gradient[kColumns];
    for (int j = 0; j < kColumns; ++j) {
      gradient[j] = hn::LoadU(d, gradients + j * gradient_stride);
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const V input = hn::Set(d, inputs[r]);
      for (int j = 0; j < kColumns; ++j) sums[r][j] = hn::MulAdd(input, gradient[j], sums[r][j]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int j = 0; j < kColumns; ++j) {
      hn::StoreU(sums[r][j], d, sums_at + (r * kColumns + j) * kBlock);
    }
  }
}

template <int kBlock, int kColumns>
void AccumulateTilesBlocked(const WinogradPanel& panel, const float* transformed,
                            const std::vector<int>& channels, const float* transformed_gradients,
                            int64_t first, int64_t all_columns, float* gradients) {
  constexpr int kRows = kMaxRows >= 8 ? 8 : 4;
  const int64_t tiles = panel.num_tiles;
  const int64_t blocks = static_cast<int64_t>(channels.size());
  const int64_t input_stride = WinogradPointStride(tiles, blocks * kBlock);
  const int64_t gradient_stride = WinogradPointStride(tiles, all_columns * kBlock);
  for (int point = 0; point < kWinogradPoints; ++point) {
    const float* gradient =
        transformed_gradients + point * gradient_stride + first * tiles * kBlock;
    for (int64_t block = 0; block < blocks; ++block) {
      const float* input = transformed + point * input_stride + block * tiles * kBlock;
      int k = 0;
      for (; k + kRows <= channels[block]; k += kRows, gradients += kRows * kColumns * kBlock) {
        AccumulateRows<kBlock, kRows, kColumns>(input + k, gradient, tiles, tiles * kBlock,
                                                gradients);
      }
      for (; k < channels[block]; ++k, gradients += kColumns * kBlock) {
        AccumulateRows<kBlock, 1, kColumns>(input + k, gradient, tiles, tiles * kBlock, gradients);
      }
    }
  }
}

void Inputs(const WinogradPanel& panel, const WinogradPlane& from, int64_t blocks,
            float* transformed) {
  const auto run = panel.block == 16 ? TransformInputsBlocked<16> : TransformInputsBlocked<8>;
  run(panel, from, blocks, transformed);
}

void Gradients(const WinogradPanel& panel, const WinogradPlane& from, int64_t blocks, float scale,
               float* transformed) {
  const auto run = panel.block == 16 ? TransformGradientsBlocked<16> : TransformGradientsBlocked<8>;
  run(panel, from, blocks, scale, transformed);
}

void Multiply(const WinogradPanel& panel, const float* transformed,
              const std::vector<int>& channels, const float* filters, int columns,
              float* products) {
  const auto run = panel.block == 16
                       ? (columns == 2 ? MultiplyTilesBlocked<16, 2> : MultiplyTilesBlocked<16, 1>)
                       : (columns == 2 ? MultiplyTilesBlocked<8, 2> : MultiplyTilesBlocked<8, 1>);
  run(panel, transformed, channels, filters, products);
}

void Products(const WinogradPanel& panel, const float* products, int64_t first, int columns,
              float scale, const WinogradPlane& to) {
  const auto run = panel.block == 16 ? TransformProductsBlocked<16> : TransformProductsBlocked<8>;
  run(panel, products, first, columns, scale, to);
}

void Accumulate(const WinogradPanel& panel, const float* transformed,
                const std::vector<int>& channels, const float* transformed_gradients, int64_t first,
                int columns, int64_t all_columns, float* gradients) {
  const auto run =
      panel.block == 16
          ? (columns == 2 ? AccumulateTilesBlocked<16, 2> : AccumulateTilesBlocked<16, 1>)
          : (columns == 2 ? AccumulateTilesBlocked<8, 2> : AccumulateTilesBlocked<8, 1>);
  run(panel, transformed, channels, transformed_gradients, first, all_columns, gradients);
}

}  // namespace HWY_NAMESPACE
}  // namespace csc::onednn
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

namespace csc::onednn {

HWY_EXPORT(Inputs);
HWY_EXPORT(Gradients);
HWY_EXPORT(Multiply);
HWY_EXPORT(Products);
HWY_EXPORT(Accumulate);

int64_t WinogradPointStride(int64_t tiles, int64_t lanes) {
  constexpr int64_t kLine = 16;                              // floats
  return ((tiles * lanes + kLine - 1) / kLine | 1) * kLine;  // an odd number of lines
}

void TransformInputs(const WinogradPanel& panel, const WinogradPlane& from, int64_t blocks,
                     float* transformed) {
  HWY_DYNAMIC_DISPATCH(Inputs)(panel, from, blocks, transformed);
}

void TransformGradients(const WinogradPanel& panel, const WinogradPlane& from, int64_t blocks,
                        float scale, float* transformed) {
  HWY_DYNAMIC_DISPATCH(Gradients)(panel, from, blocks, scale, transformed);
}

void MultiplyTiles(const WinogradPanel& panel, const float* transformed,
                   const std::vector<int>& channels, const float* filters, int columns,
                   float* products) {
  HWY_DYNAMIC_DISPATCH(Multiply)(panel, transformed, channels, filters, columns, products);
}

void TransformProducts(const WinogradPanel& panel, const float* products, int64_t first,
                       int columns, float scale, const WinogradPlane& to) {
  HWY_DYNAMIC_DISPATCH(Products)(panel, products, first, columns, scale, to);
}

void AccumulateTiles(const WinogradPanel& panel, const float* transformed,
                     const std::vector<int>& channels, const float* transformed_gradients,
                     int64_t first, int columns, int64_t all_columns, float* gradients) {
  HWY_DYNAMIC_DISPATCH(Accumulate)
  (panel, transformed, channels, transformed_gradients, first, columns, all_columns, gradients);
}

}  // namespace csc::onednn
#endif  // HWY_ONCE
