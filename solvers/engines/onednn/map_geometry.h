// Which inputs a result of a linear map is a sum over, as a forward convolution.
//
// An analysis takes a stride from result to result. A synthesis is the analysis by
// flipped, transposed filters, pads d (k - 1) - p, of inputs that lie a spacing apart
// (its stride), with nothing between them: of its taps a result finds those that fall
// on inputs, all results of the same phase the same ones.

#ifndef CSC_SOLVERS_ENGINES_ONEDNN_MAP_GEOMETRY_H_
#define CSC_SOLVERS_ENGINES_ONEDNN_MAP_GEOMETRY_H_

#include <array>
#include <cstdint>

#include "solvers/program/program.h"

namespace csc::onednn {

inline int64_t FloorDiv(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }
inline int64_t CeilDiv(int64_t a, int64_t b) { return -FloorDiv(-a, b); }

// Axis 0 counts rows, axis 1 columns.
struct MapGeometry {
  Shape in, out;
  std::array<int64_t, 2> kernel, dilations, pads;  // pads: top, left
  std::array<int64_t, 2> strides = {1, 1}, spacings = {1, 1};

  int64_t taps() const { return kernel[0] * kernel[1]; }
  // That a tap of a result falls on, or -1.
  int64_t InputOf(int axis, int64_t result, int64_t tap) const;
  // The same as the sum of what depends on the result and what depends on the tap, whose
  // first is at 0.
  int64_t PlaceOf(int axis, int64_t result) const {
    return FloorDiv(result * strides[axis] - pads[axis], spacings[axis]);
  }
  int64_t ShiftOf(int axis, int64_t tap) const {
    return CeilDiv(tap * dilations[axis], spacings[axis]);
  }
  // Pairs of a result's position and a tap of its that falls on an input.
  double TapsInside() const;
};

}  // namespace csc::onednn

#endif  // CSC_SOLVERS_ENGINES_ONEDNN_MAP_GEOMETRY_H_
