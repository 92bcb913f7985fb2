// Flat kernels that move elements between channels and positions: joins, views,
// shortcuts and pools, one thread for each element of the result.

#ifndef CSC_SOLVERS_ENGINES_CUDA_KERNELS_POSITIONS_H_
#define CSC_SOLVERS_ENGINES_CUDA_KERNELS_POSITIONS_H_

#include <cmath>
#include <cstdint>

#include "solvers/engines/cuda/kernels/host_device.h"

namespace csc::cuda {

// Copies `run` consecutive floats of every image: neighbouring channels.
struct CopyChannelsKernel {
  const float* source;    // at the first channel to copy
  uint32_t source_image;  // floats of an image
  float* result;          // at the first channel to write
  uint32_t result_image;
  Divisor run;

  CSC_HOST_DEVICE void operator()(uint32_t i) const {
    uint32_t rest;
    const uint32_t n = run.Split(i, &rest);
    result[n * result_image + rest] = source[n * source_image + rest];
  }
};

// Heights and widths of the two sides of a subsampling, and its windows.
struct Window {
  int32_t large[2];  // the image
  Divisor small[2];  // positions of the window
  int32_t kernel[2];
  Divisor strides[2];

  // Plane, row and column of an element of the small side.
  CSC_HOST_DEVICE uint32_t SplitSmall(uint32_t i, int32_t* row, int32_t* column) const {
    uint32_t w, h;
    const uint32_t plane = small[0].Split(small[1].Split(i, &w), &h);
    *row = static_cast<int32_t>(h);
    *column = static_cast<int32_t>(w);
    return plane;
  }
  CSC_HOST_DEVICE uint32_t SmallAt(uint32_t plane, int32_t row, int32_t column) const {
    return (plane * small[0].value() + row) * small[1].value() + column;
  }
  CSC_HOST_DEVICE uint32_t LargeAt(uint32_t plane, int32_t row, int32_t column) const {
    return (plane * large[0] + row) * large[1] + column;
  }
  CSC_HOST_DEVICE int32_t Stride(int axis) const {
    return static_cast<int32_t>(strides[axis].value());
  }
  // The windows first..last along an axis that hold a position; none where
  // last < first.
  CSC_HOST_DEVICE int32_t FirstWindow(int axis, int32_t position) const {
    const int32_t before = position - kernel[axis] + 1;
    if (before <= 0) return 0;
    return static_cast<int32_t>(strides[axis].Quotient(before + Stride(axis) - 1));
  }
  CSC_HOST_DEVICE int32_t LastWindow(int axis, int32_t position) const {
    const int32_t last = static_cast<int32_t>(strides[axis].Quotient(position));
    const int32_t windows = static_cast<int32_t>(small[axis].value());
    return last < windows ? last : windows - 1;
  }
};

struct MaxPoolKernel {
  const float* source;
  Window window;
  float* result;

  CSC_HOST_DEVICE void operator()(uint32_t i) const {
    int32_t row, column;
    const uint32_t plane = window.SplitSmall(i, &row, &column);
    float best = -INFINITY;
    for (int32_t kh = 0; kh < window.kernel[0]; ++kh) {
      for (int32_t kw = 0; kw < window.kernel[1]; ++kw) {
        const float candidate = source[window.LargeAt(plane, row * window.Stride(0) + kh,
                                                      column * window.Stride(1) + kw)];
        if (candidate > best || candidate != candidate) best = candidate;
      }
    }
    result[i] = best;
  }
};

// Gathers: each position asks the windows that hold it whether it is the first
// to have their maximum.
struct MaxPoolAdjointKernel {
  const float* gradient;  // dy
  const float* source;    // x
  const float* pooled;    // y
  Window window;
  Divisor large[2];
  float* result;

  CSC_HOST_DEVICE bool IsFirst(uint32_t plane, int32_t a, int32_t b, int32_t h, int32_t w,
                               float maximum) const {
    const int32_t top = a * window.Stride(0), left = b * window.Stride(1);
    for (int32_t row = top; row <= h; ++row) {
      const int32_t end = row < h ? left + window.kernel[1] : w;
      for (int32_t column = left; column < end; ++column) {
        if (source[window.LargeAt(plane, row, column)] == maximum) return false;
      }
    }
    return true;
  }

