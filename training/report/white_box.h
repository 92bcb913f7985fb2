// What sparse coding says about a network's layers, on a sample of images.
//
// A layer codes its input x over a dictionary D, from the layer before it. Each
// dictionary gives one row of figures; which of them mean something depends on
// the layer:
//
//                        of the code:   of the dictionary:   of the pursuit:
//                        zeros, l1      coherence,           c   objective,
//                                       lambda_max               not reconstructed
//   LayeredThreshold     x              F^T                      x
//   LayeredPursuit       x              F^T                  x   x
//   MsdCsc               x              [I, F^T]             x   x
//   ResCsc      twice:   x, of h        F1^T                     x
//                        x              F2^T                -c   x, of h (a)
//   MlCsc     F_i, all                  F_i^T                x
//             F_1 also                                           not reconstructed
//             F_L also   x                                       objective
//   DenseCsc  F_i, all                  [I, F_i^T]           x
//             F_L also   x
//
// (a) not where `simplified` drops the start, or c >= 0: Eq. 5 is then no step
// of a pursuit. Other layers (pools, Gemm, SoftThreshold, Synthesis) are no
// sparse coding and get no row.
//
// The objective. One step g <- S_b(a (z - c D^T (D z - x))) with all a > 0,
// c > 0 is a proximal gradient step of
//
//   1/2 ||x - D g||^2 + sum_j b_j / (a_j c) |g_j| + sum_j (1 - a_j) / (2 a_j c) g_j^2
//
// (the prox of its last two terms, with step c, is S_b(a .)). With a = 1, which
// is without batch normalisation, that is the paper's Lasso (P1) with beta =
// b / c. Negative b of a nonnegative code only make its penalty negative. Where
// b, a and c differ between iterations, those of the last one define it.
// LayeredThreshold is the step from zero with c = 1. The F2 of ResCsc has the
// dictionary L F2^T with L = -c (Eq. 5) and beta_j = b2_j L / a2_j, because a2
// scales the step alone. MlCsc has sum_i beta_i ||F_{i+1}^T .. F_L^T g_L||_1
// over F_1^T .. F_L^T, of which its sweeps find the minimum (Sulam et al.).
// Otherwise (some a <= 0 or c <= 0) there is no objective.

#ifndef CSC_TRAINING_REPORT_WHITE_BOX_H_
#define CSC_TRAINING_REPORT_WHITE_BOX_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "solvers/engines/engine.h"
#include "solvers/network/network.h"

namespace csc {

// Mean over the images after so many iterations: g^1 is the first code and
// g^{unfolding + 1} the last. ResCsc starts from 0, its shortcut.
struct Objective {
  int64_t iteration = 0;
  double value = 0;
};

// One dictionary. What is unset means nothing for it.
struct DictionaryFigures {
  int64_t layer = 0;  // of the network, from 0
  std::string op;
  std::string dictionary;  // "[I, F^T]"
  int64_t atoms = 0;       // at one position
  double coherence = 0;    // MutualCoherence, with I where it is there
  double lambda_max = 0;   // LargestEigenvalue, 1 more with I
  // The step c, the one of largest magnitude where iterations have their own.
  // Of ResCsc it is -c, so that in all layers 0 <= c lambda_max <= 2 contracts.
  std::optional<double> step;
  // The layer iterates, and c lambda_max is above 2 or c is negative.
  bool step_warning = false;

  std::optional<double> zeros;    // share of zeros in the layer's code
  std::optional<double> mean_l1;  // ||g||_1, mean over the images
  std::vector<Objective> objective;
  // The share of dimensions j of x that fail to be reconstructed: Definition 1
  // in section V.B of the paper calls dimension j "unsuccess" where
  //   |xi_j - x_j| > 2 beta,   xi = D g.
  // MsdCsc takes as beta that of the identity atom which j has to itself (the
  // atom that Theorem 1 mends j with); where there is none, or it has no
  // threshold, beta is the mean over the channels of the code. Negative beta
  // count as 0. MlCsc reconstructs the image from its deepest code, with the
  // beta of F_1.
  std::optional<double> not_reconstructed;
  std::optional<double> tolerance;  // 2 beta, mean over the dimensions

  double step_lambda() const { return step ? *step * lambda_max : 0; }
};

// Figures of every dictionary of `network`, in order, on `count` images
// [count, C, H, W]. Every layer reads what the layers before it make of them.
// Runs on `engine`, with `executor` (null: serial). All iterations are looked
// at, but of more than 16 only the first 16 and the last. Throws Error.
std::vector<DictionaryFigures> MeasureWhiteBox(const Engine& engine, Executor* executor,
                                               const Network& network, const Shape& input,
                                               const float* images, int64_t count);

}  // namespace csc

#endif  // CSC_TRAINING_REPORT_WHITE_BOX_H_
