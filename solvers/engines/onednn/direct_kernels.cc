#include "solvers/engines/onednn/direct_kernels.h"

#include <algorithm>
#include <utility>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "solvers/engines/onednn/direct_kernels.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace csc::onednn {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// 12 x 2 sums, 2 filters and a factor leave 5 of 32 vector registers free: it is the
// 15 general ones that hold a pointer for each pixel, one to the filters and a count.
// 6 x 2 sums fill 16 vector registers.
#if HWY_TARGET <= HWY_AVX3
constexpr int kMostPixels = 12;
#else
constexpr int kMostPixels = 6;
#endif

constexpr int kMostBlock = 16;
constexpr int64_t kLine = 16;  // floats of a cache line
HWY_ALIGN constexpr float kZeros[kMostBlock] = {};

// Filters of many channels stream from the second-level cache; asked for this many
// channels ahead they cost 1 to 2 % less.
constexpr int kChannelsAhead = 4;

// Adds products of inputs pixels[p][first .. end) to the sums of pixel p. Each loop over
// pixels must be unrolled early, or the sums live in memory.
template <int kBlock, int kPixels, int kColumns, typename V>
HWY_INLINE void AddProducts(const float* const (&pixels)[kPixels], int64_t first, int64_t end,
                            const float* filters, V (&sums)[kPixels][kColumns]) {
  const hn::CappedTag<float, kBlock> d;
  constexpr int kStep = kColumns * kBlock;
  for (int64_t k = first; k != end; ++k, filters += kStep) {
    V filter[kColumns];
    for (int j = 0; j < kColumns; ++j) {
      __builtin_prefetch(filters + kChannelsAhead * kStep + j * kBlock);
      filter[j] = hn::LoadU(d, filters + j * kBlock);
    }
#pragma GCC unroll 12
    for (int p = 0; p < kPixels; ++p) {
      const V input = hn::Set(d, pixels[p][k]);
      for (int j = 0; j < kColumns; ++j) sums[p][j] = hn::MulAdd(input, filter[j], sums[p][j]);
    }
  }
}

template <int kBlock, int kPixels, int kColumns>
void Sum(const DirectSums& s) {
  const hn::CappedTag<float, kBlock> d;
  using V = hn::Vec<hn::CappedTag<float, kBlock>>;
  constexpr int kStep = kColumns * kBlock;
  constexpr uint32_t kAllPixels = (1u << kPixels) - 1;
  V sums[kPixels][kColumns];
  const float* pixels[kPixels];
#pragma GCC unroll 12
  for (int p = 0; p < kPixels; ++p) {
    for (int j = 0; j < kColumns; ++j) sums[p][j] = hn::Zero(d);
    pixels[p] = s.inputs + s.places[p];
  }
  const float* block_filters = s.filters;
  int64_t block_input = 0;
  const float* ahead = s.ahead;
  for (int64_t block = 0; block < s.blocks; ++block, block_input += s.input_stride) {
    const int64_t channels = s.channels[block];
    for (int t = 0; t < s.num_taps; ++t) {
      const DirectTap& tap = s.taps[t];
      const float* filters = block_filters + tap.index * channels * kStep;
      const int64_t input = block_input + tap.input;
      for (int64_t line = 0; line < kAheadFloats; line += kLine) {
        __builtin_prefetch(ahead + line, 0, 2);
      }
      ahead += s.ahead_step;
      if (HWY_LIKELY(tap.pixels == kAllPixels)) {
#pragma GCC unroll 12
        for (int p = 0; p < kPixels; ++p) {
          // The next block's rows: they follow no pattern that hardware foresees.
          __builtin_prefetch(pixels[p] + input + s.input_stride);
        }
        AddProducts<kBlock>(pixels, input, input + channels, filters, sums);
      } else {
        const float* inside[kPixels];
#pragma GCC unroll 12
        for (int p = 0; p < kPixels; ++p) {
          inside[p] = tap.pixels >> p & 1 ? pixels[p] + input : kZeros;
        }
        AddProducts<kBlock>(inside, 0, channels, filters, sums);
      }
    }
    block_filters += s.filter_taps * channels * kStep;
  }
  const V scale = hn::Set(d, s.scale);
  float* const results = s.results;  // stores might change s, for all the compiler knows
  const int64_t* const targets = s.targets;
  const int64_t column_stride = s.column_stride;
#pragma GCC unroll 12
  for (int p = 0; p < kPixels; ++p) {
    for (int j = 0; j < kColumns; ++j) {
      hn::StoreU(hn::Mul(scale, sums[p][j]), d, results + j * column_stride + targets[p]);
    }
  }
}

