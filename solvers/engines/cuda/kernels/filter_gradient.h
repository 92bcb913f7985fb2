// Gradients of filters: <dF, F'> = <code, F' image>, in two passes.

#ifndef CSC_SOLVERS_ENGINES_CUDA_KERNELS_FILTER_GRADIENT_H_
#define CSC_SOLVERS_ENGINES_CUDA_KERNELS_FILTER_GRADIENT_H_

#include <cstdint>

#include "solvers/engines/cuda/kernels/host_device.h"

namespace csc::cuda {

// Blocks [range][tap][tile of code channels][tile of image channels]. The
// threads of a block share out the positions of its range; each sums a tile of
// kCode x kImage filter entries in registers.
struct FilterGradientKernel {
  static constexpr int kThreads = 128;
  static constexpr int kPhases = 3;
  static constexpr int kCode = 8;
  static constexpr int kImage = 4;
  static constexpr int kTile = kCode * kImage;
  static constexpr int kHelpers = kThreads / kTile;  // threads that add one sum
  // The padding keeps the threads that add different sums in different banks.
  static constexpr int kRow = kThreads + kHelpers;
  struct Shared {
    float values[kTile][kRow];
    double rows[kTile][kHelpers];
  };

  Source image;
  Source code;
  float* partials;  // [range][code channels][image channels][taps]
  uint32_t image_channels;
  uint32_t code_channels;
  int32_t image_size[2];
  Divisor code_size[2];
  uint32_t positions;  // batch * height * width of the code
  uint32_t range;      // positions of a range
  Divisor kernel[2];
  int32_t strides[2];
  int32_t dilations[2];
  int32_t pads[2];
  Divisor code_tiles;
  Divisor image_tiles;

  struct Place {
    uint32_t range, kh, kw, first_code, first_image;
  };
  CSC_HOST_DEVICE Place PlaceOf(uint32_t block) const {
    Place p;
    uint32_t tile;
    block = image_tiles.Split(block, &tile);
    p.first_image = tile * kImage;
    block = code_tiles.Split(block, &tile);
    p.first_code = tile * kCode;
    block = kernel[1].Split(block, &p.kw);
    p.range = kernel[0].Split(block, &p.kh);
    return p;
  }

  template <int kPhase>
  CSC_HOST_DEVICE void Phase(uint32_t block, uint32_t thread, Shared& shared) const {
    if constexpr (kPhase == 0) {
      SumPositions(PlaceOf(block), thread, shared);
    } else if constexpr (kPhase == 1) {
      const uint32_t sum = thread / kHelpers, helper = thread % kHelpers;
      double total = 0;
      for (int i = 0; i < kTile; ++i) {
        total += static_cast<double>(shared.values[sum][i * kHelpers + helper]);
      }
      shared.rows[sum][helper] = total;
    } else {
      if (thread >= kTile) return;
      const Place p = PlaceOf(block);
      const uint32_t k = p.first_code + thread / kImage;
      const uint32_t c = p.first_image + thread % kImage;
      if (k >= code_channels || c >= image_channels) return;
      double total = 0;
      for (int i = 0; i < kHelpers; ++i) total += shared.rows[thread][i];
      const uint32_t entry =
          ((k * image_channels + c) * kernel[0].value() + p.kh) * kernel[1].value() + p.kw;
      const uint32_t entries =
          code_channels * image_channels * kernel[0].value() * kernel[1].value();
      partials[p.range * entries + entry] = static_cast<float>(total);
    }
  }

  CSC_HOST_DEVICE void SumPositions(const Place& p, uint32_t thread, Shared& shared) const {
    float sums[kCode][kImage];
    CSC_UNROLL
    for (int k = 0; k < kCode; ++k) {
      CSC_UNROLL
      for (int c = 0; c < kImage; ++c) sums[k][c] = 0;
    }
    const uint32_t code_plane = code_size[0].value() * code_size[1].value();
    const uint32_t image_plane = image_size[0] * image_size[1];
    const uint32_t last = p.range * range + range;
    const uint32_t end = last < positions ? last : positions;
    for (uint32_t position = p.range * range + thread; position < end; position += kThreads) {
      uint32_t i, j;
      const uint32_t n = code_size[0].Split(code_size[1].Split(position, &j), &i);
      const int32_t h = static_cast<int32_t>(i) * strides[0] - pads[0] +
                        static_cast<int32_t>(p.kh) * dilations[0];
      const int32_t w = static_cast<int32_t>(j) * strides[1] - pads[1] +
                        static_cast<int32_t>(p.kw) * dilations[1];
      if (h < 0 || h >= image_size[0] || w < 0 || w >= image_size[1]) continue;
      const float* x = image.At(n) + p.first_image * image_plane + h * image_size[1] + w;
      const float* g = code.At(n) + p.first_code * code_plane + (position - n * code_plane);
      float pixels[kImage];
      CSC_UNROLL
      for (int c = 0; c < kImage; ++c) {
        pixels[c] = p.first_image + c < image_channels ? Read(x + c * image_plane) : 0.0f;
      }
      CSC_UNROLL
      for (int k = 0; k < kCode; ++k) {
        const float value = p.first_code + k < code_channels ? Read(g + k * code_plane) : 0.0f;
        CSC_UNROLL
        for (int c = 0; c < kImage; ++c) sums[k][c] += value * pixels[c];
      }
    }
    CSC_UNROLL
    for (int k = 0; k < kCode; ++k) {
      CSC_UNROLL
      for (int c = 0; c < kImage; ++c) shared.values[k * kImage + c][thread] = sums[k][c];
    }
  }
};

// Blocks of filter entries: adds the ranges to the gradient, which may be a thousand and
// more. The warps of a block share them out; each adds every sixteenth, then these sums are
// added: a fixed order. Several gradients at a time, one after the other.
struct FilterGradientSumsKernel {
  static constexpr uint32_t kEntries = 32;
  static constexpr uint32_t kHelpers = 16;  // threads that add one entry's ranges
  static constexpr int kThreads = kEntries * kHelpers;
  static constexpr int kPhases = 2;
  struct Shared {
    double sums[kHelpers][kEntries];
  };

  static constexpr uint32_t kMost = 48;

  struct Gradient {
    const float* partials;  // [range][entries]
    double* target;         // of no other gradient of the launch
    uint32_t entries;
    uint32_t ranges;
    Scalar scales[2];
    uint32_t first_block;  // ascending
  };
  Gradient gradients[kMost];
  uint32_t size;

  template <int kPhase>
  CSC_HOST_DEVICE void Phase(uint32_t block, uint32_t thread, Shared& shared) const {
    const Gradient& g = GradientOf(gradients, size, block);
    const uint32_t lane = thread % kEntries, helper = thread / kEntries;
    const uint32_t entry = (block - g.first_block) * kEntries + lane;
    if (entry >= g.entries) return;
    if constexpr (kPhase == 0) {
      double sum = 0;
      for (uint32_t r = helper; r < g.ranges; r += kHelpers) {
        sum += static_cast<double>(Read(g.partials + r * g.entries + entry));
      }
      shared.sums[helper][lane] = sum;
    } else {
      if (helper > 0) return;
      double sum = 0;
      for (uint32_t h = 0; h < kHelpers; ++h) sum += shared.sums[h][lane];
      g.target[entry] +=
          static_cast<double>(g.scales[0].value()) * static_cast<double>(g.scales[1].value()) * sum;
    }
  }
};

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_KERNELS_FILTER_GRADIENT_H_