  CSC_HOST_DEVICE void operator()(uint32_t i) const {
    uint32_t h, w;
    const uint32_t plane = large[0].Split(large[1].Split(i, &w), &h);
    const int32_t row = static_cast<int32_t>(h), column = static_cast<int32_t>(w);
    float sum = 0;
    for (int32_t a = window.FirstWindow(0, row); a <= window.LastWindow(0, row); ++a) {
      for (int32_t b = window.FirstWindow(1, column); b <= window.LastWindow(1, column); ++b) {
        const uint32_t at = window.SmallAt(plane, a, b);
        if (source[i] == pooled[at] && IsFirst(plane, a, b, row, column, pooled[at])) {
          sum += gradient[at];
        }
      }
    }
    result[i] = sum;
  }
};

struct AveragePoolKernel {
  const float* source;
  Window window;
  float* result;

  CSC_HOST_DEVICE void operator()(uint32_t i) const {
    int32_t row, column;
    const uint32_t plane = window.SplitSmall(i, &row, &column);
    float sum = 0;
    for (int32_t kh = 0; kh < window.kernel[0]; ++kh) {
      for (int32_t kw = 0; kw < window.kernel[1]; ++kw) {
        sum += source[window.LargeAt(plane, row * window.Stride(0) + kh,
                                     column * window.Stride(1) + kw)];
      }
    }
    result[i] = sum / static_cast<float>(window.kernel[0] * window.kernel[1]);
  }
};

struct AveragePoolAdjointKernel {
  const float* gradient;
  Window window;
  Divisor large[2];
  float* result;

  CSC_HOST_DEVICE void operator()(uint32_t i) const {
    uint32_t h, w;
    const uint32_t plane = large[0].Split(large[1].Split(i, &w), &h);
    const int32_t row = static_cast<int32_t>(h), column = static_cast<int32_t>(w);
    float sum = 0;
    for (int32_t a = window.FirstWindow(0, row); a <= window.LastWindow(0, row); ++a) {
      for (int32_t b = window.FirstWindow(1, column); b <= window.LastWindow(1, column); ++b) {
        sum += gradient[window.SmallAt(plane, a, b)];
      }
    }
    result[i] = sum / static_cast<float>(window.kernel[0] * window.kernel[1]);
  }
};

// x[c, ::stride, ::stride], zero past x's channels.
struct ShortcutKernel {
  const float* source;
  uint32_t source_channels;
  Divisor result_channels;
  Window window;
  float* result;

  CSC_HOST_DEVICE void operator()(uint32_t i) const {
    int32_t row, column;
    uint32_t c;
    const uint32_t n = result_channels.Split(window.SplitSmall(i, &row, &column), &c);
    result[i] = c < source_channels
                    ? source[window.LargeAt(n * source_channels + c, row * window.Stride(0),
                                            column * window.Stride(1))]
                    : 0.0f;
  }
};

struct ShortcutAdjointKernel {
  const float* gradient;
  uint32_t gradient_channels;
  Divisor result_channels;
  Window window;
  Divisor large[2];
  float* result;

  CSC_HOST_DEVICE void operator()(uint32_t i) const {
    uint32_t h, w, c, skipped_rows, skipped_columns;
    const uint32_t plane = large[0].Split(large[1].Split(i, &w), &h);
    const uint32_t n = result_channels.Split(plane, &c);
    const uint32_t row = window.strides[0].Split(h, &skipped_rows);
    const uint32_t column = window.strides[1].Split(w, &skipped_columns);
    const bool taken = skipped_rows == 0 && skipped_columns == 0;
    result[i] = taken
                    ? gradient[window.SmallAt(n * gradient_channels + c, static_cast<int32_t>(row),
                                              static_cast<int32_t>(column))]
                    : 0.0f;
  }
};

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_KERNELS_POSITIONS_H_
