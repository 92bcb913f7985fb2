#include "solvers/tensor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "solvers/error.h"

namespace csc {

int64_t NumElements(const Dims& dims) {
  int64_t count = 1;
  for (int64_t dim : dims) {
    Require(dim >= 0, "tensor dimensions {} contain a negative size", ToString(dims));
    Require(!__builtin_mul_overflow(count, dim, &count),
            "the product of the sizes {} overflows 64 bits", ToString(dims));
  }
  return count;
}

std::string ToString(const Dims& dims) { return fmt::format("[{}]", fmt::join(dims, ", ")); }

std::string ToString(const Shape& shape) {
  return fmt::format("[{}, {}, {}]", shape.channels, shape.height, shape.width);
}

}  // namespace csc
