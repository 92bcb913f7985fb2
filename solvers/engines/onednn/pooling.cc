// Pooling over blocked values: one pass over memory.

#include <algorithm>

#include "solvers/engines/onednn/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "solvers/engines/onednn/pooling.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace csc::onednn {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

template <int kBlock>
struct Pooling {
  using D = hn::CappedTag<float, kBlock>;
  using V = hn::Vec<D>;

  // Calls body(offset of a window's first pixel, offset of its result) for every
  // window and every vector of a block.
  template <typename Body>
  static HWY_INLINE void ForEachWindow(const Pool& pool, const Body& body) {
    const Shape& in = pool.large;
    const Shape& out = pool.small;
    for (int64_t lane = 0; lane < pool.lanes; lane += kBlock) {
      const int64_t in_block = lane * in.height * in.width;
      const int64_t out_block = lane * out.height * out.width;
      for (int64_t i = 0; i < out.height; ++i) {
        for (int64_t j = 0; j < out.width; ++j) {
          const int64_t pixel =
              i * pool.geometry.strides[0] * in.width + j * pool.geometry.strides[1];
          for (int64_t l = 0; l < kBlock; l += hn::Lanes(D())) {
            body(in_block + pixel * kBlock + l, out_block + (i * out.width + j) * kBlock + l);
          }
        }
      }
    }
  }

  // Calls body(offset from the window's first pixel, whether a row begins) for
  // every pixel of a window.
  template <typename Body>
  static HWY_INLINE void ForEachTap(const Pool& pool, const Body& body) {
    for (int64_t kh = 0; kh < pool.geometry.kernel[0]; ++kh) {
      for (int64_t kw = 0; kw < pool.geometry.kernel[1]; ++kw) {
        body((kh * pool.large.width + kw) * kBlock, kw == 0);
      }
    }
  }

  // A NaN in a window stays its maximum.
  static HWY_INLINE V MaxOf(const Pool& pool, const float* window) {
    const D d;
    V best = hn::LoadU(d, window);
    ForEachTap(pool, [&](int64_t tap, bool) HWY_ATTR {
      const V v = hn::LoadU(d, window + tap);
      best = hn::IfThenElse(hn::Or(hn::Gt(v, best), hn::Not(hn::Eq(v, v))), v, best);
    });
    return best;
  }

  static void Max(const Pool& pool, const Plane& x, const Plane& y) {
    for (int64_t n = 0; n < pool.images; ++n) {
      ForEachWindow(pool, [&](int64_t from, int64_t to) HWY_ATTR {
        hn::StoreU(MaxOf(pool, x.image(n) + from), D(), y.image(n) + to);
      });
    }
  }

  // The maximum is sought again: x may have been computed anew, to other last bits.
  static void MaxAdjoint(const Pool& pool, const Plane& dy, const Plane& x, const Plane& dx) {
    const D d;
    const bool tiles = Tiles(pool);
    for (int64_t n = 0; n < pool.images; ++n) {
      if (!tiles) Clear(pool, dx.image(n));
      ForEachWindow(pool, [&](int64_t from, int64_t to) HWY_ATTR {
        const float* src = x.image(n) + from;
        float* dst = dx.image(n) + from;
        const V max = MaxOf(pool, src);
        V gradient = hn::LoadU(d, dy.image(n) + to);  // zero once it has found its taker
        ForEachTap(pool, [&](int64_t tap, bool) HWY_ATTR {
          const auto takes = hn::Eq(hn::LoadU(d, src + tap), max);
          const V taken = hn::IfThenElseZero(takes, gradient);
          hn::StoreU(tiles ? taken : hn::Add(taken, hn::LoadU(d, dst + tap)), d, dst + tap);
          gradient = hn::IfThenZeroElse(takes, gradient);
        });
      });
    }
  }

