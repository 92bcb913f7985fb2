// Pictures as pipelines keep them, rows of interleaved channels with gaps between
// the rows, to NCHW arrays.

#ifndef CSC_SOLVERS_ENGINES_CUDA_KERNELS_IMAGES_H_
#define CSC_SOLVERS_ENGINES_CUDA_KERNELS_IMAGES_H_

#include <cstdint>

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

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_KERNELS_IMAGES_H_
