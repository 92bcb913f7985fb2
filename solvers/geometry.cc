#include "solvers/geometry.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "solvers/error.h"

namespace csc {

int64_t Geometry::OutputSize(int axis, int64_t size) const {
  const int64_t padded = size + pads[axis] + pads[axis + 2];
  if (padded < Extent(axis)) return 0;
  return (padded - Extent(axis)) / strides[axis] + 1;
}

int64_t Geometry::SmallestInputSize(int axis, int64_t output_size) const {
  return (output_size - 1) * strides[axis] + Extent(axis) - pads[axis] - pads[axis + 2];
}

bool Geometry::KeepsSize() const {
  for (int axis = 0; axis < 2; ++axis) {
    if (strides[axis] != 1) return false;
    if (pads[axis] + pads[axis + 2] != Extent(axis) - 1) return false;
  }
  return true;
}

Geometry SamePadded(std::array<int64_t, 2> kernel, std::array<int64_t, 2> strides,
                    std::array<int64_t, 2> dilations) {
  Geometry geometry{kernel, strides, dilations, {}};
  for (int axis = 0; axis < 2; ++axis) {
    const int64_t total = geometry.Extent(axis) - 1;
    Require(total % 2 == 0,
            "a kernel of size {} with dilation {} needs explicit pads: "
            "dilation * (kernel - 1) = {} is odd",
            kernel[axis], dilations[axis], total);
    geometry.pads[axis] = geometry.pads[axis + 2] = total / 2;
  }
  return geometry;
}

void Validate(const Geometry& geometry) {
  const auto check = [](const char* name, const auto& values, int64_t low, int64_t high) {
    for (int64_t value : values) {
      Require(low <= value && value <= high, "{} is [{}]: every entry must be in {}..{}", name,
              fmt::join(values, ", "), low, high);
    }
  };
  check("kernel_shape", geometry.kernel, 1, 255);
  check("strides", geometry.strides, 1, 1024);
  check("dilations", geometry.dilations, 1, 1024);
  check("pads", geometry.pads, 0, 16384);
}

std::string ToString(const Geometry& geometry) {
  return fmt::format("k[{}] s[{}] d[{}] p[{}]", fmt::join(geometry.kernel, ","),
                     fmt::join(geometry.strides, ","), fmt::join(geometry.dilations, ","),
                     fmt::join(geometry.pads, ","));
}

}  // namespace csc
