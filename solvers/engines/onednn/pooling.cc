// Pooling over blocked values: memory-bound, so plain loops over the lanes of a
// block suffice; the compiler vectorises them.

#include <algorithm>

#include "solvers/engines/onednn/kernels.h"

namespace csc::onednn {

namespace {

// Where in its window a tap lies.
struct Tap {
  bool first, last;          // of the window
  bool row_first, row_last;  // of its row
  bool in_first_row;
};

// Calls body(offset of a pixel of `in`, offset of a pixel of `out`, tap) for
// every tap of every window, windows in order and taps of a window in order.
template <int block, typename Body>
void ForEachTap(const Shape& in, const Shape& out, const Geometry& g, int64_t lanes,
                const Body& body) {
  for (int64_t lane = 0; lane < lanes; lane += block) {
    const int64_t in_block = lane * in.height * in.width;
    const int64_t out_block = lane * out.height * out.width;
    for (int64_t i = 0; i < out.height; ++i) {
      for (int64_t j = 0; j < out.width; ++j) {
        const int64_t to = out_block + (i * out.width + j) * block;
        for (int64_t kh = 0; kh < g.kernel[0]; ++kh) {
          for (int64_t kw = 0; kw < g.kernel[1]; ++kw) {
            const int64_t row = i * g.strides[0] + kh;
            const int64_t column = j * g.strides[1] + kw;
            const int64_t from = in_block + (row * in.width + column) * block;
            const bool row_first = kw == 0;
            const bool row_last = kw + 1 == g.kernel[1];
            body(from, to,
                 Tap{kh == 0 && row_first, kh + 1 == g.kernel[0] && row_last, row_first, row_last,
                     kh == 0});
          }
        }
      }
    }
  }
}

template <int block>
void MaxPoolBlocked(Plane x, const Shape& in, Plane y, const Shape& out, const Geometry& geometry,
                    int64_t images, int64_t lanes) {
  for (int64_t n = 0; n < images; ++n) {
    const float* src = x.image(n);
    float* dst = y.image(n);
    ForEachTap<block>(in, out, geometry, lanes, [&](int64_t from, int64_t to, const Tap& tap) {
      for (int l = 0; l < block; ++l) {
        const float candidate = src[from + l];
        const float best = dst[to + l];
        // A NaN in a window stays its maximum.
        dst[to + l] = tap.first || candidate > best || candidate != candidate ? candidate : best;
      }
    });
  }
}

template <int block>
void MaxPoolAdjointBlocked(Plane dy, Plane x, Plane y, const Shape& out, Plane dx, const Shape& in,
                           const Geometry& geometry, int64_t images, int64_t lanes) {
  float open[block] = {};  // 1 while a window's gradient has found no taker
  for (int64_t n = 0; n < images; ++n) {
    const float* gradient = dy.image(n);
    const float* src = x.image(n);
    const float* max = y.image(n);
    float* dst = dx.image(n);
    std::fill_n(dst, lanes * in.height * in.width, 0.0f);
    ForEachTap<block>(in, out, geometry, lanes, [&](int64_t from, int64_t to, const Tap& tap) {
      for (int l = 0; l < block; ++l) {
        const float still_open = tap.first ? 1.0f : open[l];
        const float take = src[from + l] == max[to + l] ? still_open : 0.0f;
        dst[from + l] += take * gradient[to + l];
        open[l] = still_open - take;
      }
    });
  }
}

template <int block>
void AveragePoolBlocked(Plane x, const Shape& in, Plane y, const Shape& out,
                        const Geometry& geometry, int64_t images, int64_t lanes) {
  const float scale = 1.0f / static_cast<float>(geometry.kernel[0] * geometry.kernel[1]);
  for (int64_t n = 0; n < images; ++n) {
    const float* src = x.image(n);
    float* dst = y.image(n);
    float row[block] = {};  // summed by rows, so that rounding grows with one side
    ForEachTap<block>(in, out, geometry, lanes, [&](int64_t from, int64_t to, const Tap& tap) {
      for (int l = 0; l < block; ++l) {
        row[l] = (tap.row_first ? 0.0f : row[l]) + src[from + l];
        if (!tap.row_last) continue;
        dst[to + l] = (tap.in_first_row ? 0.0f : dst[to + l]) + row[l];
        if (tap.last) dst[to + l] *= scale;
      }
    });
  }
}

template <int block>
void AveragePoolAdjointBlocked(Plane dy, const Shape& out, Plane dx, const Shape& in,
                               const Geometry& geometry, int64_t images, int64_t lanes) {
  const float scale = 1.0f / static_cast<float>(geometry.kernel[0] * geometry.kernel[1]);
  for (int64_t n = 0; n < images; ++n) {
    const float* gradient = dy.image(n);
    float* dst = dx.image(n);
    std::fill_n(dst, lanes * in.height * in.width, 0.0f);
    ForEachTap<block>(in, out, geometry, lanes, [&](int64_t from, int64_t to, const Tap&) {
      for (int l = 0; l < block; ++l) {
        dst[from + l] += gradient[to + l] * scale;
      }
    });
  }
}

}  // namespace

void MaxPool(Plane x, const Shape& in, Plane y, const Shape& out, const Geometry& geometry,
             int64_t images, int64_t lanes, int block) {
  const auto run = block == 16 ? MaxPoolBlocked<16> : MaxPoolBlocked<8>;
  run(x, in, y, out, geometry, images, lanes);
}

void MaxPoolAdjoint(Plane dy, Plane x, Plane y, const Shape& out, Plane dx, const Shape& in,
                    const Geometry& geometry, int64_t images, int64_t lanes, int block) {
  const auto run = block == 16 ? MaxPoolAdjointBlocked<16> : MaxPoolAdjointBlocked<8>;
  run(dy, x, y, out, dx, in, geometry, images, lanes);
}

void AveragePool(Plane x, const Shape& in, Plane y, const Shape& out, const Geometry& geometry,
                 int64_t images, int64_t lanes, int block) {
  const auto run = block == 16 ? AveragePoolBlocked<16> : AveragePoolBlocked<8>;
  run(x, in, y, out, geometry, images, lanes);
}

void AveragePoolAdjoint(Plane dy, const Shape& out, Plane dx, const Shape& in,
                        const Geometry& geometry, int64_t images, int64_t lanes, int block) {
  const auto run = block == 16 ? AveragePoolAdjointBlocked<16> : AveragePoolAdjointBlocked<8>;
  run(dy, out, dx, in, geometry, images, lanes);
}

}  // namespace csc::onednn