// Pixels whose sums are taken together, as an addition takes some cycles.
constexpr int64_t kGathered = 4;

// Sums of `kCount` pixels from p on, which reach as many columns. kLanes hold the channels.
template <int kBlock, int kLanes, int64_t kCount>
HWY_INLINE void GatherPixels(const DirectGather& g, int64_t p) {
  const hn::CappedTag<float, kLanes> d;
  const hn::CappedTag<float, kBlock> whole;
  hn::Vec<decltype(d)> sums[kCount];
  for (int64_t q = 0; q < kCount; ++q) sums[q] = hn::Zero(d);
  for (int r = 0; r < g.num_rows; ++r) {
    for (int64_t j = 0; j < g.columns[p]; ++j) {
      const float* products = g.rows[r] + j * g.column_stride;
      for (int64_t q = 0; q < kCount; ++q) {
        sums[q] = hn::Add(sums[q], hn::LoadU(d, products + g.first_products[p + q]));
      }
    }
  }
  const auto channels = hn::FirstN(d, g.channels);
  for (int64_t q = 0; q < kCount; ++q) {
    float* result = g.results + (p + q) * kBlock;
    if (kLanes < kBlock) hn::StoreU(hn::Zero(whole), whole, result);
    hn::StoreU(hn::IfThenElseZero(channels, hn::Mul(hn::Set(d, g.scale), sums[q])), d, result);
  }
}

template <int kBlock, int kLanes>
void GatherLanes(const DirectGather& g, int64_t pixels) {
  for (int64_t p = 0; p < pixels;) {
    const int64_t last = p + kGathered - 1;
    if (last < pixels && std::all_of(g.columns + p + 1, g.columns + last + 1,
                                     [&](int32_t count) { return count == g.columns[p]; })) {
      GatherPixels<kBlock, kLanes, kGathered>(g, p);
      p += kGathered;
    } else {
      GatherPixels<kBlock, kLanes, 1>(g, p++);
    }
  }
}

// A narrow load seldom crosses a cache line; wide ones of a tap's few lanes mostly do.
template <int kBlock>
void GatherBlocked(const DirectGather& gather, int64_t pixels) {
  const auto run = gather.channels <= 4 ? GatherLanes<kBlock, 4> : GatherLanes<kBlock, kBlock>;
  run(gather, pixels);
}

void Gather(const DirectGather& gather, int64_t pixels, int block) {
  const auto run = block == 16 ? GatherBlocked<16> : GatherBlocked<8>;
  run(gather, pixels);
}

using Function = void (*)(const DirectSums& sums);

template <int kBlock, int kColumns, int... kPixels>
Function FunctionFor(int pixels, std::integer_sequence<int, kPixels...>) {
  static constexpr Function kFunctions[] = {Sum<kBlock, kPixels + 1, kColumns>...};
  return kFunctions[pixels - 1];
}

void Taps(const DirectSums& sums, int pixels, int columns, int block) {
  constexpr auto kCounts = std::make_integer_sequence<int, kMostPixels>();
  const Function run = block == 16 ? (columns == 2 ? FunctionFor<16, 2>(pixels, kCounts)
                                                   : FunctionFor<16, 1>(pixels, kCounts))
                                   : (columns == 2 ? FunctionFor<8, 2>(pixels, kCounts)
                                                   : FunctionFor<8, 1>(pixels, kCounts));
  run(sums);
}

int MostPixels() { return kMostPixels; }

int64_t VectorLanes() { return static_cast<int64_t>(hn::Lanes(hn::CappedTag<float, 16>())); }

}  // namespace HWY_NAMESPACE
}  // namespace csc::onednn
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

namespace csc::onednn {

HWY_EXPORT(Taps);
HWY_EXPORT(Gather);
HWY_EXPORT(MostPixels);
HWY_EXPORT(VectorLanes);

void SumTaps(const DirectSums& sums, int pixels, int columns, int block) {
  HWY_DYNAMIC_DISPATCH(Taps)(sums, pixels, columns, block);
}

void GatherTaps(const DirectGather& gather, int64_t pixels, int block) {
  HWY_DYNAMIC_DISPATCH(Gather)(gather, pixels, block);
}

int MostDirectPixels() { return HWY_DYNAMIC_DISPATCH(MostPixels)(); }

bool VectorsHold(int block) { return block >= 8 && HWY_DYNAMIC_DISPATCH(VectorLanes)() >= block; }

}  // namespace csc::onednn
#endif  // HWY_ONCE
