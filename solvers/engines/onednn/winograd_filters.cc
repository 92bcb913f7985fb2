// Filters and their gradients on the way to and from Winograd's domain.

#include <array>
#include <cmath>

#include "solvers/engines/onednn/winograd_kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "solvers/engines/onednn/winograd_filters.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace csc::onednn {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// G F G^T of kBlock filters side by side.
template <int kBlock>
void Filters(const WinogradFilterTransform& g, const float* taps, float* transformed,
             int64_t stride) {
  const hn::CappedTag<float, kBlock> d;
  using V = hn::Vec<decltype(d)>;
  for (int lane = 0; lane < kBlock; lane += hn::Lanes(d)) {
    V lines[kWinogradInputs][kWinogradTaps];
    for (int t = 0; t < kWinogradTaps; ++t) {
      V x[kWinogradTaps];
      for (int s = 0; s < kWinogradTaps; ++s) {
        x[s] = hn::LoadU(d, taps + (s * kWinogradTaps + t) * kBlock + lane);
      }
      for (int i = 0; i < kWinogradInputs; ++i) {
        V sum = hn::Mul(hn::Set(d, g[i][0]), x[0]);
        for (int s = 1; s < kWinogradTaps; ++s) sum = hn::MulAdd(hn::Set(d, g[i][s]), x[s], sum);
        lines[i][t] = sum;
      }
    }
    float* to = transformed + lane;
    for (int i = 0; i < kWinogradInputs; ++i) {
      for (int j = 0; j < kWinogradInputs; ++j, to += stride) {
        V sum = hn::Mul(hn::Set(d, g[j][0]), lines[i][0]);
        for (int t = 1; t < kWinogradTaps; ++t) {
          sum = hn::MulAdd(hn::Set(d, g[j][t]), lines[i][t], sum);
        }
        hn::StoreU(sum, d, to);
      }
    }
  }
}

// G^T dU G of kBlock gradients side by side.
template <int kBlock>
void FilterGradients(const WinogradFilterTransform& g, const float* transformed, int64_t stride,
                     float* taps) {
  const hn::CappedTag<float, kBlock> d;
  using V = hn::Vec<decltype(d)>;
  for (int lane = 0; lane < kBlock; lane += hn::Lanes(d)) {
    V lines[kWinogradTaps][kWinogradInputs];
    const float* from = transformed + lane;
    for (int j = 0; j < kWinogradInputs; ++j, from += stride) {
      V sums[kWinogradTaps];
      for (V& sum : sums) sum = hn::Zero(d);
      for (int i = 0; i < kWinogradInputs; ++i) {
        const V x = hn::LoadU(d, from + i * kWinogradInputs * stride);
        for (int s = 0; s < kWinogradTaps; ++s) {
          sums[s] = hn::MulAdd(hn::Set(d, g[i][s]), x, sums[s]);
        }
      }
      for (int s = 0; s < kWinogradTaps; ++s) lines[s][j] = sums[s];
    }
    for (int s = 0; s < kWinogradTaps; ++s) {
      for (int t = 0; t < kWinogradTaps; ++t) {
        V sum = hn::Zero(d);
        for (int j = 0; j < kWinogradInputs; ++j) {
          sum = hn::MulAdd(hn::Set(d, g[j][t]), lines[s][j], sum);
        }
        hn::StoreU(sum, d, taps + (s * kWinogradTaps + t) * kBlock + lane);
      }
    }
  }
}

void TransformFilters(const WinogradFilterTransform& g, const float* taps, int block,
                      float* transformed, int64_t stride) {
  const auto run = block == 16 ? Filters<16> : Filters<8>;
  run(g, taps, transformed, stride);
}

void TransformFilterGradients(const WinogradFilterTransform& g, const float* transformed,
                              int64_t stride, int block, float* taps) {
  const auto run = block == 16 ? FilterGradients<16> : FilterGradients<8>;
  run(g, transformed, stride, taps);
}

}  // namespace HWY_NAMESPACE
}  // namespace csc::onednn
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

namespace csc::onednn {

HWY_EXPORT(TransformFilters);
HWY_EXPORT(TransformFilterGradients);

namespace {

// For each point p the row (1, p, p^2) / (product of p - others).
WinogradFilterTransform MakeFilterTransform() {
  WinogradFilterTransform rows = {};
  const double a = kPointA, b = kPointB;
  const double points[] = {0, a, -a, b, -b};
  const double divisors[] = {a * a * b * b, 2 * a * a * (a * a - b * b),
                             2 * a * a * (a * a - b * b), 2 * b * b * (b * b - a * a),
                             2 * b * b * (b * b - a * a)};
  for (int i = 0; i < kWinogradInputs - 1; ++i) {
    for (int t = 0; t < kWinogradTaps; ++t) {
      rows[i][t] = static_cast<float>(std::pow(points[i], t) / divisors[i]);
    }
  }
  rows[kWinogradInputs - 1][kWinogradTaps - 1] = 1;  // infinity
  return rows;
}

const WinogradFilterTransform kFilterTransform = MakeFilterTransform();

}  // namespace

void TransformFilters(const float* taps, int block, float* transformed, int64_t stride) {
  HWY_DYNAMIC_DISPATCH(TransformFilters)(kFilterTransform, taps, block, transformed, stride);
}

void TransformFilterGradients(const float* transformed, int64_t stride, int block, float* taps) {
  HWY_DYNAMIC_DISPATCH(TransformFilterGradients)
  (kFilterTransform, transformed, stride, block, taps);
}

}  // namespace csc::onednn
#endif  // HWY_ONCE
