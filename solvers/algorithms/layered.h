// Plain CSC layers: one layer of the layered thresholding algorithm
// (Algorithm 1), and its unrolled pursuit.

#ifndef CSC_SOLVERS_ALGORITHMS_LAYERED_H_
#define CSC_SOLVERS_ALGORITHMS_LAYERED_H_

#include "solvers/algorithms/unrolled.h"
#include "solvers/program/program.h"

namespace csc {

// P_b(a F x), with batch normalisation before a if so asked. `scale` may be
// absent. x [C, H, W] -> [w, H', W'].
ValueId LayeredThreshold(Program* program, ValueId x, int filters, const ChannelVector& threshold,
                         const ChannelVector& scale, const UnrolledOptions& options);

// g^1 = P_b(c F x); g^{k+1} = P_b(z - c F (F^T z - x)), z as ISTA or FISTA
// (Eq. 1, unrolled). x [C, H, W] -> [w, H', W'].
ValueId LayeredPursuit(Program* program, ValueId x, const UnrolledParameters& parameters,
                       const UnrolledOptions& options);

}  // namespace csc

#endif  // CSC_SOLVERS_ALGORITHMS_LAYERED_H_
