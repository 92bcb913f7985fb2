#include "solvers/engines/onednn/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "solvers/engines/onednn/kernels.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace csc::onednn {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Pixels of a strip: 64 * 16 lanes * 4 bytes = 4 KB an operand.
constexpr int64_t kStripPixels = 64;

// For blocks of kBlock lanes, 8 or 16: vectors are never wider than a block. (oneDNN
// may have been told to do without the widest.)
template <int kBlock>
struct Elementwise {
  using D = hn::CappedTag<float, kBlock>;
  using V = hn::Vec<D>;

  template <Shrink kShrink>
  static HWY_INLINE V Shrunk(D d, V z, V b) {
    const V zero = hn::Zero(d);
    switch (kShrink) {
      case Shrink::kNone:
        return hn::Sub(z, b);
      case Shrink::kNonnegative: {
        // Max would drop a NaN; the comparison keeps it.
        const V y = hn::Sub(z, b);
        return hn::IfThenZeroElse(hn::Lt(y, zero), y);
      }
      case Shrink::kSoft: {
        const V y = hn::Sub(hn::Abs(z), b);
        return hn::CopySign(hn::IfThenZeroElse(hn::Lt(y, zero), y), z);
      }
    }
    return z;
  }

  // kTerms terms on `count` vectors that lie `step` floats apart.
  template <int kTerms, Shrink kShrink>
  static HWY_INLINE void PointwiseLanes(const ElementOp& op, const float* const* terms,
                                        float* result, int64_t pixels, const float* a,
                                        const float* b) {
    const D d;
    const int64_t n = hn::Lanes(d);
    for (int lane = 0; lane < kBlock; lane += n) {
      const V scale = a ? hn::LoadU(d, a + lane) : hn::Set(d, 1.0f);
      const V threshold = b ? hn::LoadU(d, b + lane) : hn::Zero(d);
      V coefficients[kTerms];
      for (int t = 0; t < kTerms; ++t) {
        coefficients[t] = hn::Set(d, op.coefficients[t]);
      }
      for (int64_t p = 0; p < pixels; ++p) {
        const int64_t at = p * kBlock + lane;
        V sum = hn::Mul(coefficients[0], hn::LoadU(d, terms[0] + at));
        for (int t = 1; t < kTerms; ++t) {
          sum = hn::MulAdd(coefficients[t], hn::LoadU(d, terms[t] + at), sum);
        }
        hn::StoreU(Shrunk<kShrink>(d, hn::Mul(sum, scale), threshold), d, result + at);
      }
    }
  }

  template <int kTerms>
  static HWY_INLINE void Pointwise(const ElementOp& op, const float* const* terms, float* result,
                                   int64_t pixels, const float* a, const float* b) {
    switch (op.shrink) {
      case Shrink::kNone:
        return PointwiseLanes<kTerms, Shrink::kNone>(op, terms, result, pixels, a, b);
      case Shrink::kSoft:
        return PointwiseLanes<kTerms, Shrink::kSoft>(op, terms, result, pixels, a, b);
      case Shrink::kNonnegative:
        return PointwiseLanes<kTerms, Shrink::kNonnegative>(op, terms, result, pixels, a, b);
    }
  }

  static HWY_INLINE void PointwiseStrip(const ElementOp& op, const float* const* terms,
                                        float* result, int64_t pixels, const float* a,
                                        const float* b) {
    switch (op.num_terms) {
      case 1:
        return Pointwise<1>(op, terms, result, pixels, a, b);
      case 2:
        return Pointwise<2>(op, terms, result, pixels, a, b);
      case 3:
        return Pointwise<3>(op, terms, result, pixels, a, b);
      case 4:
        return Pointwise<4>(op, terms, result, pixels, a, b);
      case 5:
        return Pointwise<5>(op, terms, result, pixels, a, b);
      case 6:
        return Pointwise<6>(op, terms, result, pixels, a, b);
    }
  }

  static HWY_INLINE void MaskStrip(const float* x, const float* where, float* result,
                                   int64_t count) {
    const D d;
    for (int64_t i = 0; i < count; i += hn::Lanes(d)) {
      const auto keep = hn::Ne(hn::LoadU(d, where + i), hn::Zero(d));
      hn::StoreU(hn::IfThenElseZero(keep, hn::LoadU(d, x + i)), d, result + i);
    }
  }

  static HWY_INLINE void NormaliseAdjointStrip(const float* dy, const float* y, float* result,
                                               int64_t pixels, const float* a, const float* b,
                                               const float* c) {
    const D d;
    for (int lane = 0; lane < kBlock; lane += hn::Lanes(d)) {
      const V va = hn::LoadU(d, a + lane);
      const V vb = hn::LoadU(d, b + lane);
      const V vc = hn::LoadU(d, c + lane);
      for (int64_t p = 0; p < pixels; ++p) {
        const int64_t at = p * kBlock + lane;
        const V centred = hn::Sub(hn::LoadU(d, dy + at), vb);
        hn::StoreU(hn::Mul(va, hn::NegMulAdd(vc, hn::LoadU(d, y + at), centred)), d, result + at);
      }
    }
  }

  // Adds the sum over a strip of f(first, second) to sums[0 .. kBlock).
  template <typename F>
  static HWY_INLINE void SumStrip(const float* first, const float* second, int64_t pixels,
                                  double* sums, const F& f) {
    const D d;
    HWY_ALIGN float partial[16];
    for (int lane = 0; lane < kBlock; lane += hn::Lanes(d)) {
      V sum = hn::Zero(d);
      for (int64_t p = 0; p < pixels; ++p) {
        const int64_t at = p * kBlock + lane;
        sum = f(d, hn::LoadU(d, first + at), hn::LoadU(d, second + at), sum);
      }
      hn::Store(sum, d, partial);
      for (size_t i = 0; i < hn::Lanes(d); ++i) sums[lane + i] += partial[i];
    }
  }

