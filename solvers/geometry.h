// Where a convolution's windows lie: kernel, strides, dilations and pads.

#ifndef CSC_SOLVERS_GEOMETRY_H_
#define CSC_SOLVERS_GEOMETRY_H_

#include <array>
#include <cstdint>
#include <string>

#include "solvers/tensor.h"

namespace csc {

// Exactly ONNX Conv's attributes, in its order. Axis 0 is height, 1 is width.
struct Geometry {
  std::array<int64_t, 2> kernel = {1, 1};
  std::array<int64_t, 2> strides = {1, 1};
  std::array<int64_t, 2> dilations = {1, 1};
  std::array<int64_t, 4> pads = {0, 0, 0, 0};  // top, left, bottom, right

  // Height or width a dilated kernel covers: dilation * (kernel - 1) + 1.
  int64_t Extent(int axis) const { return dilations[axis] * (kernel[axis] - 1) + 1; }
  // Number of windows along `axis` of an input of `size`; 0 when none fits.
  int64_t OutputSize(int axis, int64_t size) const;
  // The smallest input size whose analysis has `output_size` windows.
  int64_t SmallestInputSize(int axis, int64_t output_size) const;
  // Whether every output has the size of its input, for inputs of any size.
  bool KeepsSize() const;

  bool operator==(const Geometry& other) const {
    return kernel == other.kernel && strides == other.strides && dilations == other.dilations &&
           pads == other.pads;
  }
};

// Geometry with pads = dilation * (kernel - 1) / 2 on every side ("same").
// Throws Error where that is not a whole number.
Geometry SamePadded(std::array<int64_t, 2> kernel, std::array<int64_t, 2> strides = {1, 1},
                    std::array<int64_t, 2> dilations = {1, 1});

// Throws Error unless kernel is in 1..255, strides and dilations in 1..1024
// and pads in 0..16384.
void Validate(const Geometry& geometry);

// "3x3 stride 2x2 dilation 4x4 pads [0, 0, 1, 1]", without strides and dilations
// of 1 and without pads that are SamePadded's.
std::string ToString(const Geometry& geometry);

}  // namespace csc

#endif  // CSC_SOLVERS_GEOMETRY_H_
