// Arrays on their way between host and device.

#ifndef CSC_SOLVERS_ENGINES_CUDA_STAGING_H_
#define CSC_SOLVERS_ENGINES_CUDA_STAGING_H_

#include <cstdint>

#include "solvers/engines/cuda/bind.h"

namespace csc::cuda {

template <typename T>
constexpr int64_t BytesFor(int64_t count) {
  return count * static_cast<int64_t>(sizeof(T));
}

// What an array takes of a staging buffer, so that the next begins on a cache line.
constexpr int64_t Padded(int64_t bytes) { return (bytes + 63) / 64 * 64; }

struct LossTotals {
  double loss = 0;
  int64_t correct = 0;
};

// Adds results that have arrived at the host up, in order.
inline LossTotals TotalsOf(const LossResults& results, int64_t batch) {
  LossTotals totals;
  for (int64_t n = 0; n < batch; ++n) {
    totals.loss += results.loss[n];
    totals.correct += results.correct[n];
  }
  return totals;
}

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_STAGING_H_
