// Sums over batch and positions, in two passes of fixed ranges: blocks write
// one partial sum for each range, then the ranges are added in a fixed order.

#ifndef CSC_SOLVERS_ENGINES_CUDA_KERNELS_REDUCTIONS_H_
#define CSC_SOLVERS_ENGINES_CUDA_KERNELS_REDUCTIONS_H_

#include <cmath>
#include <cstdint>

#include "solvers/block_sum.h"
#include "solvers/engines/cuda/kernels/elementwise.h"
#include "solvers/engines/cuda/kernels/host_device.h"
#include "solvers/program/program.h"

namespace csc::cuda {

// The second pass of a statistic, which has two numbers for each channel: mean and
// variance, or two means. kHelpers threads add the ranges, each every sixteenth, and one
// adds their sums: a fixed order. Unrolled, this would take more registers than the pass
// that it belongs to (nvcc 13.0).
struct Statistic {
  static constexpr uint32_t kHelpers = 16;

  const double* partials;  // [channel][range][2]
  uint32_t channels;
  uint32_t ranges;
  double count;   // batch * height * width
  bool moments;   // mean and variance
  float* values;  // [2][channels], for those who need it later

  CSC_HOST_DEVICE void AddRanges(uint32_t channel, uint32_t helper, double* sums) const {
    sums[0] = sums[1] = 0;
    CSC_NO_UNROLL
    for (uint32_t r = helper; r < ranges; r += kHelpers) {
      sums[0] += partials[(channel * ranges + r) * 2];
      sums[1] += partials[(channel * ranges + r) * 2 + 1];
    }
  }
  CSC_HOST_DEVICE void Find(const double (*helpers)[2], float* rows) const {
    double sums[2] = {0, 0};
    CSC_NO_UNROLL
    for (uint32_t h = 0; h < kHelpers; ++h) {
      sums[0] += helpers[h][0];
      sums[1] += helpers[h][1];
    }
    const double mean = sums[0] / count;
    double second = sums[1] / count;
    if (moments) {
      // Squares of floats are exact in double, so little is lost here.
      second -= mean * mean;
      if (second < 0) second = 0;
    }
    rows[0] = static_cast<float>(mean);
    rows[1] = static_cast<float>(second);
  }
  CSC_HOST_DEVICE void Store(uint32_t channel, const float* rows) const {
    values[channel] = rows[0];
    values[channels + channel] = rows[1];
  }
};

// What a ChannelKernel makes of its elements before its epilogue does. `rows` are those of
// its statistic.
struct Nothing {
  static constexpr bool kHasStatistic = false;

  CSC_HOST_DEVICE float ValueOf(const Element&, const float*) const { return 0; }
};

// (x - mean) / sqrt(variance + epsilon).
struct Normalised {
  static constexpr bool kHasStatistic = true;

  Source source;
  Statistic statistic;  // mean and variance
  float epsilon;

  CSC_HOST_DEVICE float ValueOf(const Element& e, const float* rows) const {
    const float centred = Read(source.At(e.sample) + e.inside) - rows[0];
    return centred / sqrtf(rows[1] + epsilon);
  }
};

// (dy - mean(dy) - y mean(dy y)) / sqrt(variance + epsilon).
struct NormalisedAdjoint {
  static constexpr bool kHasStatistic = true;

  Source gradient;        // dy
  Source normalised;      // y
  Statistic statistic;    // mean(dy), mean(dy y)
  const float* variance;  // [channels]
  float epsilon;

  CSC_HOST_DEVICE float ValueOf(const Element& e, const float* rows) const {
    const float centred = Read(gradient.At(e.sample) + e.inside) - rows[0] -
                          Read(normalised.At(e.sample) + e.inside) * rows[1];
    return centred / sqrtf(Read(variance + e.channel) + epsilon);
  }
};

// Blocks [channel][range]: what Map makes of all elements of a range, and an epilogue whose
// stages may sum what they compute. Each sum is two: that of y and that of y * f(w), f being
// the identity or the sign. In double: these kernels wait for memory. A statistic that Map
// takes is finished by every block for itself, as a kernel for that would cost the time of a
// launch.
template <typename Map>
struct ChannelKernel {
  static constexpr int kThreads = BlockSum::kThreads;
  static constexpr int kPhases = 5;
  static constexpr int kCount = Elementwise::kCount;
  static constexpr uint32_t kSums = Epilogue::kMaxSums;
  struct Shared {
    BlockSum sums[2 * kSums];
    double helpers[Statistic::kHelpers][2];
    float statistic[2];
  };

  Map map;
  Elementwise elements;
  uint32_t positions;  // batch * height * width
  Divisor ranges;
  uint32_t range;  // positions of a range
  uint32_t num_sums;
  double* partials[kSums];  // [channel][range][2]

  // Each thread adds to its own.
  struct ThreadSums {
    Shared& shared;
    uint32_t thread;

