// The optimiser's step: one kernel for all parameters, two more where gradients are
// clipped. The arithmetic is that of solvers/engines/sgd.h.

#ifndef CSC_SOLVERS_ENGINES_CUDA_KERNELS_SGD_H_
#define CSC_SOLVERS_ENGINES_CUDA_KERNELS_SGD_H_

#include <cstdint>

#include "solvers/block_sum.h"
#include "solvers/engines/cuda/kernels/host_device.h"
#include "solvers/engines/sgd.h"

namespace csc::cuda {

// What holds for an entry of the parameters, in bits.
inline constexpr uint8_t kTrains = 1;
inline constexpr uint8_t kDecays = 2;
inline constexpr uint8_t kStaysNonnegative = 4;

// Blocks: the squares of one range of kSquaresRange gradients that train.
struct SquaresKernel {
  static constexpr int kThreads = BlockSum::kThreads;
  static constexpr int kPhases = 3;
  using Shared = BlockSum;

  const float* gradients;
  const uint8_t* rules;
  uint32_t size;
  double* squares;  // one for each range

  template <int kPhase>
  CSC_HOST_DEVICE void Phase(uint32_t block, uint32_t thread, Shared& shared) const {
    if constexpr (kPhase == 0) {
      const uint32_t last = (block + 1) * kSquaresRange;
      const uint32_t end = last < size ? last : size;
      double sum = 0;
      for (uint32_t i = block * kSquaresRange + thread; i < end; i += kThreads) {
        const double gradient = (rules[i] & kTrains) != 0 ? gradients[i] : 0.0f;
        sum += gradient * gradient;  // exact: fused or not
      }
      shared.values[thread] = sum;
    } else if constexpr (kPhase == 1) {
      if (thread < BlockSum::kRow) shared.AddRow(thread);
    } else {
      if (thread == 0) squares[block] = shared.Total();
    }
  }
};

// Flat, of one index.
struct ClipKernel {
  const double* squares;
  uint32_t ranges;
  double largest;  // norm
  float* clip;

  CSC_HOST_DEVICE void operator()(uint32_t) const {
    double sum = 0;
    for (uint32_t r = 0; r < ranges; ++r) sum += squares[r];
    *clip = ClipFactor(sum, largest);
  }
};

// Flat over the entries of the parameters.
struct SgdKernel {
  SgdFactors factors;
  float decay;
  const uint8_t* rules;
  const float* gradients;
  const float* rate;
  const float* clip;  // null: gradients as they are
  float* parameters;
  float* velocity;
  int32_t* infinite;  // set to 1 where a parameter became infinite or NaN

  CSC_HOST_DEVICE void operator()(uint32_t i) const {
    const uint32_t rule = rules[i];
    if ((rule & kTrains) == 0) return;
    float parameter = parameters[i];
    factors.Update(*rate, clip != nullptr ? *clip : 1.0f, (rule & kDecays) != 0 ? decay : 0.0f,
                   gradients[i], &parameter, &velocity[i]);
    if (0 * parameter != 0) *infinite = 1;
    parameters[i] = (rule & kStaysNonnegative) != 0 ? Nonnegative(parameter) : parameter;
  }
};

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_KERNELS_SGD_H_