  // Sum and sum of squares over a strip, about its first pixel: their rounding is
  // then relative to the deviations, and the variance of a channel far from zero,
  // or constant, comes out right.
  static HWY_INLINE void MomentsStrip(const float* x, int64_t pixels, double* sums,
                                      double* squares) {
    const D d;
    HWY_ALIGN float first[16], sum[16], square[16];
    for (int lane = 0; lane < kBlock; lane += hn::Lanes(d)) {
      const V pivot = hn::LoadU(d, x + lane);
      V deviations = hn::Zero(d);
      V squared = hn::Zero(d);
      for (int64_t p = 1; p < pixels; ++p) {
        const V deviation = hn::Sub(hn::LoadU(d, x + p * kBlock + lane), pivot);
        deviations = hn::Add(deviations, deviation);
        squared = hn::MulAdd(deviation, deviation, squared);
      }
      hn::Store(pivot, d, first);
      hn::Store(deviations, d, sum);
      hn::Store(squared, d, square);
      for (size_t i = 0; i < hn::Lanes(d); ++i) {
        const double p = first[i];
        sums[lane + i] += pixels * p + sum[i];
        squares[lane + i] += pixels * p * p + 2 * p * sum[i] + square[i];
      }
    }
  }

  static HWY_INLINE void ReductionStrip(const ElementOp& op, const float* const* terms,
                                        int64_t pixels, int64_t lanes, double* sums) {
    const float* x = terms[0];
    const float* second = op.num_terms > 1 ? terms[1] : terms[0];
    const auto plain = [](D, V v, V, V sum) HWY_ATTR { return hn::Add(sum, v); };
    const auto product = [](D, V v, V w, V sum) HWY_ATTR { return hn::MulAdd(v, w, sum); };
    const auto times_sign = [](D d, V v, V w, V sum) HWY_ATTR {
      const V signed_value = hn::IfThenElse(hn::Lt(w, hn::Zero(d)), hn::Neg(v), v);
      return hn::Add(sum, hn::IfThenElseZero(hn::Ne(w, hn::Zero(d)), signed_value));
    };
    switch (op.kind) {
      case ElementKind::kSum:
        return SumStrip(x, x, pixels, sums, plain);
      case ElementKind::kSumTimesSecond:
        return SumStrip(x, second, pixels, sums, product);
      case ElementKind::kSumTimesSign:
        return SumStrip(x, second, pixels, sums, times_sign);
      case ElementKind::kSumAndSquares:
        return MomentsStrip(x, pixels, sums, sums + lanes);
      case ElementKind::kSumAndProducts:
        SumStrip(x, x, pixels, sums, plain);
        return SumStrip(x, second, pixels, sums + lanes, product);
      default:
        return;
    }
  }

  static void Run(const ElementOp* ops, int64_t num_ops, const ElementRange& range, int64_t lanes,
                  int64_t pixels) {
    for (int64_t n = range.first_image; n < range.end_image; ++n) {
      for (int64_t lane = range.first_lane; lane < range.end_lane; lane += kBlock) {
        for (int64_t first = range.first_pixel; first < range.end_pixel; first += kStripPixels) {
          const int64_t strip = HWY_MIN(kStripPixels, range.end_pixel - first);
          const int64_t at = lane * pixels + first * kBlock;
          for (int64_t k = 0; k < num_ops; ++k) {
            const ElementOp& op = ops[k];
            const float* terms[kMaxTerms];
            for (int t = 0; t < op.num_terms; ++t) {
              terms[t] = op.terms[t].image(n) + at;
            }
            float* result = op.result.data ? op.result.image(n) + at : nullptr;
            const float* a = op.a ? op.a + lane : nullptr;
            const float* b = op.b ? op.b + lane : nullptr;
            switch (op.kind) {
              case ElementKind::kPointwise:
                PointwiseStrip(op, terms, result, strip, a, b);
                break;
              case ElementKind::kMask:
                MaskStrip(terms[0], terms[1], result, strip * kBlock);
                break;
              case ElementKind::kNormaliseAdjoint:
                NormaliseAdjointStrip(terms[0], terms[1], result, strip, a, b, op.c + lane);
                break;
              default:
                ReductionStrip(op, terms, strip, lanes, op.sums + lane);
            }
          }
        }
      }
    }
  }
};

void RunElementwise(const ElementOp* ops, int64_t num_ops, const ElementRange& range, int64_t lanes,
                    int64_t pixels, int block) {
  const auto run = block == 16 ? Elementwise<16>::Run : Elementwise<8>::Run;
  run(ops, num_ops, range, lanes, pixels);
}

}  // namespace HWY_NAMESPACE
}  // namespace csc::onednn
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

#include "hwy/targets.h"

namespace csc::onednn {

HWY_EXPORT(RunElementwise);

void RunElementwise(const std::vector<ElementOp>& ops, const ElementRange& range, int64_t lanes,
                    int64_t pixels, int block) {
  HWY_DYNAMIC_DISPATCH(RunElementwise)
  (ops.data(), static_cast<int64_t>(ops.size()), range, lanes, pixels, block);
}

std::string SimdTarget() {
  const int64_t best = hwy::SupportedTargets() & HWY_TARGETS;
  return hwy::TargetName(best & -best);  // the lowest bit is the best target
}

}  // namespace csc::onednn
#endif  // HWY_ONCE
