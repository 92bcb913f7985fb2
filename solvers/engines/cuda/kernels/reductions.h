// Sums over batch and positions, in two passes of fixed ranges: blocks write
// one partial sum for each range, then the ranges are added in order.

#ifndef CSC_SOLVERS_ENGINES_CUDA_KERNELS_REDUCTIONS_H_
#define CSC_SOLVERS_ENGINES_CUDA_KERNELS_REDUCTIONS_H_

#include <cmath>
#include <cstdint>

#include "solvers/block_sum.h"
#include "solvers/engines/cuda/kernels/host_device.h"
#include "solvers/program/program.h"

namespace csc::cuda {

// Blocks [channel][range]: the sums of `first` and of first * f(second), f
// being the identity or the sign. In double: these kernels wait for memory.
struct ChannelSumsKernel {
  static constexpr int kThreads = BlockSum::kThreads;
  static constexpr int kPhases = 3;
  struct Shared {
    BlockSum sums[2];
  };

  Source first;
  Source second;
  bool sign_of_second;
  Divisor plane;       // height * width
  uint32_t positions;  // batch * height * width
  Divisor ranges;
  uint32_t range;    // positions of a range
  double* partials;  // [channel][range][2]

  template <int kPhase>
  CSC_HOST_DEVICE void Phase(uint32_t block, uint32_t thread, Shared& shared) const {
    if constexpr (kPhase == 0) {
      uint32_t r;
      const uint32_t c = ranges.Split(block, &r);
      const uint32_t last = r * range + range;
      const uint32_t end = last < positions ? last : positions;
      double plain = 0, weighted = 0;
      for (uint32_t p = r * range + thread; p < end; p += kThreads) {
        uint32_t inside;
        const uint32_t n = plane.Split(p, &inside);
        const uint32_t element = c * plane.value() + inside;
        const double value = first.At(n)[element];
        const float other = second.At(n)[element];
        const float factor = sign_of_second ? static_cast<float>((other > 0) - (other < 0)) : other;
        plain += value;
        weighted += value * static_cast<double>(factor);
      }
      shared.sums[0].values[thread] = plain;
      shared.sums[1].values[thread] = weighted;
    } else if constexpr (kPhase == 1) {
      const uint32_t sum = thread / BlockSum::kRow;
      if (sum < 2) shared.sums[sum].AddRow(thread % BlockSum::kRow);
    } else {
      if (thread < 2) partials[block * 2 + thread] = shared.sums[thread].Total();
    }
  }
};

// Flat over channels: the two rows of a statistic.
struct FinishStatisticKernel {
  const double* partials;  // [channel][range][2]
  uint32_t channels;
  uint32_t ranges;
  double count;      // batch * height * width
  bool moments;      // mean and variance; two means otherwise
  float* statistic;  // [2][channels]

  CSC_HOST_DEVICE void operator()(uint32_t c) const {
    double sums[2] = {0, 0};
    for (uint32_t r = 0; r < ranges; ++r) {
      sums[0] += partials[(c * ranges + r) * 2];
      sums[1] += partials[(c * ranges + r) * 2 + 1];
    }
    const double mean = sums[0] / count;
    double second = sums[1] / count;
    if (moments) {
      // Squares of floats are exact in double, so little is lost here.
      second -= mean * mean;
      if (second < 0) second = 0;
    }
    statistic[c] = static_cast<float>(mean);
    statistic[channels + c] = static_cast<float>(second);
  }
};

// Blocks: one for each entry of the target. Adds constant * the sum of `count`
// partial sums to it.
struct GradientSumKernel {
  static constexpr int kThreads = BlockSum::kThreads;
  static constexpr int kPhases = 3;
  using Shared = BlockSum;

  const double* partials;  // [entry][count][2]
  uint32_t row;            // which of the two sums
  uint32_t count;
  double constant;
  double* target;

  template <int kPhase>
  CSC_HOST_DEVICE void Phase(uint32_t block, uint32_t thread, Shared& shared) const {
    if constexpr (kPhase == 0) {
      double sum = 0;
      for (uint32_t i = thread; i < count; i += kThreads) {
        sum += partials[(block * count + i) * 2 + row];
      }
      shared.values[thread] = sum;
    } else if constexpr (kPhase == 1) {
      if (thread < BlockSum::kRow) shared.AddRow(thread);
    } else {
      if (thread == 0) target[block] += constant * shared.Total();
    }
  }
};

// Flat over samples: softmax, its loss, and the gradient of the mean loss.
struct SoftmaxLossKernel {
  Source logits;  // [batch][classes]
  const int32_t* labels;
  uint32_t classes;
  uint32_t batch;
  double smoothing;  // of the labels
  Result gradient;
  double* loss;      // [batch], added to
  int32_t* correct;  // [batch], added to

  CSC_HOST_DEVICE void operator()(uint32_t n) const {
    const float* z = logits.At(n);
    uint32_t best = 0;
    for (uint32_t k = 1; k < classes; ++k) {
      if (z[best] < z[k]) best = k;
    }
    const double max = z[best];
    double sum = 0;
    double total = 0;
    for (uint32_t k = 0; k < classes; ++k) sum += exp(z[k] - max);
    for (uint32_t k = 0; k < classes; ++k) total += z[k];
    const double spread = smoothing / classes;  // the target of every class
    const uint32_t label = static_cast<uint32_t>(labels[n]);
    loss[n] += (log(sum) + max - ((1 - smoothing) * z[label] + spread * total)) / batch;
    correct[n] += best == label ? 1 : 0;
    for (uint32_t k = 0; k < classes; ++k) {
      const double probability = exp(z[k] - max) / sum;
      const double expected = (k == label ? 1 - smoothing : 0) + spread;
      gradient.At(n)[k] = static_cast<float>((probability - expected) / batch);
    }
  }
};

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_KERNELS_REDUCTIONS_H_
