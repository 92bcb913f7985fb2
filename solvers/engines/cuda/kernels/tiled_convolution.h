// Analysis, and synthesis of stride 1, in float32, in the tiles of
// tensor_convolution.h, in one part: shared memory holds what a tile's taps meet, and a
// lane sums 8 result channels of 8 pixels in registers.
//
// Products are added in the order of ConvolutionKernel, so that both give the
// same bits, and filters are packed as for it.

#ifndef CSC_SOLVERS_ENGINES_CUDA_KERNELS_TILED_CONVOLUTION_H_
#define CSC_SOLVERS_ENGINES_CUDA_KERNELS_TILED_CONVOLUTION_H_

#include <cstdint>

#include "solvers/engines/cuda/kernels/convolution.h"
#include "solvers/engines/cuda/kernels/tensor_convolution.h"

namespace csc::cuda {

// Words that are floats, channels of a position in their order.
struct Float32 {
  static constexpr int kPerWord = 1;
  static constexpr bool kInOrder = true;

  CSC_HOST_DEVICE static uint32_t Word(const float* values) { return AsWord(*values); }
};

// Lanes 8 r to 8 r + 7 have channels 8 r to 8 r + 7 of the group of 32; lane p of
// them has pixels p, p + 8, ... of the warp's 64.
struct TiledConvolutionKernel : ConvolutionTile<Float32, 4> {
  static constexpr int kBlocksAtOnce = 3;
  static constexpr int kOut = 8;
  static constexpr int kPixelsOfLane = 8;
  static constexpr uint32_t kGroup = 4 * kOut;
  static constexpr uint32_t kWarpPixels = 8 * kPixelsOfLane;
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
    PerLane<uint32_t> positions[kPixelsOfLane / 2];  // two to a register
  };

  CSC_HOST_DEVICE uint32_t PixelOf(uint32_t warp, uint32_t lane, int j) const {
    return warp * kWarpPixels + j * 8 + lane % 8;
  }

  CSC_HOST_DEVICE void Begin(uint32_t, uint32_t warp, Registers* registers) const {
    CSC_UNROLL
    for (int j = 0; j < kPixelsOfLane; ++j) {
      ForEachLane([&](uint32_t lane) {
        const uint32_t position = FirstPosition(PixelOf(warp, lane, j));
        uint32_t& pair = registers->positions[j / 2][lane];
        pair = j % 2 == 0 ? position : pair | position << 16;
        CSC_UNROLL
        for (int k = 0; k < kOut; ++k) registers->sums[lane].values[j][k] = 0;
      });
    }
  }

  CSC_HOST_DEVICE void Compute(uint32_t block, uint32_t warp, uint32_t round,
                               const uint32_t* shared, Registers* registers) const {
    if (warp * kWarpPixels >= a.TilePixels()) return;
    const uint32_t first = round * kChunk;
    const uint32_t channels =
        first + kChunk < a.source_channels ? kChunk : a.source_channels - first;
    const uint32_t group = PlaceOf(block).group;
    uint32_t offset = first_offset, column = 0;
    CSC_NO_UNROLL
    for (uint32_t tap = 0; tap < a.taps; ++tap) {
      ForEachLane([&](uint32_t lane) {
        // Channels past the padded ones are computed from others, and dropped.
        const uint32_t out = group * kGroup + lane / 8 * kOut;
        AddTap(filters + static_cast<uint64_t>(tap * a.source_channels + first) * padded_channels +
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

  CSC_HOST_DEVICE void AddTap(const float* filter, uint32_t channels, uint32_t offset,
                              const uint32_t* shared, uint32_t lane, Registers* registers) const {
    CSC_NO_UNROLL
    for (uint32_t t = 0; t * 4 < channels; ++t) {
      uint32_t words[kPixelsOfLane][4];
      CSC_UNROLL
      for (int j = 0; j < kPixelsOfLane; ++j) {
        const uint32_t pair = registers->positions[j / 2][lane];
        const uint32_t position = (j % 2 == 0 ? pair & 0xFFFF : pair >> 16) + offset;
        ReadSharedWords(shared + TensorQuad(position, t) * 4, words[j]);
      }
      CSC_UNROLL
      for (uint32_t i = 0; i < 4; ++i) {
        if (t * 4 + i >= channels) break;
        float taps[kOut];
        ReadVector<kOut>(filter, taps);
        filter += padded_channels;
        CSC_UNROLL
        for (int j = 0; j < kPixelsOfLane; ++j) {
          const float x = AsFloat(words[j][i]);
          CSC_UNROLL
          for (int k = 0; k < kOut; ++k) registers->sums[lane].values[j][k] += taps[k] * x;
        }
      }
    }
  }

  CSC_HOST_DEVICE void End(uint32_t block, uint32_t warp, const Registers& registers) const {
    const Place p = PlaceOf(block);
    const float scale = a.scale.value();
    const uint32_t plane = a.result_size[0] * a.result_size[1];
    ForEachLane([&](uint32_t lane) {
      CSC_UNROLL
      for (int j = 0; j < kPixelsOfLane; ++j) {
        uint32_t image, inside;
        const bool found = FindPixel(p, PixelOf(warp, lane, j), &image, &inside);
        Element elements[kOut];
        float values[kOut];
        CSC_UNROLL
        for (int k = 0; k < kOut; ++k) {
          const uint32_t channel = p.group * kGroup + lane / 8 * kOut + k;
          elements[k] = {image, channel * plane + inside, channel,
                         found && channel < a.result_channels};
          values[k] = scale * registers.sums[lane].values[j][k];
        }
        a.epilogue.Finish<kOut>(elements, values);
      }
    });
  }
};

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_KERNELS_TILED_CONVOLUTION_H_
