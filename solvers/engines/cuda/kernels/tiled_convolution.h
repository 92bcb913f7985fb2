// Analysis, and synthesis of stride 1, in float32, in the tiles of convolution_tile.h: a
// lane sums 8 result channels of 8 pixels in registers.
//
// Products are added in the order of ConvolutionKernel, so that both give the same bits
// where there is one part, and filters are packed as for it.

#ifndef CSC_SOLVERS_ENGINES_CUDA_KERNELS_TILED_CONVOLUTION_H_
#define CSC_SOLVERS_ENGINES_CUDA_KERNELS_TILED_CONVOLUTION_H_

#include <cstdint>

#include "solvers/engines/cuda/kernels/convolution.h"
#include "solvers/engines/cuda/kernels/convolution_tile.h"

namespace csc::cuda {

// Words that are floats, channels of a position in their order.
struct Float32 {
  static constexpr int kPerWord = 1;
  static constexpr bool kInOrder = true;

  CSC_HOST_DEVICE static uint32_t Word(const float* values) { return AsWord(*values); }
};

// Lanes 8 r to 8 r + 7 have channels 8 r to 8 r + 7 of the group of 32; lane p of
// them has pixels p, p + 8, ... of the warp's 64. In a group that only has 8 channels, all
// lanes have these, and lanes 8 r to 8 r + 7 only pixels 16 r to 16 r + 15.
struct TiledConvolutionKernel : ConvolutionTile<Float32, 4> {
  static constexpr int kBlocksAtOnce = 3;
  static constexpr int kOut = 8;
  static constexpr int kPixelsOfLane = 8;
  static constexpr int kNarrowPixels = 2;
  static constexpr uint32_t kGroup = 4 * kOut;
  static constexpr uint32_t kWarpPixels = 8 * kPixelsOfLane;
  // Of a channel that a warp keeps: so that eight pixels of four of them, eight rows apart,
  // meet 32 different banks.
  static constexpr uint32_t kKeptRow = kWarpPixels + 1;
  static constexpr uint32_t kKept = kGroup * kKeptRow;
  // The order of sums is chunks, taps, channels.
  static_assert(kChunk == ConvolutionKernel<8, 1, false>::kChunk, "another order");

  const float* filters;  // [tap][source channel][padded_channels]
  uint32_t padded_channels;
  // Where the first tap is; synthesis has its taps backwards, a's steps being
  // negative.
  uint32_t first_offset;

  struct Sums {
    float values[kPixelsOfLane][kOut];
  };
  struct Registers {
    PerLane<Sums> sums;
    Positions<kPixelsOfLane> positions;
  };

  CSC_HOST_DEVICE uint32_t SharedBytes() const {
    return ConvolutionTile::SharedBytes(kWarps * kKept);
  }
  CSC_HOST_DEVICE bool IsNarrow(uint32_t block) const {
    return a.result_channels - PlaceOf(block).group * kGroup <= kOut;
  }

  CSC_HOST_DEVICE void Begin(uint32_t block, uint32_t warp, Registers* registers) const {
    const bool narrow = IsNarrow(block);
    ForEachLane([&](uint32_t lane) {
      const uint32_t first = narrow ? lane / 8 * kNarrowPixels * 8 : 0;
      Find(lane, warp * kWarpPixels + first + lane % 8, &registers->positions);
      CSC_UNROLL
      for (int j = 0; j < kPixelsOfLane; ++j) {
        CSC_UNROLL
        for (int k = 0; k < kOut; ++k) registers->sums[lane].values[j][k] = 0;
      }
    });
  }

  CSC_HOST_DEVICE void Compute(uint32_t block, uint32_t warp, uint32_t round,
                               const uint32_t* shared, Registers* registers) const {
    if (warp * kWarpPixels >= a.TilePixels()) return;
    if (IsNarrow(block)) {
      a.aligned ? AddTaps<true, kNarrowPixels>(block, round, shared, registers)
                : AddTaps<false, kNarrowPixels>(block, round, shared, registers);
    } else {
      a.aligned ? AddTaps<true, kPixelsOfLane>(block, round, shared, registers)
                : AddTaps<false, kPixelsOfLane>(block, round, shared, registers);
    }
  }

