#include "solvers/engines/onednn/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "solvers/engines/onednn/kernels.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace csc::onednn {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Pixels of a strip: 32 * 16 lanes * 4 bytes = 2 KB an operand, of which the first
// level of cache holds some twenty.
constexpr int64_t kStripPixels = 32;
// Sums that are added up independently, as an addition takes some cycles.
constexpr int kSums = 4;

// The values in memory of some operations. Their strips are asked for one strip ahead:
// hardware foresees nothing beyond a page, and strips change pages all the time.
class Streams {
 public:
  Streams(const ElementOp* ops, int64_t num_ops, int64_t strip_floats)
      : lines_(strip_floats / kLine), lines_of_an_op_((lines_ + num_ops - 1) / num_ops) {
    for (int64_t k = 0; k < num_ops; ++k) {
      for (int t = 0; t < ops[k].num_terms; ++t) Add(ops[k].terms[t]);
      Add(ops[k].result);
    }
  }

  // Aims at the strips at `at` of image n. They may lie beyond what there is.
  HWY_INLINE void Aim(int64_t n, int64_t at) {
    for (int s = 0; s < count_; ++s) next_[s] = planes_[s].image(n) + at;
  }

  // Asks for a share of the next strips before operation k, so that they arrive while
  // operations run.
  HWY_INLINE void Prefetch(int64_t k) const {
    if (count_ == 0) return;
    const int64_t end = HWY_MIN((k + 1) * lines_of_an_op_, lines_);
    for (int64_t line = k * lines_of_an_op_; line < end; ++line) {
      for (int s = 0; s < count_; ++s) __builtin_prefetch(next_[s] + line * kLine, 0, 2);
    }
  }

 private:
  static constexpr int64_t kLine = 16;  // floats
  static constexpr int kMost = 16;

  void Add(const Operand& operand) {
    if (!operand.streams || count_ == kMost) return;
    for (int s = 0; s < count_; ++s) {
      if (planes_[s].data == operand.plane.data) return;
    }
    planes_[count_++] = operand.plane;
  }

