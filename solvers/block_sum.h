// A sum in the order of a GPU's block, which the host can follow too.

#ifndef CSC_SOLVERS_BLOCK_SUM_H_
#define CSC_SOLVERS_BLOCK_SUM_H_

#include <cstdint>

#include "solvers/host_device.h"

namespace csc {

// The sum of a value that each of 256 threads holds: 16 threads add 16 values
// each, one thread adds the 16 sums.
struct BlockSum {
  static constexpr int kThreads = 256;
  static constexpr int kRow = 16;

  double values[kThreads];
  double rows[kRow];

  CSC_HOST_DEVICE void AddRow(uint32_t row) {
    double sum = 0;
    for (int i = 0; i < kRow; ++i) sum += values[row * kRow + i];
    rows[row] = sum;
  }
  CSC_HOST_DEVICE double Total() const {
    double sum = 0;
    for (int i = 0; i < kRow; ++i) sum += rows[i];
    return sum;
  }
};

}  // namespace csc

#endif  // CSC_SOLVERS_BLOCK_SUM_H_
