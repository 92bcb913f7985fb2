// Analysis, and synthesis of stride 1, as products on tensor cores, in the tiles of
// convolution_tile.h: a warp multiplies, tap by tap, filters (A: result channels x source
// channels) by positions (B: source channels x pixels). No pipeline hides the loads: the
// other blocks of the multiprocessor do.

#ifndef CSC_SOLVERS_ENGINES_CUDA_KERNELS_TENSOR_CONVOLUTION_H_
#define CSC_SOLVERS_ENGINES_CUDA_KERNELS_TENSOR_CONVOLUTION_H_

#include <cstdint>

#include "solvers/engines/cuda/kernels/convolution_tile.h"
#include "solvers/engines/cuda/kernels/elementwise.h"
#include "solvers/engines/cuda/kernels/host_device.h"
#include "solvers/engines/cuda/kernels/mma.h"

namespace csc::cuda {

// Flat over the words of packed filters [group][chunk][tap][product][row tile]
// [lane][word of A], taps in the order of the positions that they read.
template <typename Format>
struct PackTensorFiltersKernel {
  static constexpr uint32_t kChunk = kTensorWords * Format::kPerWord;

  const float* filters;     // [w][C][taps]
  uint32_t image_channels;  // C
  uint32_t result_channels;
  uint32_t source_channels;
  bool synthesis;
  Divisor row_tiles;  // of a group
  Divisor taps;
  Divisor chunks;
  uint32_t* packed;

  CSC_HOST_DEVICE void operator()(uint32_t index) const {
    const uint32_t word = index % 4, lane = index / 4 % kWarpLanes;
    uint32_t row_tile, tap, chunk;
    const uint32_t rest = row_tiles.Split(index / (4 * kWarpLanes), &row_tile);
    const uint32_t product = rest % 2;
    const uint32_t group = chunks.Split(taps.Split(rest / 2, &tap), &chunk);
    const uint32_t out =
        (group * row_tiles.value() + row_tile) * kMmaRows + lane / 4 + word % 2 * 8;
    if (synthesis) tap = taps.value() - 1 - tap;
    float values[Format::kPerWord];
    CSC_UNROLL
    for (int k = 0; k < Format::kPerWord; ++k) {
      const uint32_t in =
          chunk * kChunk + TensorChannel<Format>(lane % 4, product * 2 + word / 2, k);
      const uint32_t code = synthesis ? in : out;
      const uint32_t image = synthesis ? out : in;
      values[k] = out < result_channels && in < source_channels
                      ? filters[(code * image_channels + image) * taps.value() + tap]
                      : 0.0f;
    }
    packed[index] = Format::Word(values);
  }
};

// Of the third form of kernels: see host_device.h.
template <typename FormatType, int kRowTileCount, int kColumnTileCount, int kWarpCount>
struct TensorConvolutionKernel : ConvolutionTile<FormatType, kWarpCount> {
  using Format = FormatType;
  using Tile = ConvolutionTile<Format, kWarpCount>;
  using Tile::a, Tile::kWarps, Tile::kThreads, Tile::kChunk;
  using Place = typename Tile::Place;
  static constexpr int kRowTiles = kRowTileCount;        // of a warp, of 16 channels
  static constexpr int kColumnTiles = kColumnTileCount;  // of a warp, of 8 pixels
  // So many blocks' registers are to fit into a multiprocessor, so that some
  // compute while others load.
  static constexpr int kBlocksAtOnce = kColumnTiles > 4 ? 3 : 4;
  static constexpr uint32_t kGroup = kRowTiles * kMmaRows;
  static constexpr uint32_t kWarpPixels = kColumnTiles * kMmaColumns;
  static constexpr uint32_t kPixels = kWarps * kWarpPixels;
  static constexpr uint32_t kFilterWords = 2 * kRowTiles * kWarpLanes * 4;  // of a tap
  // Of a channel that a warp keeps: so that pairs of four rows meet 32 different banks.
  static constexpr uint32_t kKeptRow = kWarpPixels + 8;
  static constexpr uint32_t kKept = kGroup * kKeptRow;

  CSC_HOST_DEVICE uint32_t SharedBytes() const { return Tile::SharedBytes(kWarps * kKept); }

  struct Registers {
    PerLane<FragmentD> sums[kRowTiles][kColumnTiles];
    typename Tile::template Positions<kColumnTiles> positions;
  };
  struct Filters {
    PerLane<FragmentA> products[2][kRowTiles];
  };

  CSC_HOST_DEVICE void Begin(uint32_t, uint32_t warp, Registers* registers) const {
    ForEachLane([&](uint32_t lane) {
      this->Find(lane, warp * kWarpPixels + lane / 4, &registers->positions);
      CSC_UNROLL
      for (int j = 0; j < kColumnTiles; ++j) {
        CSC_UNROLL
        for (int m = 0; m < kRowTiles; ++m) registers->sums[m][j][lane] = {{0, 0, 0, 0}};
      }
    });
  }