  const int64_t lines_;  // of a strip
  const int64_t lines_of_an_op_;
  Plane planes_[kMost];
  const float* next_[kMost];
  int count_ = 0;
};

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

  // Calls add(pixel, k) for each pixel of a strip, k in 0 .. kSums - 1 by turns.
  template <typename F>
  static HWY_INLINE void ForEachPixel(int64_t first, int64_t pixels, const F& add) {
    int64_t p = first;
    for (; p + kSums <= pixels; p += kSums) {
      for (int k = 0; k < kSums; ++k) add(p + k, k);
    }
    for (; p < pixels; ++p) add(p, 0);
  }

  // A vector's sums, to be added to others in double.
  struct Sums {
    using Wide = hn::CappedTag<double, 8>;
    HWY_ALIGN float sums[16];

    HWY_INLINE explicit Sums(const V* parts) {
      const D d;
      hn::Store(hn::Add(hn::Add(parts[0], parts[1]), hn::Add(parts[2], parts[3])), d, sums);
    }
    HWY_INLINE hn::Vec<Wide> At(size_t i) const {
      return hn::PromoteTo(Wide(), hn::LoadU(hn::Rebind<float, Wide>(), sums + i));
    }
    HWY_INLINE void AddTo(double* to) const {
      const Wide w;
      for (size_t i = 0; i < hn::Lanes(D()); i += hn::Lanes(w)) {
        hn::StoreU(hn::Add(hn::LoadU(w, to + i), At(i)), w, to + i);
      }
    }
  };

  // Adds the sum over a strip of f(first, second) to sums[0 .. kBlock).
  template <typename F>
  static HWY_INLINE void SumStrip(const float* first, const float* second, int64_t pixels,
                                  double* sums, const F& f) {
    const D d;
    for (int lane = 0; lane < kBlock; lane += hn::Lanes(d)) {
      V sum[kSums] = {hn::Zero(d), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
      ForEachPixel(0, pixels, [&](int64_t p, int k) HWY_ATTR {
        const int64_t at = p * kBlock + lane;
        sum[k] = f(d, hn::LoadU(d, first + at), hn::LoadU(d, second + at), sum[k]);
      });
      Sums(sum).AddTo(sums + lane);
    }
  }

  static HWY_INLINE void SumAndProductsStrip(const float* x, const float* y, int64_t pixels,
                                             double* sums, double* products) {
    const D d;
    for (int lane = 0; lane < kBlock; lane += hn::Lanes(d)) {
      V sum[kSums] = {hn::Zero(d), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
      V product[kSums] = {hn::Zero(d), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
      ForEachPixel(0, pixels, [&](int64_t p, int k) HWY_ATTR {
        const V v = hn::LoadU(d, x + p * kBlock + lane);
        sum[k] = hn::Add(sum[k], v);
        product[k] = hn::MulAdd(v, hn::LoadU(d, y + p * kBlock + lane), product[k]);
      });
      Sums(sum).AddTo(sums + lane);
      Sums(product).AddTo(products + lane);
    }
  }

  // Sum and sum of squares over a strip, about its first pixel: their rounding is
  // then relative to the deviations, and the variance of a channel far from zero,
  // or constant, comes out right.
  static HWY_INLINE void MomentsStrip(const float* x, int64_t pixels, double* sums,
                                      double* squares) {
    const D d;
    for (int lane = 0; lane < kBlock; lane += hn::Lanes(d)) {
      const V pivot = hn::LoadU(d, x + lane);
      V deviations[kSums] = {hn::Zero(d), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
      V squared[kSums] = {hn::Zero(d), hn::Zero(d), hn::Zero(d), hn::Zero(d)};
      ForEachPixel(1, pixels, [&](int64_t p, int k) HWY_ATTR {
        const V deviation = hn::Sub(hn::LoadU(d, x + p * kBlock + lane), pivot);
        deviations[k] = hn::Add(deviations[k], deviation);
        squared[k] = hn::MulAdd(deviation, deviation, squared[k]);
      });
      const V first_pixel[kSums] = {pivot, hn::Zero(d), hn::Zero(d), hn::Zero(d)};
      const Sums first(first_pixel), sum(deviations), square(squared);
      const typename Sums::Wide w;
      const auto count = hn::Set(w, static_cast<double>(pixels));
      for (size_t i = 0; i < hn::Lanes(d); i += hn::Lanes(w)) {
        const auto p = first.At(i), s = sum.At(i);
        const auto total = hn::MulAdd(count, p, s);  // of the pixels
        double* sums_at = sums + lane + i;
        double* squares_at = squares + lane + i;
        hn::StoreU(hn::Add(hn::LoadU(w, sums_at), total), w, sums_at);
        // count p^2 + 2 p s + the squares
        const auto all = hn::MulAdd(p, hn::Add(total, s), square.At(i));
        hn::StoreU(hn::Add(hn::LoadU(w, squares_at), all), w, squares_at);
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
        return SumAndProductsStrip(x, second, pixels, sums, sums + lanes);
      default:
        return;
    }
  }

  static HWY_INLINE void RunOnStrip(const ElementOp& op, float* slots, int64_t image, int64_t lane,
                                    int64_t at, int64_t pixels, int64_t lanes) {
    const auto strip_of = [&](const Operand& operand) {
      return operand.slot < 0 ? operand.plane.image(image) + at
                              : slots + operand.slot * kStripPixels * kBlock;
    };
    const float* terms[kMaxTerms];
    for (int t = 0; t < op.num_terms; ++t) terms[t] = strip_of(op.terms[t]);
    float* result = strip_of(op.result);
    const float* a = op.a ? op.a + lane : nullptr;
    const float* b = op.b ? op.b + lane : nullptr;
    switch (op.kind) {
      case ElementKind::kPointwise:
        return PointwiseStrip(op, terms, result, pixels, a, b);
      case ElementKind::kMask:
        return MaskStrip(terms[0], terms[1], result, pixels * kBlock);
      case ElementKind::kNormaliseAdjoint:
        return NormaliseAdjointStrip(terms[0], terms[1], result, pixels, a, b, op.c + lane);
      default:
        return ReductionStrip(op, terms, pixels, lanes, op.sums + lane);
    }
  }

  static void Run(const ElementOp* ops, int64_t num_ops, const ElementRange& range, int64_t lanes,
                  int64_t pixels) {
    HWY_ALIGN float slots[kMostSlots * kStripPixels * kBlock];
    Streams streams(ops, num_ops, kStripPixels * kBlock);
    for (int64_t n = range.first_image; n < range.end_image; ++n) {
      for (int64_t lane = range.first_lane; lane < range.end_lane; lane += kBlock) {
        for (int64_t first = range.first_pixel; first < range.end_pixel; first += kStripPixels) {
          const int64_t strip = HWY_MIN(kStripPixels, range.end_pixel - first);
          const int64_t at = lane * pixels + first * kBlock;
          const bool last = first + kStripPixels >= range.end_pixel;
          streams.Aim(n, last ? at + (pixels + range.first_pixel - first) * kBlock
                              : at + kStripPixels * kBlock);
          for (int64_t k = 0; k < num_ops; ++k) {
            streams.Prefetch(k);
            RunOnStrip(ops[k], slots, n, lane, at, strip, lanes);
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
