// Dense float tensors at the library's boundary: parameters and images.

#ifndef CSC_SOLVERS_TENSOR_H_
#define CSC_SOLVERS_TENSOR_H_

#include <cstdint>
#include <string>
#include <vector>

namespace csc {

using Dims = std::vector<int64_t>;

// Product of `dims` (1 for none). Throws Error when it overflows int64.
int64_t NumElements(const Dims& dims);

// "[2, 3, 5]".
std::string ToString(const Dims& dims);

// Owns its data; row-major, so NCHW images and [w, C, kh, kw] filters lie as
// ONNX writes them.
struct Tensor {
  Dims dims;
  std::vector<float> data;
};

// Shape of one sample of a program's value: [channels, height, width].
struct Shape {
  int64_t channels = 0;
  int64_t height = 0;
  int64_t width = 0;

  int64_t size() const { return channels * height * width; }
  bool operator==(const Shape& other) const {
    return channels == other.channels && height == other.height && width == other.width;
  }
  bool operator!=(const Shape& other) const { return !(*this == other); }
};

std::string ToString(const Shape& shape);

}  // namespace csc

#endif  // CSC_SOLVERS_TENSOR_H_