  static void Average(const Pool& pool, const Plane& x, const Plane& y) {
    const D d;
    const V scale = hn::Set(d, 1.0f / Positions(pool));
    for (int64_t n = 0; n < pool.images; ++n) {
      ForEachWindow(pool, [&](int64_t from, int64_t to) HWY_ATTR {
        // Summed by rows, so that rounding grows with one side.
        V sum = hn::Zero(d), row = hn::Zero(d);
        const float* src = x.image(n) + from;
        ForEachTap(pool, [&](int64_t tap, bool row_begins) HWY_ATTR {
          if (row_begins) {
            sum = hn::Add(sum, row);
            row = hn::Zero(d);
          }
          row = hn::Add(row, hn::LoadU(d, src + tap));
        });
        hn::StoreU(hn::Mul(hn::Add(sum, row), scale), d, y.image(n) + to);
      });
    }
  }

  static void AverageAdjoint(const Pool& pool, const Plane& dy, const Plane& dx) {
    const D d;
    const V scale = hn::Set(d, 1.0f / Positions(pool));
    for (int64_t n = 0; n < pool.images; ++n) {
      Clear(pool, dx.image(n));
      ForEachWindow(pool, [&](int64_t from, int64_t to) HWY_ATTR {
        const V share = hn::Mul(hn::LoadU(d, dy.image(n) + to), scale);
        float* dst = dx.image(n) + from;
        ForEachTap(pool, [&](int64_t tap, bool) HWY_ATTR {
          hn::StoreU(hn::Add(share, hn::LoadU(d, dst + tap)), d, dst + tap);
        });
      });
    }
  }

 private:
  // Whether every position of the input lies in exactly one window.
  static bool Tiles(const Pool& pool) {
    const Geometry& g = pool.geometry;
    return g.strides == g.kernel && pool.small.height * g.kernel[0] == pool.large.height &&
           pool.small.width * g.kernel[1] == pool.large.width;
  }

  static void Clear(const Pool& pool, float* image) {
    std::fill_n(image, pool.lanes * pool.large.height * pool.large.width, 0.0f);
  }

  static float Positions(const Pool& pool) {
    return static_cast<float>(pool.geometry.kernel[0] * pool.geometry.kernel[1]);
  }
};

void MaxPool(const Pool& pool, Plane x, Plane y, int block) {
  const auto run = block == 16 ? Pooling<16>::Max : Pooling<8>::Max;
  run(pool, x, y);
}

void MaxPoolAdjoint(const Pool& pool, Plane dy, Plane x, Plane dx, int block) {
  const auto run = block == 16 ? Pooling<16>::MaxAdjoint : Pooling<8>::MaxAdjoint;
  run(pool, dy, x, dx);
}

void AveragePool(const Pool& pool, Plane x, Plane y, int block) {
  const auto run = block == 16 ? Pooling<16>::Average : Pooling<8>::Average;
  run(pool, x, y);
}

void AveragePoolAdjoint(const Pool& pool, Plane dy, Plane dx, int block) {
  const auto run = block == 16 ? Pooling<16>::AverageAdjoint : Pooling<8>::AverageAdjoint;
  run(pool, dy, dx);
}

}  // namespace HWY_NAMESPACE
}  // namespace csc::onednn
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

namespace csc::onednn {

HWY_EXPORT(MaxPool);
HWY_EXPORT(MaxPoolAdjoint);
HWY_EXPORT(AveragePool);
HWY_EXPORT(AveragePoolAdjoint);

void MaxPool(const Pool& pool, Plane x, Plane y, int block) {
  HWY_DYNAMIC_DISPATCH(MaxPool)(pool, x, y, block);
}

void MaxPoolAdjoint(const Pool& pool, Plane dy, Plane x, Plane dx, int block) {
  HWY_DYNAMIC_DISPATCH(MaxPoolAdjoint)(pool, dy, x, dx, block);
}

void AveragePool(const Pool& pool, Plane x, Plane y, int block) {
  HWY_DYNAMIC_DISPATCH(AveragePool)(pool, x, y, block);
}

void AveragePoolAdjoint(const Pool& pool, Plane dy, Plane dx, int block) {
  HWY_DYNAMIC_DISPATCH(AveragePoolAdjoint)(pool, dy, dx, block);
}

}  // namespace csc::onednn
#endif  // HWY_ONCE
