// Layers pursued together by multi-layer ISTA or FISTA (Sulam, Aberdam, Beck and
// Elad, "On Multi-Layer Basis Pursuit"): plain layers one behind the other
// (ML-CSC), or those of a dense block, each of which passes its input on.

#ifndef CSC_SOLVERS_ALGORITHMS_JOINT_PURSUIT_H_
#define CSC_SOLVERS_ALGORITHMS_JOINT_PURSUIT_H_

#include <vector>

#include "solvers/algorithms/unrolled.h"
#include "solvers/program/program.h"

namespace csc {

struct JointLayer {
  UnrolledParameters parameters;  // filters F_i [w, C, kh, kw]
  Geometry geometry;
};

struct JointOptions {
  int unfolding = 0;  // rounds after the first estimate
  Algorithm algorithm = Algorithm::kIsta;
  // A layer's analysis A_i g is F_i g, or in a dense block [g ; F_i g].
  bool dense = false;
  bool normalise = false;  // batch statistics before scales and thresholds
  double epsilon = 1e-5;
};

// With g_0 = x:
//
//   g_i = S+_{b_i}( a_i A_i (c_i g_{i-1}) )          i = 1 .. L
//   repeat `unfolding` times:
//     u_L = g_L, for FISTA extrapolated;  u_{i-1} = A_i^T u_i    i = L .. 1
//     g_i = S+_{b_i}( a_i (u_i - A_i (c_i (u_{i-1} - g_{i-1}))) )  i = 1 .. L
//
// A round costs one synthesis and one analysis a layer. x [C, H, W] -> the
// deepest code g_L; of a dense block [C + w_1 + ... + w_L, H, W], x's channels
// first. Thresholds, scales and steps are shared by all rounds or have a row,
// or a number, for the first estimate and for each round.
ValueId JointPursuit(Program* program, ValueId x, const std::vector<JointLayer>& layers,
                     const JointOptions& options);

}  // namespace csc

#endif  // CSC_SOLVERS_ALGORITHMS_JOINT_PURSUIT_H_