  CSC_HOST_DEVICE void ReadFilters(const uint32_t* from, Filters* filters) const {
    CSC_UNROLL
    for (int s = 0; s < 2; ++s) {
      CSC_UNROLL
      for (int m = 0; m < kRowTiles; ++m) {
        ForEachLane([&](uint32_t lane) {
          ReadWords(from + ((s * kRowTiles + m) * kWarpLanes + lane) * 4,
                    filters->products[s][m][lane].words);
        });
      }
    }
  }

  CSC_HOST_DEVICE void Compute(uint32_t block, uint32_t warp, uint32_t round,
                               const uint32_t* shared, Registers* registers) const {
    if (warp * kWarpPixels >= a.TilePixels()) return;
    if (a.aligned) return AddTaps<true>(block, round, shared, registers);
    AddTaps<false>(block, round, shared, registers);
  }

  template <bool kAligned>
  CSC_HOST_DEVICE void AddTaps(uint32_t block, uint32_t round, const uint32_t* shared,
                               Registers* registers) const {
    const uint32_t chunk = this->FirstChunk(block) + round;
    const bool both = chunk * kChunk + kChunk / 2 < a.source_channels;
    const uint32_t group = this->PlaceOf(block).group;
    // Sixteens of the group that there are.
    const uint32_t row_tiles = (a.result_channels - group * kGroup + kMmaRows - 1) / kMmaRows;
    const uint32_t* from = a.filters + (group * this->Chunks() + chunk) * a.taps * kFilterWords;
    uint32_t offset = 0, column = 0;
    CSC_NO_UNROLL
    for (uint32_t tap = 0; tap < a.taps; ++tap) {
      // Not a tap ahead: the other warps fill the wait, and copying costs more.
      Filters filters;
      ReadFilters(from, &filters);
      from += kFilterWords;
      AddTap<kAligned>(filters, offset, row_tiles, both, shared, registers);
      offset += a.tap_step;
      if (++column == a.row_taps) {
        column = 0;
        offset += a.row_step - a.tap_step;
      }
    }
  }

  template <bool kAligned>
  CSC_HOST_DEVICE void AddTap(const Filters& filters, uint32_t offset, uint32_t row_tiles,
                              bool both, const uint32_t* shared, Registers* registers) const {
    PerLane<FragmentB> products[kColumnTiles][2];
    ForEachLane([&](uint32_t lane) {
      uint32_t at[kColumnTiles];
      Tile::template Words<kAligned, kColumnTiles>(registers->positions, lane, offset, lane % 4,
                                                   at);
      CSC_UNROLL
      for (int j = 0; j < kColumnTiles; ++j) {
        uint32_t words[4];
        ReadSharedWords(shared + at[j], words);
        products[j][0][lane] = {{words[0], words[1]}};
        products[j][1][lane] = {{words[2], words[3]}};
      }
    });
    CSC_UNROLL
    for (int m = 0; m < kRowTiles; ++m) {
      if (m > 0 && static_cast<uint32_t>(m) >= row_tiles) return;
      CSC_UNROLL
      for (int s = 0; s < 2; ++s) {
        if (s == 1 && !both) continue;
        CSC_UNROLL
        for (int j = 0; j < kColumnTiles; ++j) {
          Multiply<Format>(filters.products[s][m], products[j][s], &registers->sums[m][j]);
        }
      }
    }
  }

  CSC_HOST_DEVICE void Keep(uint32_t, uint32_t warp, const Registers& registers,
                            uint32_t* shared) const {
    CSC_UNROLL
    for (int j = 0; j < kColumnTiles; ++j) {
      ForEachLane([&](uint32_t lane) {
        CSC_UNROLL
        for (int row = 0; row < kRowTiles * 2; ++row) {  // m, half
          const float* const pair = registers.sums[row / 2][j][lane].values + row % 2 * 2;
          WritePair(AsWord(pair[0]), AsWord(pair[1]),
                    shared + warp * kKept + (row * 8 + lane / 4) * kKeptRow + j * kMmaColumns +
                        lane % 4 * 2);
        }
      });
    }
  }

  CSC_HOST_DEVICE void End(uint32_t block, uint32_t warp, const uint32_t* shared) const {
    Tile::template Finish<kGroup, kWarpPixels, kKeptRow>(block, warp, shared + warp * kKept);
  }
};

// Flat: adds the parts of a convolution's sums in order, and finishes what they make up,
// times `scale`.
struct AddPartsKernel : Elementwise {
  const float* sums;  // [parts][elements]
  uint32_t parts;
  uint32_t elements_of_part;
  Scalar scale;

  CSC_HOST_DEVICE void Compute(const Element* elements, float* values) const {
    const uint32_t stride = channels * plane.value();
    CSC_UNROLL
    for (int k = 0; k < kCount; ++k) values[k] = 0;
    for (uint32_t part = 0; part < parts; ++part) {
      const float* const from = sums + part * elements_of_part;
      CSC_UNROLL
      for (int k = 0; k < kCount; ++k) {
        const Element& e = elements[k];
        if (e.present) values[k] += Read(from + e.sample * stride + e.inside);
      }
    }
    const float factor = scale.value();
    CSC_UNROLL
    for (int k = 0; k < kCount; ++k) values[k] *= factor;
  }
  CSC_HOST_DEVICE void operator()(uint32_t index) const { Run(*this, index); }
};

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_KERNELS_TENSOR_CONVOLUTION_H_
