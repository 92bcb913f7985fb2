// Gradients of filters as products on tensor cores, in the tiles of gradient_tile.h:
// A are code channels x positions, B positions x image channels.
//
// Products are TF32 ones in either arithmetic: a bfloat16 is a TF32 number. (Its
// own products take pairs of positions, which an odd tap would have to part.)

#ifndef CSC_SOLVERS_ENGINES_CUDA_KERNELS_TENSOR_FILTER_GRADIENT_H_
#define CSC_SOLVERS_ENGINES_CUDA_KERNELS_TENSOR_FILTER_GRADIENT_H_

#include <cstdint>

#include "solvers/engines/cuda/kernels/gradient_tile.h"
#include "solvers/engines/cuda/kernels/host_device.h"
#include "solvers/engines/cuda/kernels/mma.h"

namespace csc::cuda {

struct TensorFilterGradientKernel : GradientTile {
  static constexpr int kBlocksAtOnce = 4;
  static constexpr int kRowTiles = 2;
  static_assert(kRowTiles * kMmaRows == kCode && kWarpImage == kMmaColumns, "other fragments");

  struct Registers {
    PerLane<FragmentD> sums[kMaxGradientTaps][kRowTiles];
  };

  CSC_HOST_DEVICE void Begin(uint32_t, uint32_t, Registers* registers) const {
    CSC_UNROLL
    for (int tap = 0; tap < kMaxGradientTaps; ++tap) {
      CSC_UNROLL
      for (int m = 0; m < kRowTiles; ++m) {
        ForEachLane([&](uint32_t lane) { registers->sums[tap][m][lane] = {{0, 0, 0, 0}}; });
      }
    }
  }

  CSC_HOST_DEVICE void Compute(uint32_t block, uint32_t warp, uint32_t, const uint32_t* shared,
                               Registers* registers) const {
    IfUsual(
        [&](auto usual) { AddStretches<decltype(usual)::value>(block, warp, shared, registers); });
  }

  template <bool kUsual>
  CSC_HOST_DEVICE void AddStretches(uint32_t block, uint32_t warp, const uint32_t* shared,
                                    Registers* registers) const {
    const uint32_t stride = kUsual ? 1 : strides[1];
    ForEachStretch<kMmaWords>(
        block, warp, shared, [&](const uint32_t* codes, const uint32_t* images) {
          PerLane<FragmentA> left[kRowTiles];
          ForEachLane([&](uint32_t lane) {
            CSC_UNROLL
            for (int m = 0; m < kRowTiles; ++m) {
              const uint32_t* from = codes + (m * kMmaRows + lane / 4) * CodeRow() + lane % 4;
              left[m][lane] = {{from[0], from[8 * CodeRow()], from[4], from[8 * CodeRow() + 4]}};
            }
          });
          ForEachTap<kUsual>([&](int tap, uint32_t offset) {
            PerLane<FragmentB> right;
            ForEachLane([&](uint32_t lane) {
              const uint32_t* at = images + lane / 4 * ImageRow() + lane % 4 * stride + offset;
              right[lane] = {{at[0], at[4 * stride]}};
            });
            CSC_UNROLL
            for (int m = 0; m < kRowTiles; ++m) {
              Multiply<Tf32>(left[m], right, &registers->sums[tap][m]);
            }
          });
        });
  }

  CSC_HOST_DEVICE void Keep(uint32_t, uint32_t warp, const Registers& registers,
                            uint32_t* shared) const {
    ForEachLane([&](uint32_t lane) {
      CSC_UNROLL
      for (int m = 0; m < kRowTiles; ++m) {
        CSC_UNROLL
        for (int i = 0; i < 4; ++i) {
          uint32_t* const to = KeptOf(m * kMmaRows + lane / 4 + i / 2 * 8,
                                      warp * kWarpImage + lane % 4 * 2 + i % 2, shared);
          ForEachTap<false>(
              [&](int tap, uint32_t) { to[tap] = AsWord(registers.sums[tap][m][lane].values[i]); });
        }
      }
    });
  }
};

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_KERNELS_TENSOR_FILTER_GRADIENT_H_
