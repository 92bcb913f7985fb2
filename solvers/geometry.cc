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
  const auto& [kernel, strides, dilations, pads] = geometry;
  std::string text = fmt::format("{}", fmt::join(kernel, "x"));
  const std::array<int64_t, 2> ones = {1, 1};
  if (strides != ones) text += fmt::format(" stride {}", fmt::join(strides, "x"));
  if (dilations != ones) text += fmt::format(" dilation {}", fmt::join(dilations, "x"));
  const int64_t height = geometry.Extent(0) - 1;
  const int64_t width = geometry.Extent(1) - 1;
  const bool same = height % 2 == 0 && width % 2 == 0 &&
                    pads == std::array<int64_t, 4>{height / 2, width / 2, height / 2, width / 2};
  if (!same) text += fmt::format(" pads [{}]", fmt::join(pads, ", "));
  return text;
}

}  // namespace csc
