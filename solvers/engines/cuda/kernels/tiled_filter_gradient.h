// Gradients of filters in float32, in the tiles of gradient_tile.h: a lane sums 8 code
// channels and one image channel at all taps in registers, four positions at a time.

#ifndef CSC_SOLVERS_ENGINES_CUDA_KERNELS_TILED_FILTER_GRADIENT_H_
#define CSC_SOLVERS_ENGINES_CUDA_KERNELS_TILED_FILTER_GRADIENT_H_

#include <cstdint>

#include "solvers/engines/cuda/kernels/gradient_tile.h"
#include "solvers/engines/cuda/kernels/host_device.h"

namespace csc::cuda {

// Lanes 8 r to 8 r + 7 have code channels 8 r to 8 r + 7; lane c of them has image
// channel c of the warp's 8.
struct TiledFilterGradientKernel : GradientTile {
  static constexpr uint32_t kCodeOfLane = 8;
  static constexpr uint32_t kPositions = 4;

  struct Sums {
    float values[kMaxGradientTaps][kCodeOfLane];
  };
  struct Registers {
    PerLane<Sums> sums;
  };

  CSC_HOST_DEVICE void Begin(uint32_t, uint32_t, Registers* registers) const {
    ForEachLane([&](uint32_t lane) {
      CSC_UNROLL
      for (int tap = 0; tap < kMaxGradientTaps; ++tap) {
        CSC_UNROLL
        for (uint32_t k = 0; k < kCodeOfLane; ++k) registers->sums[lane].values[tap][k] = 0;
      }
    });
  }

  CSC_HOST_DEVICE void Compute(uint32_t block, uint32_t warp, uint32_t, const uint32_t* shared,
                               Registers* registers) const {
    IfUsual(
        [&](auto usual) { AddStretches<decltype(usual)::value>(block, warp, shared, registers); });
  }

  template <bool kUsual>
  CSC_HOST_DEVICE void AddStretches(uint32_t block, uint32_t warp, const uint32_t* shared,
                                    Registers* registers) const {
    ForEachStretch<kPositions>(
        block, warp, shared, [&](const uint32_t* codes, const uint32_t* images) {
          ForEachLane([&](uint32_t lane) {
            AddPositions<kUsual>(codes + lane / 8 * kCodeOfLane * CodeRow(),
                                 images + lane % 8 * ImageRow(), &registers->sums[lane]);
          });
        });
  }

  // Four neighbouring positions of the code, whose rows begin at `code`.
  template <bool kUsual>
  CSC_HOST_DEVICE void AddPositions(const uint32_t* code, const uint32_t* from, Sums* sums) const {
    uint32_t words[kCodeOfLane][kPositions];
    CSC_UNROLL
    for (uint32_t k = 0; k < kCodeOfLane; ++k) ReadSharedWords(code + k * CodeRow(), words[k]);
    ForEachTap<kUsual>([&](int tap, uint32_t offset) {
      CSC_UNROLL
      for (uint32_t p = 0; p < kPositions; ++p) {
        const float x = AsFloat(from[offset + p * (kUsual ? 1 : strides[1])]);
        CSC_UNROLL
        for (uint32_t k = 0; k < kCodeOfLane; ++k) sums->values[tap][k] += AsFloat(words[k][p]) * x;
      }
    });
  }

  CSC_HOST_DEVICE void Keep(uint32_t, uint32_t warp, const Registers& registers,
                            uint32_t* shared) const {
    ForEachLane([&](uint32_t lane) {
      CSC_UNROLL
      for (uint32_t k = 0; k < kCodeOfLane; ++k) {
        uint32_t* const to =
            KeptOf(lane / 8 * kCodeOfLane + k, warp * kWarpImage + lane % 8, shared);
        ForEachTap<false>(
            [&](int tap, uint32_t) { to[tap] = AsWord(registers.sums[lane].values[tap][k]); });
      }
    });
  }
};

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_KERNELS_TILED_FILTER_GRADIENT_H_
