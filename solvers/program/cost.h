// What one sample of a program costs: arithmetic, convolutions, memory.

#ifndef CSC_SOLVERS_PROGRAM_COST_H_
#define CSC_SOLVERS_PROGRAM_COST_H_

#include <cstdint>

#include "solvers/program/program.h"

namespace csc {

struct Cost {
  // 2 * multiply-adds of all linear maps and filter gradients in their direct
  // form, padding included: the nominal FLOPs that rates are quoted in.
  int64_t linear_flops = 0;
  // Additions, multiplications and comparisons of everything else.
  int64_t other_flops = 0;
  int64_t convolutions = 0;  // analysis + synthesis + filter gradients
  // Bytes of float32 that all values of the program hold together.
  int64_t value_bytes = 0;

  int64_t flops() const { return linear_flops + other_flops; }
};

// Per sample.
Cost CostOf(const Program& program);

}  // namespace csc

#endif  // CSC_SOLVERS_PROGRAM_COST_H_
