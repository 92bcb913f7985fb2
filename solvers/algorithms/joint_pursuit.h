// ML-CSC: several layers pursued together by multi-layer ISTA or FISTA
// (Sulam, Aberdam, Beck and Elad, "On Multi-Layer Basis Pursuit").

#ifndef CSC_SOLVERS_ALGORITHMS_ML_CSC_H_
#define CSC_SOLVERS_ALGORITHMS_ML_CSC_H_

#include <vector>

#include "solvers/algorithms/unrolled.h"
#include "solvers/program/program.h"

namespace csc {

struct MlCscLayer {
  int filters = -1;
  int threshold = -1;
  int step = -1;
  Geometry geometry;
};

// x [C, H, W] -> the deepest code. An unfolding of 0 is the layered first
// estimate; each further round costs one synthesis and one analysis a layer.
ValueId MlCsc(Program* program, ValueId x, const std::vector<MlCscLayer>& layers, int unfolding,
              Algorithm algorithm);

}  // namespace csc

#endif  // CSC_SOLVERS_ALGORITHMS_ML_CSC_H_
