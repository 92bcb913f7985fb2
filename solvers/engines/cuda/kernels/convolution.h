// Analysis and synthesis as direct convolutions, and the packing of filters.
//
// A thread computes kOut neighbouring result channels of kPixels pixels that
// lie 32 apart, so that a warp reads neighbouring pixels and all its threads
// the same filters. Every result is summed in one order, whatever the tile:
// chunks of source channels, taps, channels of the chunk. float32 throughout.

#ifndef CSC_SOLVERS_ENGINES_CUDA_KERNELS_CONVOLUTION_H_
#define CSC_SOLVERS_ENGINES_CUDA_KERNELS_CONVOLUTION_H_

#include <cstdint>

#include "solvers/engines/cuda/kernels/elementwise.h"
#include "solvers/engines/cuda/kernels/host_device.h"

namespace csc::cuda {

// Flat over the packed filters [kernel height][kernel width][source channel]
// [result channel, padded with zeros to whole groups].
struct PackFiltersKernel {
  const float* filters;     // [w][C][taps]
  uint32_t image_channels;  // C
  uint32_t taps;
  bool synthesis;  // the source is the code
  uint32_t result_channels;
  Divisor source_channels;
  Divisor padded;  // result channels, padded
  float* packed;

  CSC_HOST_DEVICE void operator()(uint32_t i) const {
    uint32_t out, in;
    const uint32_t tap = source_channels.Split(padded.Split(i, &out), &in);
    const uint32_t code = synthesis ? in : out;
    const uint32_t image = synthesis ? out : in;
    packed[i] =
        out < result_channels ? filters[(code * image_channels + image) * taps + tap] : 0.0f;
  }
};

// What all tiles of a convolution need to know.
struct ConvolutionArguments {
  const float* source;
  const float* filters;  // packed
  float* result;
  Scalar scale;        // s of F(s x)
  Scalar coefficient;  // of the result, in the epilogue's sum
  Epilogue epilogue;
  int32_t source_channels;
  int32_t source_size[2];
  uint32_t result_channels;
  uint32_t padded_channels;
  Divisor groups;          // of result channels, each a thread's
  Divisor result_size[2];  // height, width
  uint32_t pixels;         // batch * height * width of the result
  int32_t kernel[2];
  int32_t dilations[2];
  int32_t pads[2];  // top, left
  Divisor strides[2];
};

// Flat over warps of 32 threads: tiles of pixels, then groups of channels.
template <int kOut, int kPixels, bool kSynthesis>
struct ConvolutionKernel {
  static constexpr int kLanes = 32;
  // Source channels read at one tap before the next tap is: few enough that a
  // block's pixels stay in its cache until all taps have read them.
  static constexpr int32_t kChunk = 16;
  static constexpr int32_t kOutside = -(1 << 30);

  ConvolutionArguments a;

  // Position along an axis of the source that tap `k` of a result position
  // reads, -1 for none. `from` is Start() of the result position.
  CSC_HOST_DEVICE int32_t SourcePosition(int axis, int32_t from, int32_t k) const {
    int32_t at;
    if (kSynthesis) {
      // The window at `position` reads it: position * stride - pad + k dilation.
      at = from - k * a.dilations[axis];
      if (at < 0) return -1;
      uint32_t remainder;
      at = static_cast<int32_t>(a.strides[axis].Split(static_cast<uint32_t>(at), &remainder));
      if (remainder != 0) return -1;
    } else {
      at = from + k * a.dilations[axis];
      if (at < 0) return -1;
    }
    return at < a.source_size[axis] ? at : -1;
  }
  CSC_HOST_DEVICE int32_t Start(int axis, uint32_t position) const {
    const int32_t p = static_cast<int32_t>(position);
    return kSynthesis ? p + a.pads[axis]
                      : p * static_cast<int32_t>(a.strides[axis].value()) - a.pads[axis];
  }

