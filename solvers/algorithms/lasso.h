// The Lasso over a convolutional dictionary, solved to convergence:
//
//   min_g 1/2 ||x - F^T g||^2 + sum_j beta_j ||g_j||_1      (P1 of the paper)

#ifndef CSC_SOLVERS_ALGORITHMS_LASSO_H_
#define CSC_SOLVERS_ALGORITHMS_LASSO_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "solvers/algorithms/unrolled.h"
#include "solvers/engines/engine.h"
#include "solvers/tensor.h"

namespace csc {

struct LassoOptions {
  Geometry geometry;
  Algorithm algorithm = Algorithm::kFista;
  int max_iterations = 100;
  // An image stops when ||g^{k+1} - g^k|| / max(1, ||g^{k+1}||) is at most
  // this; 0 runs all iterations.
  double tolerance = 1e-4;
  bool nonnegative = false;
  double step = 0;  // 0: 1 / DictionaryBound
};

// An upper bound of lambda_max(F F^T) for images of any size, proven: the
// largest squared singular value of the filters' frequency response, as strides
// fold it. At most 4, 17 or 33 % above that, by the size of the filters; for the
// largest it is the looser bound of the Schur test. 0 for F = 0.
double DictionaryBound(const Tensor& filters, const Geometry& geometry);

// Solves for batches of images of one shape on one engine. Owns its programs
// and scratch; one Solve at a time.
class LassoSolver {
 public:
  // `filters` [w, C, kh, kw], `beta` [1] or [w]. Throws Error.
  LassoSolver(const Engine& engine, const Tensor& filters, const Tensor& beta,
              const LassoOptions& options, const Shape& input);
  ~LassoSolver();

  // x [N, C, H, W] -> codes [N, w, H', W']; optionally the iterations used and
  // the objective reached, [N] each (may be null). Workers of the executor take
  // an image each, or share one after the other where images are fewer.
  void Solve(const float* x, int64_t batch, Executor* executor, float* codes, float* iterations,
             float* objectives);

  Shape output_shape() const;
  double step() const;
  // FLOPs of one iteration on one image.
  int64_t iteration_flops() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace csc

#endif  // CSC_SOLVERS_ALGORITHMS_LASSO_H_
