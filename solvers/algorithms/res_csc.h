// Res-CSC blocks: Eq. 3 followed by Eq. 5, one ISTA step that starts from the
// input of the layer before.

#ifndef CSC_SOLVERS_ALGORITHMS_RES_CSC_H_
#define CSC_SOLVERS_ALGORITHMS_RES_CSC_H_

#include "solvers/geometry.h"
#include "solvers/program/program.h"

namespace csc {

struct ResCscOptions {
  Geometry geometry1;         // of F1; its strides shrink the block's output
  Geometry geometry2;         // of F2; stride 1
  bool pad_shortcut = false;  // subsample and append zero channels
  bool simplified = false;    // drop "+ s"
  bool zero_step = false;     // c is 0: its term is left out
  bool normalise = false;     // batch statistics before a1 and a2
  double epsilon = 1e-5;
};

// Parameters by number; scales are -1 where absent.
struct ResCscParameters {
  int filters1 = -1;    // [m, C, kh, kw]
  int threshold1 = -1;  // [m] or [1]
  int filters2 = -1;    // [m, m, kh, kw]
  int threshold2 = -1;
  int step = -1;  // c of Eq. 5 (-L there); 0 makes it a ResNet block
  int scale1 = -1;
  int scale2 = -1;
};

// y = S+_b2( a2 F2 (h + c F2^T s) + s ), h = S+_b1( a1 F1 x ), s the shortcut.
// x [C, H, W] -> [m, H', W'].
ValueId ResCsc(Program* program, ValueId x, const ResCscParameters& parameters,
               const ResCscOptions& options);

}  // namespace csc

#endif  // CSC_SOLVERS_ALGORITHMS_RES_CSC_H_
