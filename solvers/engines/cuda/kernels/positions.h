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
  Source source;  // at the first channel to copy
  Result result;  // at the first channel to write
  Divisor run;

  CSC_HOST_DEVICE void operator()(uint32_t i) const {
    uint32_t rest;
    const uint32_t n = run.Split(i, &rest);
    result.At(n)[rest] = source.At(n)[rest];
  }
};

// Heights and widths of the two sides of a subsampling, and its windows.
struct Window {
  Divisor large[2];  // the image
  Divisor small[2];  // positions of the window
  int32_t kernel[2];
  Divisor strides[2];
  Divisor channels;  // of the result

  // Sample, channel, row and column of an element of the result, which has this size.
  struct Place {
    uint32_t sample, channel;
    int32_t row, column;
  };
  CSC_HOST_DEVICE Place Split(const Divisor* size, uint32_t i) const {
    Place p;
    uint32_t w, h;
    p.sample = channels.Split(size[0].Split(size[1].Split(i, &w), &h), &p.channel);
    p.row = static_cast<int32_t>(h);
    p.column = static_cast<int32_t>(w);
    return p;
  }
  // Where an element of a plane is, and where the plane of a channel begins.
  CSC_HOST_DEVICE uint32_t SmallAt(int32_t row, int32_t column) const {
    return row * small[1].value() + column;
  }
  CSC_HOST_DEVICE uint32_t LargeAt(int32_t row, int32_t column) const {
    return row * large[1].value() + column;
  }
  CSC_HOST_DEVICE uint32_t SmallPlane(uint32_t channel) const {
    return channel * small[0].value() * small[1].value();
  }
  CSC_HOST_DEVICE uint32_t LargePlane(uint32_t channel) const {
    return channel * large[0].value() * large[1].value();
  }
  // Where the element of the result is.
  CSC_HOST_DEVICE uint32_t InSmall(const Place& p) const {
    return SmallPlane(p.channel) + SmallAt(p.row, p.column);
  }
  CSC_HOST_DEVICE uint32_t InLarge(const Place& p) const {
    return LargePlane(p.channel) + LargeAt(p.row, p.column);
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
  Source source;
  Window window;
  Result result;

  CSC_HOST_DEVICE void operator()(uint32_t i) const {
    const Window::Place p = window.Split(window.small, i);
    const float* const x = source.At(p.sample) + window.LargePlane(p.channel);
    float best = -INFINITY;
    for (int32_t kh = 0; kh < window.kernel[0]; ++kh) {
      for (int32_t kw = 0; kw < window.kernel[1]; ++kw) {
        const float candidate =
            x[window.LargeAt(p.row * window.Stride(0) + kh, p.column * window.Stride(1) + kw)];
        if (candidate > best || candidate != candidate) best = candidate;
      }
    }
    result.At(p.sample)[window.InSmall(p)] = best;
  }
};

// Gathers: each position asks the windows that hold it whether it is the first
// to have their maximum.
struct MaxPoolAdjointKernel {
  Source gradient;  // dy
  Source source;    // x
  Source pooled;    // y
  Window window;
  Result result;

  // Of window (a, b) in plane `x`.
  CSC_HOST_DEVICE bool IsFirst(const float* x, int32_t a, int32_t b, int32_t h, int32_t w,
                               float maximum) const {
    const int32_t top = a * window.Stride(0), left = b * window.Stride(1);
    for (int32_t row = top; row <= h; ++row) {
      const int32_t end = row < h ? left + window.kernel[1] : w;
      for (int32_t column = left; column < end; ++column) {
        if (x[window.LargeAt(row, column)] == maximum) return false;
      }
    }
    return true;
  }

  CSC_HOST_DEVICE void operator()(uint32_t i) const {
    const Window::Place p = window.Split(window.large, i);
    const float* const x = source.At(p.sample) + window.LargePlane(p.channel);
    const float* const y = pooled.At(p.sample) + window.SmallPlane(p.channel);
    const float* const dy = gradient.At(p.sample) + window.SmallPlane(p.channel);
    const float here = x[window.LargeAt(p.row, p.column)];
    float sum = 0;
    for (int32_t a = window.FirstWindow(0, p.row); a <= window.LastWindow(0, p.row); ++a) {
      for (int32_t b = window.FirstWindow(1, p.column); b <= window.LastWindow(1, p.column); ++b) {
        const uint32_t at = window.SmallAt(a, b);
        if (here == y[at] && IsFirst(x, a, b, p.row, p.column, here)) sum += dy[at];
      }
    }
    result.At(p.sample)[window.InLarge(p)] = sum;
  }
};

struct AveragePoolKernel {
  Source source;
  Window window;
  Result result;

  CSC_HOST_DEVICE void operator()(uint32_t i) const {
    const Window::Place p = window.Split(window.small, i);
    const float* const x = source.At(p.sample) + window.LargePlane(p.channel);
    float sum = 0;
    for (int32_t kh = 0; kh < window.kernel[0]; ++kh) {
      for (int32_t kw = 0; kw < window.kernel[1]; ++kw) {
        sum += x[window.LargeAt(p.row * window.Stride(0) + kh, p.column * window.Stride(1) + kw)];
      }
    }
    result.At(p.sample)[window.InSmall(p)] =
        sum / static_cast<float>(window.kernel[0] * window.kernel[1]);
  }
};

struct AveragePoolAdjointKernel {
  Source gradient;
  Window window;
  Result result;

  CSC_HOST_DEVICE void operator()(uint32_t i) const {
    const Window::Place p = window.Split(window.large, i);
    const float* const dy = gradient.At(p.sample) + window.SmallPlane(p.channel);
    float sum = 0;
    for (int32_t a = window.FirstWindow(0, p.row); a <= window.LastWindow(0, p.row); ++a) {
      for (int32_t b = window.FirstWindow(1, p.column); b <= window.LastWindow(1, p.column); ++b) {
        sum += dy[window.SmallAt(a, b)];
      }
    }
    result.At(p.sample)[window.InLarge(p)] =
        sum / static_cast<float>(window.kernel[0] * window.kernel[1]);
  }
};

// x[c, ::stride, ::stride], zero past x's channels.
struct ShortcutKernel {
  Source source;
  uint32_t source_channels;
  Window window;
  Result result;

  CSC_HOST_DEVICE void operator()(uint32_t i) const {
    const Window::Place p = window.Split(window.small, i);
    result.At(p.sample)[window.InSmall(p)] =
        p.channel < source_channels
            ? source.At(
                  p.sample)[window.LargePlane(p.channel) +
                            window.LargeAt(p.row * window.Stride(0), p.column * window.Stride(1))]
            : 0.0f;
  }
};

struct ShortcutAdjointKernel {
  Source gradient;
  Window window;
  Result result;

  CSC_HOST_DEVICE void operator()(uint32_t i) const {
    const Window::Place p = window.Split(window.large, i);
    uint32_t skipped_rows, skipped_columns;
    const auto row = static_cast<int32_t>(window.strides[0].Split(p.row, &skipped_rows));
    const auto column = static_cast<int32_t>(window.strides[1].Split(p.column, &skipped_columns));
    const bool taken = skipped_rows == 0 && skipped_columns == 0;
    result.At(p.sample)[window.InLarge(p)] =
        taken ? gradient.At(p.sample)[window.SmallPlane(p.channel) + window.SmallAt(row, column)]
              : 0.0f;
  }
};

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_KERNELS_POSITIONS_H_