  template <bool kAligned, int kPixels>
  CSC_HOST_DEVICE void AddTaps(uint32_t block, uint32_t round, const uint32_t* shared,
                               Registers* registers) const {
    const uint32_t first = (FirstChunk(block) + round) * kChunk;
    const uint32_t channels =
        first + kChunk < a.source_channels ? kChunk : a.source_channels - first;
    const uint32_t group = PlaceOf(block).group;
    uint32_t offset = first_offset, column = 0;
    CSC_NO_UNROLL
    for (uint32_t tap = 0; tap < a.taps; ++tap) {
      ForEachLane([&](uint32_t lane) {
        const uint32_t out = group * kGroup + (kPixels == kPixelsOfLane ? lane / 8 * kOut : 0);
        // Channels past the padded ones are computed from others, and dropped.
        AddTap<kAligned, kPixels>(
            filters + static_cast<uint64_t>(tap * a.source_channels + first) * padded_channels +
                (out < padded_channels ? out : 0),
            channels, offset, shared, lane, registers);
      });
      offset += a.tap_step;
      if (++column == a.row_taps) {
        column = 0;
        offset += a.row_step - a.tap_step;
      }
    }
  }

  template <bool kAligned, int kPixels>
  CSC_HOST_DEVICE void AddTap(const float* filter, uint32_t channels, uint32_t offset,
                              const uint32_t* shared, uint32_t lane, Registers* registers) const {
    uint32_t t = 0;
    CSC_NO_UNROLL
    for (; t * 4 + 4 <= channels; ++t) {
      AddQuad<kAligned, kPixels, true>(filter, 4, offset, t, shared, lane, registers);
      filter += 4 * padded_channels;
    }
    if (t * 4 == channels) return;
    AddQuad<kAligned, kPixels, false>(filter, channels - t * 4, offset, t, shared, lane, registers);
  }

  // Quad `t` of the positions: of its channels the first `channels`, or all where kWhole says
  // so.
  template <bool kAligned, int kPixels, bool kWhole>
  CSC_HOST_DEVICE void AddQuad(const float* filter, uint32_t channels, uint32_t offset, uint32_t t,
                               const uint32_t* shared, uint32_t lane, Registers* registers) const {
    uint32_t at[kPixels];
    Words<kAligned, kPixels>(registers->positions, lane, offset, t, at);
    uint32_t words[kPixels][4];
    CSC_UNROLL
    for (int j = 0; j < kPixels; ++j) ReadSharedWords(shared + at[j], words[j]);
    CSC_UNROLL
    for (uint32_t i = 0; i < 4; ++i) {
      if (!kWhole && i >= channels) break;
      float taps[kOut];
      ReadVector<kOut>(filter + i * padded_channels, taps);
      CSC_UNROLL
      for (int j = 0; j < kPixels; ++j) {
        const float x = AsFloat(words[j][i]);
        CSC_UNROLL
        for (int k = 0; k < kOut; ++k) registers->sums[lane].values[j][k] += taps[k] * x;
      }
    }
  }

  CSC_HOST_DEVICE void Keep(uint32_t block, uint32_t warp, const Registers& registers,
                            uint32_t* shared) const {
    uint32_t* const kept = shared + warp * kKept;
    if (IsNarrow(block)) return KeepLanes<kNarrowPixels>(registers, kept);
    KeepLanes<kPixelsOfLane>(registers, kept);
  }

  template <int kPixels>
  CSC_HOST_DEVICE static void KeepLanes(const Registers& registers, uint32_t* kept) {
    ForEachLane([&](uint32_t lane) {
      const uint32_t eighth = lane / 8;
      const uint32_t first =
          kPixels == kPixelsOfLane ? eighth * kOut * kKeptRow : eighth * kPixels * 8;
      CSC_UNROLL
      for (int j = 0; j < kPixels; ++j) {
        CSC_UNROLL
        for (int k = 0; k < kOut; ++k) {
          kept[first + k * kKeptRow + j * 8 + lane % 8] = AsWord(registers.sums[lane].values[j][k]);
        }
      }
    });
  }

  CSC_HOST_DEVICE void End(uint32_t block, uint32_t warp, const uint32_t* shared) const {
    Finish<kGroup, kWarpPixels, kKeptRow>(block, warp, shared + warp * kKept);
  }
};

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_KERNELS_TILED_CONVOLUTION_H_
