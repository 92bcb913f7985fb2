// Small integers in, exactly the integers of the definition out: tolerance 0.

#include <gtest/gtest.h>

#include "solvers/engines/registry.h"
#include "solvers/program/program.h"
#include "tests/solvers/compare.h"
#include "tests/solvers/gradients.h"
#include "tests/solvers/random.h"
#include "tests/solvers/random_layer.h"
#include "tests/solvers/run.h"

namespace csc::test {
namespace {

// Beyond it partial sums might not be integers that a float holds.
constexpr double kExactlySummed = 1 << 20;

class Exact : public ::testing::TestWithParam<std::string> {
 protected:
  void ExpectExact(const Program& program, const Work& work) {
    const ReferenceResult<double> expected = RunInDouble(program, work);
    for (const auto& output : expected.outputs) {
      if (LargestMagnitude(output) > kExactlySummed) return;
    }
    if (LargestMagnitude(expected.gradients) > kExactlySummed) return;
    ++compared_;
    PrepareOptions options;
    options.arithmetic = Arithmetic::kDirect;
    const Results actual = RunOn(engine_, program, work, options);
    for (size_t i = 0; i < expected.outputs.size(); ++i) {
      EXPECT_TRUE(Equal(actual.outputs[i], expected.outputs[i]))
          << "output " << i << ", batch " << work.batch << " of\n"
          << program.ToString();
    }
    EXPECT_TRUE(Equal(actual.gradients, expected.gradients))
        << "gradients, batch " << work.batch << " of\n"
        << program.ToString();
  }

  Work IntegerWork(Random* random, const Program& program, std::vector<float> parameters) {
    Work work = RandomWork(random, program, std::move(parameters), random->Int(1, 9));
    MakeIntegers(random, -3, 3, 0.7, &work);
    return work;
  }

  const Engine& engine_ = FindEngine(GetParam());
  int compared_ = 0;
};

TEST_P(Exact, AnalysisSynthesisAndFilterGradients) {
  const int seeds = ForEachSeed(300, [&](Random* random) {
    const Convolution c = RandomConvolution(random);
    Program forward;
    const int filters = forward.AddParameter("F", c.filter_dims());
    const ValueId x = forward.AddInput(c.image);
    const ValueId g = forward.AddInput(c.code());
    forward.MarkOutput(forward.Analysis(x, filters, c.geometry));
    forward.MarkOutput(forward.Synthesis(g, filters, c.geometry, c.image.height, c.image.width));
    const Program program = WithWeightedLoss(forward);
    ExpectExact(program,
                IntegerWork(random, program, random->Integers(program.parameter_size(), -2, 2)));
  });
  EXPECT_EQ(compared_, seeds);
}

TEST_P(Exact, ScaledAnalysisAndSynthesisWithGradientsOfTheScale) {
  const int seeds = ForEachSeed(100, [&](Random* random) {
    const Convolution c = RandomConvolution(random);
    Program forward;
    const int filters = forward.AddParameter("F", c.filter_dims());
    const int step = forward.AddParameter("c", {2});
    const ValueId x = forward.AddInput(c.image);
    const ValueId code = forward.Analysis(x, filters, c.geometry, {-2, step, 1});
    forward.MarkOutput(
        forward.Synthesis(code, filters, c.geometry, c.image.height, c.image.width, {1, step, 0}));
    const Program program = WithWeightedLoss(forward);
    ExpectExact(program, IntegerWork(random, program,
                                     random->Integers(program.parameter_size(), -1, 1, 0.5)));
  });
  EXPECT_GE(compared_, seeds * 8 / 10);
}

TEST_P(Exact, EveryOperatorWithItsGradients) {
  LayerStyle style;
  style.integers = true;
  for (const std::string& op : ProgramOperators()) {
    SCOPED_TRACE(op);
    compared_ = 0;
    const int seeds = ForEachSeed(60, [&](Random* random) {
      const LayerCase layer = RandomLayer(random, op, RandomInputShape(random, style), style);
      const Program program = WithWeightedLoss(LayerProgram(layer));
      ExpectExact(program, IntegerWork(random, program, Flatten({layer})));
    });
    EXPECT_GE(compared_, seeds * 6 / 10);
  }
}

INSTANTIATE_TEST_SUITE_P(Engines, Exact, ::testing::ValuesIn(PresentEngines()), EngineTestName);

}  // namespace
}  // namespace csc::test
