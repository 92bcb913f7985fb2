// Images as bytes, and how they become the floats that a program reads: for hosts and
// devices alike, so that a batch has the same bits wherever it is converted.

#ifndef CSC_SOLVERS_ENGINES_BYTE_IMAGES_H_
#define CSC_SOLVERS_ENGINES_BYTE_IMAGES_H_

#include <cstdint>

#include "solvers/executor.h"
#include "solvers/host_device.h"
#include "solvers/tensor.h"

namespace csc {

// The part of an image that is used, as large as the image: it begins `down` and
// `right` of the image's corner, is 0 beyond the image, and mirrored at last.
struct Crop {
  int32_t down = 0;
  int32_t right = 0;
  bool mirrored = false;

  // Of the image, at row y and column x of what is used. May lie beyond it.
  CSC_HOST_DEVICE int32_t RowAt(int32_t y) const { return y + down; }
  CSC_HOST_DEVICE int32_t ColumnAt(int32_t x, int32_t width) const {
    return (mirrored ? width - 1 - x : x) + right;
  }
};

// Rounded once. `white` becomes 1.
CSC_HOST_DEVICE inline float Brightness(uint8_t pixel, uint8_t white) {
#ifdef __CUDA_ARCH__
  return __fdiv_rn(pixel, white);
#else
  return static_cast<float>(pixel) / static_cast<float>(white);
#endif
}

struct ByteImage {
  const uint8_t* pixels = nullptr;  // [C, H, W]
  Crop crop;
};

// `dst` is [count, C, H, W]. Without an executor it is the calling thread's work.
void ConvertImages(const ByteImage* images, int64_t count, uint8_t white, const Shape& shape,
                   Executor* executor, float* dst);

}  // namespace csc

#endif  // CSC_SOLVERS_ENGINES_BYTE_IMAGES_H_
