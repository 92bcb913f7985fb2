// Pictures to NCHW arrays of floats: as pipelines keep them, rows of interleaved
// channels with gaps between the rows, and as training data are kept.

#ifndef CSC_SOLVERS_ENGINES_CUDA_KERNELS_IMAGES_H_
#define CSC_SOLVERS_ENGINES_CUDA_KERNELS_IMAGES_H_

#include <cstdint>

#include "solvers/engines/byte_images.h"
#include "solvers/engines/cuda/kernels/host_device.h"

namespace csc::cuda {

// Flat, one index for each pixel of up to kMostImages pictures of one size:
// channel c of the result is (channel source[c] of the pixel - mean[c]) * scale[c].
// The pictures lie anywhere; their addresses travel with the launch, so that no
// table has to be copied to the device.
struct ImagesKernel {
  static constexpr int kMostImages = 32;
  static constexpr int kMostChannels = 4;

  const void* images[kMostImages];
  int64_t steps[kMostImages];  // bytes between the beginnings of rows
  bool is_float;               // else unsigned bytes
  uint32_t pixel_channels;
  uint32_t channels;  // of the result
  uint32_t source[kMostChannels];
  float mean[kMostChannels];
  float scale[kMostChannels];
  Divisor width;
  Divisor plane;  // height * width
  float* result;  // [images, channels, height, width]

  CSC_HOST_DEVICE void operator()(uint32_t index) const {
    uint32_t pixel, x;
    const uint32_t image = plane.Split(index, &pixel);
    const uint32_t y = width.Split(pixel, &x);
    const char* row = static_cast<const char*>(images[image]) + y * steps[image];
    float* to = result + image * channels * plane.value() + pixel;
    for (uint32_t c = 0; c < channels; ++c) {
      const uint32_t at = x * pixel_channels + source[c];
      const float value = is_float ? reinterpret_cast<const float*>(row)[at]
                                   : reinterpret_cast<const unsigned char*>(row)[at];
      to[c * plane.value()] = (value - mean[c]) * scale[c];
    }
  }
};

// Flat over the values of a batch of crops (byte_images.h).
struct CropsKernel {
  const uint8_t* pixels;  // [images, channels, height, width]
  const Crop* crops;      // [images]
  uint8_t white;
  Divisor width;
  Divisor height;
  Divisor channels;
  float* result;  // as pixels

  CSC_HOST_DEVICE void operator()(uint32_t index) const {
    uint32_t x, y;
    const uint32_t row = width.Split(index, &x);
    const uint32_t plane = height.Split(row, &y);
    const Crop& crop = crops[channels.Quotient(plane)];
    // Beyond the image they are too large as unsigned numbers.
    const auto from_y = static_cast<uint32_t>(crop.RowAt(static_cast<int32_t>(y)));
    const auto from_x = static_cast<uint32_t>(
        crop.ColumnAt(static_cast<int32_t>(x), static_cast<int32_t>(width.value())));
    const bool inside = from_y < height.value() && from_x < width.value();
    const uint32_t from = (plane * height.value() + from_y) * width.value() + from_x;
    result[index] = inside ? Brightness(pixels[from], white) : 0.0f;
  }
};

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_KERNELS_IMAGES_H_
