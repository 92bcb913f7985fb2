#include "solvers/engines/onednn/direct_kernels.h"

#include <utility>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "solvers/engines/onednn/direct_kernels.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace csc::onednn {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// 14 x 2 sums, 2 filters and a factor fill 32 registers, 6 x 2 sums fill 16.
#if HWY_TARGET <= HWY_AVX3
constexpr int kMostPixels = 14;
#else
constexpr int kMostPixels = 6;
#endif

template <int kBlock, int kPixels, int kColumns>
void Accumulate(const DirectTap* taps, int num_taps, int channels, float* results,
                int64_t column_stride) {
  const hn::CappedTag<float, kBlock> d;
  using V = hn::Vec<hn::CappedTag<float, kBlock>>;
  V sums[kPixels][kColumns];
  for (int p = 0; p < kPixels; ++p) {
    for (int j = 0; j < kColumns; ++j) {
      sums[p][j] = hn::LoadU(d, results + j * column_stride + p * kBlock);
    }
  }
  for (int t = 0; t < num_taps; ++t) {
    const float* inputs = taps[t].inputs;
    const float* filters = taps[t].filters;
    for (int k = 0; k < channels; ++k, ++inputs, filters += kColumns * kBlock) {
      V filter[kColumns];
      for (int j = 0; j < kColumns; ++j) filter[j] = hn::LoadU(d, filters + j * kBlock);
#pragma GCC unroll 14
      for (int p = 0; p < kPixels; ++p) {
        const V input = hn::Set(d, inputs[p * kBlock]);
        for (int j = 0; j < kColumns; ++j) sums[p][j] = hn::MulAdd(input, filter[j], sums[p][j]);
      }
    }
  }
  for (int p = 0; p < kPixels; ++p) {
    for (int j = 0; j < kColumns; ++j) {
      hn::StoreU(sums[p][j], d, results + j * column_stride + p * kBlock);
    }
  }
}

using Function = void (*)(const DirectTap* taps, int num_taps, int channels, float* results,
                          int64_t column_stride);

template <int kBlock, int kColumns, int... kPixels>
Function FunctionFor(int64_t pixels, std::integer_sequence<int, kPixels...>) {
  static constexpr Function kFunctions[] = {Accumulate<kBlock, kPixels + 1, kColumns>...};
  return kFunctions[pixels - 1];
}

void Taps(const DirectTap* taps, int num_taps, int channels, int columns, int block, int64_t pixels,
          float* results, int64_t column_stride) {
  constexpr auto kCounts = std::make_integer_sequence<int, kMostPixels>();
  const Function run = block == 16 ? (columns == 2 ? FunctionFor<16, 2>(pixels, kCounts)
                                                   : FunctionFor<16, 1>(pixels, kCounts))
                                   : (columns == 2 ? FunctionFor<8, 2>(pixels, kCounts)
                                                   : FunctionFor<8, 1>(pixels, kCounts));
  run(taps, num_taps, channels, results, column_stride);
}

int64_t MostPixels() { return kMostPixels; }

int64_t VectorLanes() { return static_cast<int64_t>(hn::Lanes(hn::CappedTag<float, 16>())); }

}  // namespace HWY_NAMESPACE
}  // namespace csc::onednn
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

namespace csc::onednn {

HWY_EXPORT(Taps);
HWY_EXPORT(MostPixels);
HWY_EXPORT(VectorLanes);

void AccumulateTaps(const DirectTap* taps, int num_taps, int channels, int columns, int block,
                    int64_t pixels, float* results, int64_t column_stride) {
  HWY_DYNAMIC_DISPATCH(Taps)
  (taps, num_taps, channels, columns, block, pixels, results, column_stride);
}

int64_t MostDirectPixels() { return HWY_DYNAMIC_DISPATCH(MostPixels)(); }

bool VectorsHold(int block) { return block >= 8 && HWY_DYNAMIC_DISPATCH(VectorLanes)() >= block; }

}  // namespace csc::onednn
#endif  // HWY_ONCE
