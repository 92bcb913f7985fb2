// A training step and the frozen network of every model, on every engine,
// against the reference in double.

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <tuple>
#include <vector>

#include "solvers/engines/registry.h"
#include "tests/solvers/compare.h"
#include "tests/training/small_models.h"

namespace csc::test {
namespace {

// Norm of the difference, relative to the norm of `expected`.
double RelativeError(const std::vector<float>& actual, const std::vector<double>& expected) {
  double squares = 0, error = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    squares += expected[i] * expected[i];
    error += std::pow(actual[i] - expected[i], 2);
  }
  return std::sqrt(error / squares);
}

using EngineAndCase = std::tuple<std::string, ModelCase>;

class ModelParity : public ::testing::TestWithParam<EngineAndCase> {
 protected:
  const Engine& engine() const { return FindEngine(std::get<0>(GetParam())); }
  const SmallModel small_ = MakeSmallModel(std::get<1>(GetParam()));
};

TEST_P(ModelParity, HoldsForATrainingStep) {
  const Program& program = small_.training.program;
  const Results actual = RunOn(engine(), program, small_.work);
  const ReferenceResult<double> expected = RunInDouble(program, small_.work);
  EXPECT_NEAR(actual.loss, expected.loss, kEngineTolerance * expected.loss);
  EXPECT_TRUE(CloseTo(actual.outputs[0], expected.outputs[0]));
  ASSERT_EQ(actual.gradients.size(), expected.gradients.size());
  // Single entries may lie at a kink: in norm, as paper_networks_test does.
  EXPECT_LE(RelativeError(actual.gradients, expected.gradients), 1e-4);
  // The batch moments, which become the running ones.
  const int64_t moments = small_.training.moments_size();
  EXPECT_TRUE(CloseTo(
      std::vector<float>(actual.statistics.begin(), actual.statistics.begin() + moments),
      std::vector<double>(expected.statistics.begin(), expected.statistics.begin() + moments)));
}

TEST_P(ModelParity, HoldsForTheFrozenNetwork) {
  const Network network = Freeze(small_.model, small_.training, small_.work.parameters,
                                 InitialMoments(small_.training));
  Work work;
  work.batch = small_.work.batch;
  work.inputs = small_.work.inputs;
  work.parameters = FlattenParameters(network);
  const Program program = BuildProgram(network, small_.model.input);
  EXPECT_TRUE(
      CloseTo(RunOn(engine(), program, work).outputs[0], RunInDouble(program, work).outputs[0]));
}

INSTANTIATE_TEST_SUITE_P(, ModelParity,
                         ::testing::Combine(::testing::ValuesIn(PresentEngines()),
                                            ::testing::ValuesIn(AllModelCases())),
                         [](const auto& p) {
                           return std::get<0>(p.param) + "_" + NameOf(std::get<1>(p.param));
                         });

}  // namespace
}  // namespace csc::test
