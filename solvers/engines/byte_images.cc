#include "solvers/engines/byte_images.h"

#include <algorithm>

namespace csc {

namespace {

void ConvertRow(const uint8_t* src, const Crop& crop, int64_t width, uint8_t white, float* dst) {
  // The image covers columns [begin, end).
  const int64_t left = crop.mirrored ? crop.right : -crop.right;
  const int64_t begin = std::clamp<int64_t>(left, 0, width);
  const int64_t end = std::clamp<int64_t>(left + width, 0, width);
  std::fill(dst, dst + begin, 0.0f);
  std::fill(dst + end, dst + width, 0.0f);
  if (begin == end) return;
  // Upwards through the source, then turned round: both loops become vectors.
  src += crop.ColumnAt(static_cast<int32_t>(crop.mirrored ? end - 1 : begin),
                       static_cast<int32_t>(width));
  for (int64_t i = 0; i < end - begin; ++i) dst[begin + i] = Brightness(src[i], white);
  if (crop.mirrored) std::reverse(dst + begin, dst + end);
}

void ConvertImage(const ByteImage& image, uint8_t white, const Shape& shape, float* dst) {
  for (int64_t c = 0; c < shape.channels; ++c) {
    for (int64_t y = 0; y < shape.height; ++y, dst += shape.width) {
      const int64_t row = image.crop.RowAt(static_cast<int32_t>(y));
      if (0 <= row && row < shape.height) {
        ConvertRow(image.pixels + (c * shape.height + row) * shape.width, image.crop, shape.width,
                   white, dst);
      } else {
        std::fill(dst, dst + shape.width, 0.0f);
      }
    }
  }
}

}  // namespace

void ConvertImages(const ByteImage* images, int64_t count, uint8_t white, const Shape& shape,
                   Executor* executor, float* dst) {
  SerialExecutor serial;
  (executor == nullptr ? &serial : executor)->ParallelFor(count, [&](int64_t n, int) {
    ConvertImage(images[n], white, shape, dst + n * shape.size());
  });
}

}  // namespace csc