  CSC_HOST_DEVICE void operator()(uint32_t index) const {
    const uint32_t lane = index % kLanes;
    uint32_t group;
    const uint32_t tile = a.groups.Split(index / kLanes, &group);
    const uint32_t first_pixel = tile * (kPixels * kLanes) + lane;

    int32_t start_row[kPixels], start_column[kPixels];
    uint32_t image[kPixels];
    CSC_UNROLL
    for (int j = 0; j < kPixels; ++j) {
      const uint32_t pixel = first_pixel + j * kLanes;
      uint32_t h, w;
      image[j] = a.result_size[0].Split(a.result_size[1].Split(pixel, &w), &h);
      const bool inside = pixel < a.pixels;
      start_row[j] = inside ? Start(0, h) : kOutside;
      start_column[j] = inside ? Start(1, w) : kOutside;
    }

    float sums[kPixels][kOut];
    CSC_UNROLL
    for (int j = 0; j < kPixels; ++j) {
      CSC_UNROLL
      for (int k = 0; k < kOut; ++k) sums[j][k] = 0;
    }
    for (int32_t chunk = 0; chunk < a.source_channels; chunk += kChunk) {
      const int32_t end = chunk + kChunk < a.source_channels ? chunk + kChunk : a.source_channels;
      for (int32_t kh = 0; kh < a.kernel[0]; ++kh) {
        for (int32_t kw = 0; kw < a.kernel[1]; ++kw) {
          AddTap(kh, kw, chunk, end, group, start_row, start_column, image, sums);
        }
      }
    }

    const float scale = a.coefficient.value() * a.scale.value();
    const uint32_t plane = a.result_size[0].value() * a.result_size[1].value();
    CSC_UNROLL
    for (int j = 0; j < kPixels; ++j) {
      const uint32_t pixel = first_pixel + j * kLanes;
      if (pixel >= a.pixels) continue;
      const uint32_t inside = pixel - image[j] * plane;
      CSC_UNROLL
      for (int k = 0; k < kOut; ++k) {
        const uint32_t channel = group * kOut + k;
        if (channel >= a.result_channels) continue;
        const uint32_t element = (image[j] * a.result_channels + channel) * plane + inside;
        a.result[element] = a.epilogue.Apply(scale * sums[j][k], element, channel);
      }
    }
  }

  CSC_HOST_DEVICE void AddTap(int32_t kh, int32_t kw, int32_t first_channel, int32_t end_channel,
                              uint32_t group, const int32_t* start_row, const int32_t* start_column,
                              const uint32_t* image, float (*sums)[kOut]) const {
    const int32_t plane = a.source_size[0] * a.source_size[1];
    const float* at[kPixels];
    CSC_UNROLL
    for (int j = 0; j < kPixels; ++j) {
      const int32_t row = SourcePosition(0, start_row[j], kh);
      const int32_t column = SourcePosition(1, start_column[j], kw);
      // A null address stands for a pixel that this tap does not meet.
      at[j] = nullptr;
      if (row >= 0 && column >= 0) {
        at[j] = a.source +
                (image[j] * static_cast<uint32_t>(a.source_channels) + first_channel) * plane +
                row * a.source_size[1] + column;
      }
    }
    const float* filter =
        a.filters +
        static_cast<uint64_t>((kh * a.kernel[1] + kw) * a.source_channels + first_channel) *
            a.padded_channels +
        group * kOut;
    for (int32_t c = first_channel; c < end_channel; ++c) {
      float taps[kOut];
      ReadVector<kOut>(filter, taps);
      filter += a.padded_channels;
      CSC_UNROLL
      for (int j = 0; j < kPixels; ++j) {
        if (at[j] == nullptr) continue;
        const float x = Read(at[j]);
        at[j] += plane;
        CSC_UNROLL
        for (int k = 0; k < kOut; ++k) sums[j][k] += taps[k] * x;
      }
    }
  }
};

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_KERNELS_CONVOLUTION_H_
