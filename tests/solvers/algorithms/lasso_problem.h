// Problems of csc.Lasso for tests, and how good a solution is, in double.

#ifndef CSC_TESTS_SOLVERS_ALGORITHMS_LASSO_PROBLEM_H_
#define CSC_TESTS_SOLVERS_ALGORITHMS_LASSO_PROBLEM_H_

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "solvers/algorithms/lasso.h"
#include "solvers/engines/registry.h"
#include "tests/solvers/compare.h"
#include "tests/solvers/random.h"
#include "tests/solvers/run.h"

namespace csc::test {

using Doubles = std::vector<double>;

struct Problem {
  Convolution convolution;
  Tensor filters;
  Tensor beta;
  LassoOptions options;
  int64_t batch = 1;
  std::vector<float> x;

  int64_t image_size() const { return convolution.image.size(); }
  int64_t code_size() const { return convolution.code().size(); }
  double Beta(int64_t channel) const { return beta.data[beta.data.size() == 1 ? 0 : channel]; }
};

struct Solution {
  std::vector<float> codes, iterations, objectives;
};

// Small, so that a thousand iterations converge.
inline Problem RandomProblem(Random* random) {
  Problem p;
  Convolution& c = p.convolution;
  c.image = {random->Int(1, 3), random->Int(2, 6), random->Int(2, 6)};
  c.filters = random->Int(1, 4);
  c.geometry = RandomGeometry(random, c.image.height, c.image.width);
  const Dims dims = c.filter_dims();
  p.filters = {dims, random->Reals(NumElements(dims), -1, 1)};
  const int64_t w = random->Chance(0.5) ? 1 : c.filters;
  p.beta = {{w}, random->Reals(w, 0.05, 0.5)};
  p.options.geometry = c.geometry;
  p.options.nonnegative = random->Chance(0.5);
  p.batch = random->Int(1, 3);
  p.x = random->Reals(p.batch * c.image.size(), -1, 1);
  return p;
}

inline Solution Solve(const Problem& p, const std::string& engine = "reference",
                      Executor* executor = nullptr) {
  LassoSolver solver(FindEngine(engine), p.filters, p.beta, p.options, p.convolution.image);
  EXPECT_EQ(solver.output_shape(), p.convolution.code());
  Solution s;
  const float poison = std::numeric_limits<float>::quiet_NaN();
  s.codes.assign(p.batch * p.code_size(), poison);
  s.iterations.assign(p.batch, poison);
  s.objectives.assign(p.batch, poison);
  solver.Solve(p.x.data(), p.batch, executor, s.codes.data(), s.iterations.data(),
               s.objectives.data());
  return s;
}

// F^T g, then F (x - F^T g), in double.
struct Residuals {
  Doubles estimate, correlation;
};

inline Residuals ResidualsOf(const Problem& p, const std::vector<float>& x,
                             const std::vector<float>& g) {
  const Convolution& c = p.convolution;
  Program program;
  const int f = program.AddParameter("F", p.filters.dims);
  const ValueId image = program.AddInput(c.image);
  const ValueId code = program.AddInput(c.code());
  const ValueId estimate = program.Synthesis(code, f, c.geometry, c.image.height, c.image.width);
  program.MarkOutput(estimate);
  program.MarkOutput(
      program.Analysis(program.Combine({{image, {}}, {estimate, {-1}}}), f, c.geometry));
  Work work;
  work.inputs = {x, g};
  work.parameters = p.filters.data;
  auto outputs = RunInDouble(program, work).outputs;
  return {outputs[0], outputs[1]};
}

inline double ObjectiveOf(const Problem& p, const std::vector<float>& x,
                          const std::vector<float>& g) {
  const Doubles estimate = ResidualsOf(p, x, g).estimate;
  const int64_t positions = p.convolution.code().height * p.convolution.code().width;
  double objective = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    objective += (x[i] - estimate[i]) * (x[i] - estimate[i]) / 2;
  }
  for (size_t i = 0; i < g.size(); ++i) {
    objective += p.Beta(static_cast<int64_t>(i) / positions) * std::abs(g[i]);
  }
  return objective;
}

inline std::vector<float> Image(const std::vector<float>& all, int64_t n, int64_t size) {
  return {all.begin() + n * size, all.begin() + (n + 1) * size};
}

// The conditions that hold at the minimum and nowhere else: the correlation of
// the residual with an atom is beta times the sign of its coefficient, and at
// most beta where that is zero.
inline void ExpectOptimal(const Problem& p, const Solution& s, double tolerance) {
  const int64_t positions = p.convolution.code().height * p.convolution.code().width;
  for (int64_t n = 0; n < p.batch; ++n) {
    const auto x = Image(p.x, n, p.image_size());
    const auto g = Image(s.codes, n, p.code_size());
    const Doubles correlation = ResidualsOf(p, x, g).correlation;
    for (size_t i = 0; i < g.size(); ++i) {
      const double beta = p.Beta(static_cast<int64_t>(i) / positions);
      if (g[i] != 0) {
        EXPECT_NEAR(correlation[i], std::copysign(beta, g[i]), tolerance) << "coefficient " << i;
      } else if (p.options.nonnegative) {
        EXPECT_LE(correlation[i], beta + tolerance) << "coefficient " << i;
      } else {
        EXPECT_LE(std::abs(correlation[i]), beta + tolerance) << "coefficient " << i;
      }
      if (p.options.nonnegative) {
        EXPECT_GE(g[i], 0);
      }
    }
  }
}

}  // namespace csc::test

#endif  // CSC_TESTS_SOLVERS_ALGORITHMS_LASSO_PROBLEM_H_
