// Analysis and synthesis as direct convolutions, and the packing of filters.
//
// A thread computes kOut neighbouring result channels of kPixels pixels that
// lie 32 apart, so that a warp reads neighbouring pixels and all its threads
// the same filters. Every result is summed in one order, whatever the tile:
// chunks of source channels, taps, channels of the chunk; where few results are
// wanted, in this order in each of several ranges. float32 throughout.

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
  Source source;
  const float* filters;  // packed
  Scalar scale;          // s of F(s x)
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

  // Where the taps of a thread's pixels begin.
  struct Pixels {
    int32_t row[kPixels], column[kPixels];
    uint32_t image[kPixels];
  };

  CSC_HOST_DEVICE Pixels Locate(uint32_t first_pixel) const {
    Pixels pixels;
    CSC_UNROLL
    for (int j = 0; j < kPixels; ++j) {
      const uint32_t pixel = first_pixel + j * kLanes;
      uint32_t h, w;
      pixels.image[j] = a.result_size[0].Split(a.result_size[1].Split(pixel, &w), &h);
      const bool inside = pixel < a.pixels;
      pixels.row[j] = inside ? Start(0, h) : kOutside;
      pixels.column[j] = inside ? Start(1, w) : kOutside;
    }
    return pixels;
  }

  CSC_HOST_DEVICE void operator()(uint32_t index) const {
    const uint32_t lane = index % kLanes;
    uint32_t group;
    const uint32_t tile = a.groups.Split(index / kLanes, &group);
    const uint32_t first_pixel = tile * (kPixels * kLanes) + lane;
    const Pixels pixels = Locate(first_pixel);
    float sums[kPixels][kOut];
    CSC_UNROLL
    for (int j = 0; j < kPixels; ++j) {
      CSC_UNROLL
      for (int k = 0; k < kOut; ++k) sums[j][k] = 0;
    }
    AddChannels(0, a.source_channels, group, pixels, sums);
    CSC_UNROLL
    for (int j = 0; j < kPixels; ++j) {
      const uint32_t pixel = first_pixel + j * kLanes;
      if (pixel >= a.pixels) continue;
      Finish<kOut>(pixel, pixels.image[j], group * kOut, sums[j]);
    }
  }

  // Adds what source channels [begin, end) give.
  CSC_HOST_DEVICE void AddChannels(int32_t begin, int32_t end, uint32_t group, const Pixels& pixels,
                                   float (*sums)[kOut]) const {
    for (int32_t chunk = begin; chunk < end; chunk += kChunk) {
      const int32_t last = chunk + kChunk < end ? chunk + kChunk : end;
      for (int32_t kh = 0; kh < a.kernel[0]; ++kh) {
        for (int32_t kw = 0; kw < a.kernel[1]; ++kw) {
          AddTap(kh, kw, chunk, last, group, pixels, sums);
        }
      }
    }
  }

  CSC_HOST_DEVICE void AddTap(int32_t kh, int32_t kw, int32_t first_channel, int32_t end_channel,
                              uint32_t group, const Pixels& pixels, float (*sums)[kOut]) const {
    const int32_t plane = a.source_size[0] * a.source_size[1];
    const float* at[kPixels];
    CSC_UNROLL
    for (int j = 0; j < kPixels; ++j) {
      const int32_t row = SourcePosition(0, pixels.row[j], kh);
      const int32_t column = SourcePosition(1, pixels.column[j], kw);
      // A null address stands for a pixel that this tap does not meet.
      at[j] = nullptr;
      if (row >= 0 && column >= 0) {
        at[j] =
            a.source.At(pixels.image[j]) + first_channel * plane + row * a.source_size[1] + column;
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

  // What becomes of the whole sums of neighbouring channels of a pixel of this image.
  template <int kCount>
  CSC_HOST_DEVICE void Finish(uint32_t pixel, uint32_t image, uint32_t first_channel,
                              float* sums) const {
    const uint32_t plane = a.result_size[0].value() * a.result_size[1].value();
    const float scale = a.scale.value();
    Element elements[kCount];
    CSC_UNROLL
    for (int k = 0; k < kCount; ++k) {
      const bool present = first_channel + k < a.result_channels;
      const uint32_t channel = present ? first_channel + k : 0;
      elements[k] = {image, channel * plane + (pixel - image * plane), channel, present};
      sums[k] *= scale;
    }
    a.epilogue.Finish<kCount>(elements, sums);
  }
};

// Convolutions of so few results that they would not fill the device: the threads of a
// block share the sums of each result, a range of source channels each, which are
// added in order. (A second kernel to add them would cost the time of a launch.)
template <bool kSynthesis>
struct SplitConvolutionKernel {
  static constexpr int kThreads = 256;
  static constexpr int kPhases = 2;
  static constexpr int kOut = 4;
  struct Shared {
    float sums[kOut][kThreads];
  };

  ConvolutionKernel<kOut, 1, kSynthesis> whole;  // its groups are of 4
  Divisor slots;                                 // pixels of a block
  int32_t range;                                 // source channels

  template <int kPhase>
  CSC_HOST_DEVICE void Phase(uint32_t block, uint32_t thread, Shared& shared) const {
    uint32_t group, slot;
    const uint32_t first_pixel = whole.a.groups.Split(block, &group) * slots.value();
    if constexpr (kPhase == 0) {
      const int32_t begin = static_cast<int32_t>(slots.Split(thread, &slot)) * range;
      const int32_t channels = whole.a.source_channels;
      float sums[1][kOut] = {};
      whole.AddChannels(begin, begin + range < channels ? begin + range : channels, group,
                        whole.Locate(first_pixel + slot), sums);
      CSC_UNROLL
      for (int k = 0; k < kOut; ++k) shared.sums[k][thread] = sums[0][k];
    } else {
      for (uint32_t i = thread; i < slots.value() * kOut; i += kThreads) {
        const uint32_t k = slots.Split(i, &slot);
        float sum = 0;
        for (uint32_t t = slot; t < kThreads; t += slots.value()) sum += shared.sums[k][t];
        const uint32_t pixel = first_pixel + slot;
        const uint32_t image =
            whole.a.result_size[0].Quotient(whole.a.result_size[1].Quotient(pixel));
        if (pixel < whole.a.pixels) {
          whole.template Finish<1>(pixel, image, group * kOut + k, &sum);
        }
      }
    }
  }
};

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_KERNELS_CONVOLUTION_H_
