#include "solvers/engines/onednn/map_geometry.h"

namespace csc::onednn {

int64_t MapGeometry::InputOf(int axis, int64_t result, int64_t tap) const {
  const int64_t size = axis == 0 ? in.height : in.width;
  const int64_t at = result * strides[axis] - pads[axis] + tap * dilations[axis];
  const bool inside = at >= 0 && at % spacings[axis] == 0 && at / spacings[axis] < size;
  return inside ? at / spacings[axis] : -1;
}

double MapGeometry::TapsInside() const {
  const auto along = [&](int axis, int64_t results) {
    int64_t count = 0;
    for (int64_t result = 0; result < results; ++result) {
      for (int64_t tap = 0; tap < kernel[axis]; ++tap) {
        count += InputOf(axis, result, tap) >= 0 ? 1 : 0;
      }
    }
    return static_cast<double>(count);
  };
  return along(0, out.height) * along(1, out.width);
}

}  // namespace csc::onednn
