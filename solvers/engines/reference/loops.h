// Loops that several instructions share.

#ifndef CSC_SOLVERS_ENGINES_REFERENCE_LOOPS_H_
#define CSC_SOLVERS_ENGINES_REFERENCE_LOOPS_H_

#include <cstdint>

#include "solvers/program/program.h"

namespace csc::reference {

// Calls body(n, c, h, w) for every element of a batch of this shape.
template <typename Body>
void ForEachElement(int64_t batch, const Shape& shape, const Body& body) {
  for (int64_t n = 0; n < batch; ++n) {
    for (int64_t c = 0; c < shape.channels; ++c) {
      for (int64_t h = 0; h < shape.height; ++h) {
        for (int64_t w = 0; w < shape.width; ++w) body(n, c, h, w);
      }
    }
  }
}

// Calls body(i, j, kh, kw, h, w) for every tap of every window that lies
// inside an image of this size: window (i, j) reads pixel (h, w).
template <typename Body>
void ForEachTap(const Geometry& g, const Shape& image, const Shape& code, const Body& body) {
  for (int64_t i = 0; i < code.height; ++i) {
    for (int64_t j = 0; j < code.width; ++j) {
      for (int64_t kh = 0; kh < g.kernel[0]; ++kh) {
        const int64_t h = i * g.strides[0] - g.pads[0] + kh * g.dilations[0];
        if (h < 0 || h >= image.height) continue;
        for (int64_t kw = 0; kw < g.kernel[1]; ++kw) {
          const int64_t w = j * g.strides[1] - g.pads[1] + kw * g.dilations[1];
          if (w < 0 || w >= image.width) continue;
          body(i, j, kh, kw, h, w);
        }
      }
    }
  }
}

}  // namespace csc::reference

#endif  // CSC_SOLVERS_ENGINES_REFERENCE_LOOPS_H_
