// What cuDNN computes, in plain loops.

#ifndef CSC_TESTS_SOLVERS_ENGINES_CUDA_CUDNN_LOOPS_H_
#define CSC_TESTS_SOLVERS_ENGINES_CUDA_CUDNN_LOOPS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "solvers/engines/cuda/cudnn_convolution.h"
#include "solvers/engines/cuda/kernels/mma.h"

namespace csc::test {

// Of products in float32 or TF32, summed in double and rounded once.
inline void RunCudnnLoops(const cuda::CudnnConvolution& c) {
  const auto factor = [&](float value) -> double {
    const float pair[2] = {value, 0};
    return c.tf32 ? cuda::Tf32::Value(cuda::Tf32::Word(pair), 0) : value;
  };
  const auto plane = [](const cuda::CudnnTensor& t) { return int64_t{t.size[0]} * t.size[1]; };
  // For every triple of numbers that F relates: from the results' side they come in one order.
  const auto for_each = [&](int64_t sample, int64_t o, int64_t i, const auto& body) {
    for (int64_t position = 0; position < plane(c.code); ++position) {
      const int64_t row = position / c.code.size[1], column = position % c.code.size[1];
      for (int64_t tap = 0; tap < int64_t{c.kernel[0]} * c.kernel[1]; ++tap) {
        const int64_t h = row * c.strides[0] - c.pads[0] + tap / c.kernel[1] * c.dilations[0];
        const int64_t w = column * c.strides[1] - c.pads[1] + tap % c.kernel[1] * c.dilations[1];
        if (h < 0 || h >= c.image.size[0] || w < 0 || w >= c.image.size[1]) continue;
        body(sample * c.image.stride + i * plane(c.image) + h * c.image.size[1] + w,
             sample * c.code.stride + o * plane(c.code) + position,
             (o * c.image.channels + i) * c.kernel[0] * c.kernel[1] + tap);
      }
    }
  };
  const auto for_all_channels = [&](const auto& body) {
    for (int64_t o = 0; o < c.code.channels; ++o) {
      for (int64_t i = 0; i < c.image.channels; ++i) body(o, i);
    }
  };
  const auto write = [&](const std::vector<double>& sums, float* to) {
    for (size_t k = 0; k < sums.size(); ++k) to[k] = static_cast<float>(c.scale * sums[k]);
  };
  if (c.op == Opcode::kFilterGradient) {
    std::vector<double> sums(int64_t{c.code.channels} * c.image.channels * c.kernel[0] *
                             c.kernel[1]);
    for (int64_t n = 0; n < c.batch; ++n) {
      for_all_channels([&](int64_t o, int64_t i) {
        for_each(n, o, i, [&](int64_t x, int64_t g, int64_t f) {
          sums[f] += factor(c.image.data[x]) * factor(c.code.data[g]);
        });
      });
    }
    return write(sums, c.gradient);
  }
  const bool analysis = c.op == Opcode::kAnalysis;
  const cuda::CudnnTensor& to = analysis ? c.code : c.image;
  for (int64_t n = 0; n < c.batch; ++n) {
    std::vector<double> sums(to.channels * plane(to));
    for_all_channels([&](int64_t o, int64_t i) {
      for_each(n, o, i, [&](int64_t x, int64_t g, int64_t f) {
        const float from = analysis ? c.image.data[x] : c.code.data[g];
        sums[(analysis ? g : x) - n * to.stride] += factor(from) * factor(c.filters[f]);
      });
    });
    write(sums, to.data + n * to.stride);
  }
}

}  // namespace csc::test

#endif  // CSC_TESTS_SOLVERS_ENGINES_CUDA_CUDNN_LOOPS_H_
