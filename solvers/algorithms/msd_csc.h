// MSD-CSC layers: sparse coding over the dictionary [I, F^T] by unrolled ISTA
// and FISTA (Algorithms 2 and 3 of the paper).

#ifndef CSC_SOLVERS_ALGORITHMS_MSD_CSC_H_
#define CSC_SOLVERS_ALGORITHMS_MSD_CSC_H_

#include "solvers/algorithms/unrolled.h"
#include "solvers/program/program.h"

namespace csc {

struct MsdCscOptions {
  UnrolledOptions unrolled;  // its geometry must keep the size
  bool threshold_identity = true;
};

// x [C, H, W] -> code [C + w, H, W], identity channels first. The parameters'
// thresholds and scales cover C + w channels, or w without
// `threshold_identity`.
ValueId MsdCsc(Program* program, ValueId x, const UnrolledParameters& parameters,
               const MsdCscOptions& options);

}  // namespace csc

#endif  // CSC_SOLVERS_ALGORITHMS_MSD_CSC_H_
