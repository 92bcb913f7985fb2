// Batch statistics and what is normalised by them, where they are delicate.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "solvers/engines/registry.h"
#include "tests/solvers/compare.h"
#include "tests/solvers/random.h"
#include "tests/solvers/random_layer.h"
#include "tests/solvers/run.h"

namespace csc::test {
namespace {

class BatchStatistics : public ::testing::TestWithParam<std::string> {
 protected:
  // Normalises images whose channels have the mean `offset` times their
  // deviation; returns the error of the variances and of the outputs.
  std::pair<double, double> ErrorsAt(double offset, int64_t batch, const Shape& shape) {
    Program program;
    program.MarkOutput(program.Normalise(program.AddInput(shape), 1e-9));
    Random random(1);
    Work work = RandomWork(&random, program, {}, batch);
    for (float& value : work.inputs[0]) value += static_cast<float>(offset / std::sqrt(3.0));
    const ReferenceResult<double> expected = RunInDouble(program, work);
    const Results actual = RunOn(FindEngine(GetParam()), program, work);
    const int64_t c = shape.channels;
    double variance = 0, output = 0;
    for (int64_t i = c; i < 2 * c; ++i) {
      variance = std::max(variance, std::abs(actual.statistics[i] / expected.statistics[i] - 1));
    }
    for (size_t i = 0; i < actual.outputs[0].size(); ++i) {
      output = std::max(output, std::abs(actual.outputs[0][i] - expected.outputs[0][i]));
    }
    return {variance, output};
  }
};

TEST_P(BatchStatistics, AreRightWhateverTheMean) {
  for (const Shape& shape : {Shape{3, 5, 7}, Shape{17, 16, 16}}) {
    for (double offset : {0.0, 1.0, 10.0, 100.0}) {
      SCOPED_TRACE(ToString(shape) + ", mean over deviation " + std::to_string(offset));
      const auto [variance, output] = ErrorsAt(offset, 9, shape);
      EXPECT_LE(variance, kEngineTolerance);
      // x - mean is a difference of two floats of the size of the mean.
      EXPECT_LE(output, kEngineTolerance * (1 + offset / 10));
    }
  }
}

TEST_P(BatchStatistics, OfAConstantChannelAreItsValueAndZero) {
  Program program;
  const double epsilon = 1e-5;
  program.MarkOutput(program.Normalise(program.AddInput({2, 9, 9}), epsilon));
  Work work;
  work.batch = 5;
  for (int64_t n = 0; n < work.batch; ++n) {
    work.inputs.resize(1);
    work.inputs[0].insert(work.inputs[0].end(), 81, 0.1f);
    work.inputs[0].insert(work.inputs[0].end(), 81, -7.3f);
  }
  const Results results = RunOn(FindEngine(GetParam()), program, work);
  EXPECT_NEAR(results.statistics[0], 0.1f, 1e-6);
  EXPECT_NEAR(results.statistics[1], -7.3f, 1e-5);
  EXPECT_NEAR(results.statistics[2], 0, 1e-9);
  EXPECT_NEAR(results.statistics[3], 0, 1e-9);
  // Rounding of the value is what epsilon is to hide.
  for (float y : results.outputs[0]) EXPECT_NEAR(y, 0, 7.3 * 1.2e-7 / std::sqrt(epsilon));
}

TEST_P(BatchStatistics, OfOneValueAreThatValue) {
  Program program;
  program.MarkOutput(program.Normalise(program.AddInput({2, 1, 1}), 1e-5));
  Work work;
  work.inputs = {{3, -4}};
  const Results results = RunOn(FindEngine(GetParam()), program, work);
  EXPECT_EQ(results.statistics, (std::vector<float>{3, -4, 0, 0}));
  // x / deviation and mean / deviation may each be rounded.
  for (float y : results.outputs[0]) EXPECT_NEAR(y, 0, 4 * 1.2e-7 / std::sqrt(1e-5));
}

TEST_P(BatchStatistics, CoverTheWholeBatch) {
  // Each image is constant: all variance is between images.
  for (int64_t batch : {2, 8, 9, 33}) {
    Program program;
    program.MarkOutput(program.Normalise(program.AddInput({1, 3, 3}), 0));
    Work work;
    work.batch = batch;
    work.inputs.resize(1);
    for (int64_t n = 0; n < batch; ++n) {
      work.inputs[0].insert(work.inputs[0].end(), 9, static_cast<float>(n));
    }
    const Results results = RunOn(FindEngine(GetParam()), program, work);
    const double b = static_cast<double>(batch);
    EXPECT_NEAR(results.statistics[0], (b - 1) / 2, 1e-5 * b);
    EXPECT_NEAR(results.statistics[1], (b * b - 1) / 12, 1e-5 * b * b);
  }
}

INSTANTIATE_TEST_SUITE_P(Engines, BatchStatistics, ::testing::ValuesIn(PresentEngines()),
                         EngineTestName);

}  // namespace
}  // namespace csc::test
