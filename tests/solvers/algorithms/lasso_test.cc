#include "solvers/algorithms/lasso.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "solvers/engines/registry.h"
#include "solvers/error.h"
#include "tests/solvers/algorithms/lasso_problem.h"
#include "tests/solvers/compare.h"
#include "tests/solvers/random.h"
#include "tests/solvers/run.h"

namespace csc::test {
namespace {

class LassoOn : public ::testing::TestWithParam<std::string> {};

TEST_P(LassoOn, ReachesTheMinimum) {
  ForEachSeed(20, [&](Random* random) {
    Problem p = RandomProblem(random);
    p.options.max_iterations = 2000;
    p.options.tolerance = 1e-7;
    ExpectOptimal(p, Solve(p, GetParam()), 5e-3);
  });
}

TEST_P(LassoOn, ReportsTheObjectiveItReached) {
  ForEachSeed(20, [&](Random* random) {
    Problem p = RandomProblem(random);
    p.options.max_iterations = 20;
    const Solution s = Solve(p, GetParam());
    for (int64_t n = 0; n < p.batch; ++n) {
      const double expected =
          ObjectiveOf(p, Image(p.x, n, p.image_size()), Image(s.codes, n, p.code_size()));
      EXPECT_NEAR(s.objectives[n], expected, 1e-4 * expected);
    }
  });
}

TEST_P(LassoOn, GivesTheSameBitsForAnyExecutorAndBatch) {
  const auto two = MakeThreadPool(2);
  const auto three = MakeThreadPool(3);
  ForEachSeed(10, [&](Random* random) {
    Problem p = RandomProblem(random);
    p.batch = random->Int(2, 7);
    p.x = random->Reals(p.batch * p.image_size(), -1, 1);
    const Solution serial = Solve(p, GetParam());
    for (Executor* executor : {two.get(), three.get()}) {
      const Solution parallel = Solve(p, GetParam(), executor);
      EXPECT_TRUE(SameBits(parallel.codes, serial.codes));
      EXPECT_TRUE(SameBits(parallel.iterations, serial.iterations));
      EXPECT_TRUE(SameBits(parallel.objectives, serial.objectives));
    }
    // Each image stops on its own: alone it is the same.
    Problem alone = p;
    alone.batch = 1;
    const int64_t n = random->Int(0, p.batch - 1);
    alone.x = Image(p.x, n, p.image_size());
    const Solution one = Solve(alone, GetParam());
    EXPECT_TRUE(SameBits(one.codes, Image(serial.codes, n, p.code_size())));
    EXPECT_EQ(one.iterations[0], serial.iterations[n]);
  });
}

TEST_P(LassoOn, GivesALargeImageTheSameBitsOnAnyNumberOfWorkers) {
  Random random(1);
  Problem p;
  p.convolution.image = {1, 60, 70};
  p.convolution.filters = 9;
  p.convolution.geometry = SamePadded({3, 3});
  const Dims dims = p.convolution.filter_dims();
  p.filters = {dims, random.Reals(NumElements(dims), -1, 1)};
  p.beta = {{1}, {0.5}};
  p.options.geometry = p.convolution.geometry;
  p.options.max_iterations = 20;
  p.x = random.Reals(p.image_size(), -1, 1);
  const Solution serial = Solve(p, GetParam());
  for (int workers : {2, 3}) {
    const Solution shared = Solve(p, GetParam(), MakeThreadPool(workers).get());
    EXPECT_TRUE(SameBits(shared.codes, serial.codes));
    EXPECT_TRUE(SameBits(shared.iterations, serial.iterations));
    EXPECT_TRUE(SameBits(shared.objectives, serial.objectives));
  }
}

INSTANTIATE_TEST_SUITE_P(Engines, LassoOn, ::testing::ValuesIn(PresentEngines()), EngineTestName);

// The rates that are proven for steps of at most 1 / L, from g = 0: the first
// estimate is the first step of either algorithm.
TEST(Lasso, ApproachesTheMinimumAsFastAsIstaAndFistaMust) {
  ForEachSeed(20, [](Random* random) {
    Problem p = RandomProblem(random);
    p.batch = 1;
    p.x.resize(p.image_size());
    p.options.tolerance = 0;
    p.options.max_iterations = 2000;
    const auto best = Solve(p).codes;
    const double minimum = ObjectiveOf(p, p.x, best);
    double squares = 0;
    for (float value : best) squares += double{value} * value;
    const double step =
        LassoSolver(FindEngine("reference"), p.filters, p.beta, p.options, p.convolution.image)
            .step();
    for (int k : {1, 3, 10, 30, 100}) {
      p.options.max_iterations = k;
      p.options.algorithm = Algorithm::kIsta;
      EXPECT_LE(ObjectiveOf(p, p.x, Solve(p).codes) - minimum,
                squares / (2 * step * (k + 1)) + 1e-5 * minimum);
      p.options.algorithm = Algorithm::kFista;
      EXPECT_LE(ObjectiveOf(p, p.x, Solve(p).codes) - minimum,
                2 * squares / (step * (k + 2) * (k + 2)) + 1e-5 * minimum);
    }
  });
}

TEST(Lasso, FallsMonotonicallyWithIsta) {
  ForEachSeed(15, [](Random* random) {
    Problem p = RandomProblem(random);
    p.batch = 1;
    p.x.resize(p.image_size());
    p.options.algorithm = Algorithm::kIsta;
    p.options.tolerance = 0;
    double before = std::numeric_limits<double>::infinity();
    for (int iterations = 1; iterations <= 12; ++iterations) {
      p.options.max_iterations = iterations;
      const double objective = ObjectiveOf(p, p.x, Solve(p).codes);
      EXPECT_LE(objective, before * (1 + 1e-6)) << iterations;
      before = objective;
    }
  });
}

TEST(Lasso, RunsAllIterationsWhereTheToleranceIsZero) {
  Random random(1);
  Problem p = RandomProblem(&random);
  p.options.tolerance = 0;
  p.options.max_iterations = 137;
  p.x.assign(p.x.size(), 0.0f);  // nothing ever changes
  for (float used : Solve(p).iterations) EXPECT_EQ(used, 137);
}

TEST(Lasso, StopsAfterOneIterationOnAnImageOfZeros) {
  Random random(1);
  Problem p = RandomProblem(&random);
  p.x.assign(p.x.size(), 0.0f);
  const Solution s = Solve(p);
  for (float used : s.iterations) EXPECT_EQ(used, 1);
  for (float value : s.codes) EXPECT_EQ(value, 0);
  for (float objective : s.objectives) EXPECT_EQ(objective, 0);
}

TEST(Lasso, StopsEachImageOnItsOwn) {
  // The second image is zero and the third large: they need other numbers of
  // iterations than the first, and do not change them.
  Random random(3);
  Problem p = RandomProblem(&random);
  p.batch = 3;
  p.x = random.Reals(3 * p.image_size(), -1, 1);
  for (int64_t i = 0; i < p.image_size(); ++i) {
    p.x[p.image_size() + i] = 0;
    p.x[2 * p.image_size() + i] *= 50;
  }
  p.options.max_iterations = 5000;
  const Solution s = Solve(p);
  EXPECT_EQ(s.iterations[1], 1);
  EXPECT_GT(s.iterations[0], 1);
  EXPECT_NE(s.iterations[0], s.iterations[2]);
}

TEST(Lasso, StopsAtTheFirstChangeWithinTheTolerance) {
  ForEachSeed(10, [](Random* random) {
    Problem p = RandomProblem(random);
    p.batch = 1;
    p.x.resize(p.image_size());
    p.options.tolerance = 1e-3;
    p.options.max_iterations = 1000;
    const int used = static_cast<int>(Solve(p).iterations[0]);
    ASSERT_LT(used, 1000);
    // The iterates themselves, by fixed numbers of iterations.
    const auto change = [&](int k) {
      Problem fixed = p;
      fixed.options.tolerance = 0;
      fixed.options.max_iterations = k;
      const auto now = Solve(fixed).codes;
      std::vector<float> before(now.size(), 0.0f);
      fixed.options.max_iterations = k - 1;
      before = Solve(fixed).codes;
      double squares = 0, norm = 0;
      for (size_t i = 0; i < now.size(); ++i) {
        squares += std::pow(double{now[i]} - before[i], 2);
        norm += std::pow(double{now[i]}, 2);
      }
      return std::sqrt(squares) / std::max(1.0, std::sqrt(norm));
    };
    if (used < 3) return;  // the first iterate is not to be had on its own
    EXPECT_LE(change(used), 1e-3);
    EXPECT_GT(change(used - 1), 1e-3);
  });
}

TEST(Lasso, StopsAtMaxIterations) {
  Random random(1);
  Problem p = RandomProblem(&random);
  p.beta = {{1}, {1e-3f}};
  p.options.tolerance = 1e-12;
  p.options.max_iterations = 3;
  for (float used : Solve(p).iterations) EXPECT_EQ(used, 3);
}

TEST(Lasso, OfFiltersOfZerosGivesZeroWhateverBeta) {
  for (float beta : {0.0f, 0.5f}) {
    for (Algorithm algorithm : {Algorithm::kIsta, Algorithm::kFista}) {
      Problem p;
      p.convolution = {{2, 4, 4}, 3, SamePadded({3, 3})};
      p.filters = {{3, 2, 3, 3}, std::vector<float>(54, 0.0f)};
      p.beta = {{1}, {beta}};
      p.options.geometry = p.convolution.geometry;
      p.options.algorithm = algorithm;
      p.x.assign(32, 0.7f);
      const Solution s = Solve(p);
      EXPECT_EQ(s.codes, std::vector<float>(48, 0.0f));
      EXPECT_NEAR(s.objectives[0], 32 * 0.49 / 2, 1e-5);
    }
  }
}

// One over their bound is more than float32 holds.
TEST_P(LassoOn, OfTinyFiltersIsZero) {
  ForEachSeed(3, [](Random* random) {
    Problem p = RandomProblem(random);
    for (double scale : {1e-19, 1e-20, 1e-30, 1e-37}) {
      Problem tiny = p;
      for (float& f : tiny.filters.data) f *= static_cast<float>(scale);
      const Solution s = Solve(tiny, GetParam());
      EXPECT_EQ(s.codes, std::vector<float>(s.codes.size(), 0)) << scale;
      for (float objective : s.objectives) EXPECT_TRUE(std::isfinite(objective)) << scale;
    }
  });
}

TEST(Lasso, OfABetaAboveEveryCorrelationIsZero) {
  ForEachSeed(20, [](Random* random) {
    Problem p = RandomProblem(random);
    const Doubles correlation =
        ResidualsOf(p, Image(p.x, 0, p.image_size()), std::vector<float>(p.code_size(), 0.0f))
            .correlation;
    p.batch = 1;
    p.x.resize(p.image_size());
    p.beta = {{1}, {static_cast<float>(LargestMagnitude(correlation) * 1.001)}};
    EXPECT_EQ(LargestMagnitude(Solve(p).codes), 0);
  });
}

TEST(Lasso, OfTheIdentityIsTheSoftThreshold) {
  Problem p;
  p.convolution = {{1, 1, 4}, 1, {}};
  p.filters = {{1, 1, 1, 1}, {1}};
  p.beta = {{1}, {0.25f}};
  p.x = {1, -1, 0.2f, -0.3f};
  p.options.max_iterations = 1000;
  p.options.tolerance = 1e-9;
  EXPECT_TRUE(CloseTo(Solve(p).codes, std::vector<float>{0.75f, -0.75f, 0, -0.05f}, 1e-5));
  p.options.nonnegative = true;
  EXPECT_TRUE(CloseTo(Solve(p).codes, std::vector<float>{0.75f, 0, 0, 0}, 1e-5));
}

TEST(Lasso, UsesTheStepItIsGivenAndElseOneOverTheBound) {
  Random random(1);
  Problem p = RandomProblem(&random);
  const auto step_of = [&] {
    return LassoSolver(FindEngine("reference"), p.filters, p.beta, p.options, p.convolution.image)
        .step();
  };
  EXPECT_DOUBLE_EQ(step_of(), 1 / DictionaryBound(p.filters, p.convolution.geometry));
  p.options.step = 0.0125;
  EXPECT_DOUBLE_EQ(step_of(), 0.0125);
}

TEST(Lasso, SolvesAgainAndAgainWithOneSolver) {
  Random random(1);
  Problem p = RandomProblem(&random);
  const auto pool = MakeThreadPool(3);
  LassoSolver solver(FindEngine("reference"), p.filters, p.beta, p.options, p.convolution.image);
  for (int64_t batch : {1, 5, 2, 7}) {
    p.batch = batch;
    p.x = random.Reals(batch * p.image_size(), -1, 1);
    const Solution expected = Solve(p);
    std::vector<float> codes(batch * p.code_size());
    solver.Solve(p.x.data(), batch, batch % 2 ? pool.get() : nullptr, codes.data(), nullptr,
                 nullptr);
    EXPECT_TRUE(SameBits(codes, expected.codes));
  }
}

TEST(Lasso, CountsTheFlopsOfAnIteration) {
  Problem p;
  p.convolution = {{2, 6, 6}, 4, SamePadded({3, 3})};
  p.filters = {{4, 2, 3, 3}, std::vector<float>(72, 1.0f)};
  p.beta = {{1}, {0.1f}};
  p.options.geometry = p.convolution.geometry;
  const LassoSolver solver(FindEngine("reference"), p.filters, p.beta, p.options,
                           p.convolution.image);
  const int64_t linear = 2 * 2 * (4 * 36) * 18;  // analysis and synthesis
  EXPECT_GT(solver.iteration_flops(), linear);
  EXPECT_LT(solver.iteration_flops(), linear * 1.2);
}

TEST(Lasso, RefusesABetaOfAnotherLength) {
  Random random(1);
  Problem p = RandomProblem(&random);
  p.beta = {{9}, std::vector<float>(9, 0.1f)};
  EXPECT_THROW(Solve(p), Error);
  p.beta = {{0}, {}};
  EXPECT_THROW(Solve(p), Error);
}

}  // namespace
}  // namespace csc::test
