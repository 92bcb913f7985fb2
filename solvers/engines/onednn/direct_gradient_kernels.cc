#include "solvers/engines/onednn/direct_gradient_kernels.h"

#include <utility>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "solvers/engines/onednn/direct_gradient_kernels.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace csc::onednn {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// 8 x 3 sums and 3 vectors of the code of 32 registers; 4 x 3 of 16. A position costs 8
// broadcasts and 3 loads for 24 multiply-adds.
#if HWY_TARGET <= HWY_AVX3
constexpr int kMostChannels = 8;
#else
constexpr int kMostChannels = 4;
#endif

// Each loop over sums must be unrolled early, or the sums live in memory.
template <int kBlock, int kChannels, int kBlocks>
void Sum(const GradientTap& t) {
  const hn::CappedTag<float, kBlock> d;
  using V = hn::Vec<decltype(d)>;
  constexpr int kLanes = static_cast<int>(hn::MaxLanes(d));
  constexpr int kVectors = kBlock / kLanes;  // 1 where vectors hold a block
  V sums[kChannels][kBlocks * kVectors];
#pragma GCC unroll 8
  for (int c = 0; c < kChannels; ++c) {
#pragma GCC unroll 12
    for (int j = 0; j < kBlocks * kVectors; ++j) sums[c][j] = hn::Zero(d);
  }
  const int64_t image_column_stride = t.image_column_stride;
  const int64_t block_stride = t.code_block_stride;
  for (int64_t n = 0; n < t.images; ++n) {
    for (int64_t row = 0; row < t.rows; ++row) {
      const float* image = t.image + n * t.image_stride + row * t.image_row_stride;
      const float* code = t.code + n * t.code_stride + row * t.code_row_stride;
      for (int64_t left = t.columns; left > 0; --left) {
        V factors[kBlocks * kVectors];
#pragma GCC unroll 12
        for (int j = 0; j < kBlocks * kVectors; ++j) {
          factors[j] = hn::LoadU(d, code + j / kVectors * block_stride + j % kVectors * kLanes);
        }
#pragma GCC unroll 8
        for (int c = 0; c < kChannels; ++c) {
          const V factor = hn::Set(d, image[c]);
#pragma GCC unroll 12
          for (int j = 0; j < kBlocks * kVectors; ++j) {
            sums[c][j] = hn::MulAdd(factor, factors[j], sums[c][j]);
          }
        }
        image += image_column_stride;
        code += kBlock;
      }
    }
  }
  const V scale = hn::Set(d, t.scale);
  float* to = t.sums;
#pragma GCC unroll 8
  for (int c = 0; c < kChannels; ++c) {
#pragma GCC unroll 12
    for (int j = 0; j < kBlocks * kVectors; ++j, to += kLanes) {
      hn::StoreU(hn::MulAdd(scale, sums[c][j], hn::LoadU(d, to)), d, to);
    }
  }
}

using Function = void (*)(const GradientTap& tap);

template <int kBlock, int kBlocks, int... kChannels>
Function FunctionFor(int channels, std::integer_sequence<int, kChannels...>) {
  static constexpr Function kFunctions[] = {Sum<kBlock, kChannels + 1, kBlocks>...};
  return kFunctions[channels - 1];
}

template <int kBlock>
Function FunctionOf(int channels, int blocks) {
  constexpr auto kCounts = std::make_integer_sequence<int, kMostChannels>();
  static_assert(kMostGradientBlocks == 3);
  return blocks == 1   ? FunctionFor<kBlock, 1>(channels, kCounts)
         : blocks == 2 ? FunctionFor<kBlock, 2>(channels, kCounts)
                       : FunctionFor<kBlock, 3>(channels, kCounts);
}

void Positions(const GradientTap& tap, int channels, int blocks, int block) {
  const Function run =
      block == 16 ? FunctionOf<16>(channels, blocks) : FunctionOf<8>(channels, blocks);
  run(tap);
}

int MostChannels() { return kMostChannels; }

}  // namespace HWY_NAMESPACE
}  // namespace csc::onednn
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

namespace csc::onednn {

HWY_EXPORT(Positions);
HWY_EXPORT(MostChannels);

void SumPositions(const GradientTap& tap, int channels, int blocks, int block) {
  HWY_DYNAMIC_DISPATCH(Positions)(tap, channels, blocks, block);
}

int MostGradientChannels() { return HWY_DYNAMIC_DISPATCH(MostChannels)(); }

}  // namespace csc::onednn
#endif  // HWY_ONCE