    template <int kCount, int kRun>
    CSC_HOST_DEVICE void Add(const Stage& stage, const Element* elements,
                             const float* values) const {
      if (stage.sum == Stage::kNoSum) return;
      float weights[kCount];
      if (stage.weight.value.data != nullptr) {
        stage.weight.template Load<kCount, kRun>(elements, weights);
      } else {
        CSC_UNROLL
        for (int k = 0; k < kCount; ++k) weights[k] = values[k];
      }
      double& plain_sum = shared.sums[2 * stage.sum].values[thread];
      double& weighted_sum = shared.sums[2 * stage.sum + 1].values[thread];
      double plain = plain_sum, weighted = weighted_sum;
      CSC_UNROLL
      for (int k = 0; k < kCount; ++k) {
        if (!elements[k].present) continue;
        const double value = values[k];
        const float w = weights[k];
        plain += value;
        weighted += value * (stage.sign_of_weight ? (w > 0) - (w < 0) : static_cast<double>(w));
      }
      plain_sum = plain;
      weighted_sum = weighted;
    }
  };

  template <int kPhase>
  CSC_HOST_DEVICE void Phase(uint32_t block, uint32_t thread, Shared& shared) const {
    uint32_t r;
    const uint32_t channel = ranges.Split(block, &r);
    if constexpr (kPhase == 0) {
      for (BlockSum& sum : shared.sums) sum.values[thread] = 0;
      if constexpr (Map::kHasStatistic) {
        if (thread >= Statistic::kHelpers) return;
        map.statistic.AddRanges(channel, thread, shared.helpers[thread]);
      }
    } else if constexpr (kPhase == 1) {
      if constexpr (Map::kHasStatistic) {
        if (thread > 0) return;
        map.statistic.Find(shared.helpers, shared.statistic);
        if (r == 0) map.statistic.Store(channel, shared.statistic);
      }
    } else if constexpr (kPhase == 2) {
      const uint32_t last = r * range + range;
      const uint32_t end = last < positions ? last : positions;
      for (uint32_t p = r * range + thread; p < end; p += kCount * kThreads) {
        AddPositions(p, end, channel, {shared, thread});
      }
    } else if constexpr (kPhase == 3) {
      const uint32_t sum = thread / BlockSum::kRow;
      if (sum < 2 * num_sums) shared.sums[sum].AddRow(thread % BlockSum::kRow);
    } else {
      if (thread < 2 * num_sums) {
        partials[thread / 2][block * 2 + thread % 2] = shared.sums[thread].Total();
      }
    }
  }

  CSC_HOST_DEVICE void AddPositions(uint32_t first, uint32_t end, uint32_t channel,
                                    const ThreadSums& sums) const {
    Element at[kCount];
    float values[kCount];
    CSC_UNROLL
    for (int k = 0; k < kCount; ++k) {
      Element& e = at[k];
      const uint32_t position = first + k * kThreads;
      uint32_t inside;
      e.sample = elements.plane.Split(position, &inside);
      e.inside = channel * elements.plane.value() + inside;
      e.channel = channel;
      e.present = position < end;
    }
    CSC_UNROLL
    for (int k = 0; k < kCount; ++k) {
      values[k] = at[k].present ? map.ValueOf(at[k], sums.shared.statistic) : 0.0f;
    }
    elements.epilogue.template Finish<kCount, kCount>(at, values, sums);
  }
};

// Blocks: one for each number of the targets, to which it adds constant * the sum of
// `count` partial sums. Many gradients at a time, as each is but little work.
struct GradientSumsKernel {
  static constexpr int kThreads = BlockSum::kThreads;
  static constexpr int kPhases = 3;
  static constexpr uint32_t kMost = 48;
  using Shared = BlockSum;

  struct Gradient {
    const double* partials;  // [number][count][2]
    double* target;          // of no other gradient of the launch
    double constant;
    uint32_t row;  // which of the two sums
    uint32_t count;
    uint32_t first_block;  // ascending
  };
  Gradient gradients[kMost];
  uint32_t size;

  template <int kPhase>
  CSC_HOST_DEVICE void Phase(uint32_t block, uint32_t thread, Shared& shared) const {
    if constexpr (kPhase == 0) {
      const Gradient& g = GradientOf(gradients, size, block);
      const uint32_t number = block - g.first_block;
      double sum = 0;
      for (uint32_t i = thread; i < g.count; i += kThreads) {
        sum += g.partials[(number * g.count + i) * 2 + g.row];
      }
      shared.values[thread] = sum;
    } else if constexpr (kPhase == 1) {
      if (thread < BlockSum::kRow) shared.AddRow(thread);
    } else {
      if (thread > 0) return;
      const Gradient& g = GradientOf(gradients, size, block);
      g.target[block - g.first_block] += g.constant * shared.Total();
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
