// Synthesis is the exact adjoint of analysis: <F x, g> = <x, F^T g>.

#include <gtest/gtest.h>

#include <cmath>
#include <tuple>
#include <vector>

#include "solvers/engines/registry.h"
#include "solvers/program/program.h"
#include "tests/solvers/compare.h"
#include "tests/solvers/random.h"
#include "tests/solvers/random_layer.h"
#include "tests/solvers/run.h"

namespace csc::test {
namespace {

double Dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * b[i];
  return sum;
}

double Norm(const std::vector<float>& a) { return std::sqrt(Dot(a, a)); }

class Adjointness : public ::testing::TestWithParam<std::string> {
 protected:
  // x, g -> F x, F^T g.
  Program Both(const Convolution& c) {
    Program program;
    const int filters = program.AddParameter("F", c.filter_dims());
    const ValueId x = program.AddInput(c.image);
    const ValueId g = program.AddInput(c.code());
    program.MarkOutput(program.Analysis(x, filters, c.geometry));
    program.MarkOutput(program.Synthesis(g, filters, c.geometry, c.image.height, c.image.width));
    return program;
  }

  const Engine& engine_ = FindEngine(GetParam());
};

TEST_P(Adjointness, HoldsForRandomGeometries) {
  ForEachSeed(400, [&](Random* random) {
    const Convolution c = RandomConvolution(random);
    const Program program = Both(c);
    const Work work = RandomWork(random, program, random->Reals(program.parameter_size(), -1, 1),
                                 random->Int(1, 5));
    const Results results = RunOn(engine_, program, work);
    const auto& [x, g] = std::tie(work.inputs[0], work.inputs[1]);
    const auto& [fx, ftg] = std::tie(results.outputs[0], results.outputs[1]);
    EXPECT_NEAR(Dot(fx, g), Dot(x, ftg),
                kEngineTolerance * (Norm(fx) * Norm(g) + Norm(x) * Norm(ftg)))
        << program.ToString();
  });
}

TEST_P(Adjointness, IsExactForIntegers) {
  PrepareOptions exact;
  exact.arithmetic = Arithmetic::kDirect;
  ForEachSeed(300, [&](Random* random) {
    const Convolution c = RandomConvolution(random);
    const Program program = Both(c);
    Work work = RandomWork(random, program, random->Integers(program.parameter_size(), -2, 2),
                           random->Int(1, 5));
    MakeIntegers(random, -3, 3, 1, &work);
    const Results results = RunOn(engine_, program, work, exact);
    EXPECT_EQ(Dot(results.outputs[0], work.inputs[1]), Dot(work.inputs[0], results.outputs[1]))
        << program.ToString();
  });
}

TEST_P(Adjointness, LeavesZeroWhereNoWindowReaches) {
  // Stride 3, kernel 1: columns and rows 0, 3 and 6 are reached, 7 and 8 not
  // even by the next window.
  Program program;
  const int filters = program.AddParameter("F", {1, 1, 1, 1});
  const ValueId g = program.AddInput({1, 3, 3});
  program.MarkOutput(program.Synthesis(g, filters, {{1, 1}, {3, 3}}, 9, 9));
  Work work;
  work.inputs = {std::vector<float>(9, 1)};
  work.parameters = {2};
  const Results results = RunOn(engine_, program, work);
  for (int h = 0; h < 9; ++h) {
    for (int w = 0; w < 9; ++w) {
      EXPECT_EQ(results.outputs[0][h * 9 + w], h % 3 == 0 && w % 3 == 0 ? 2 : 0);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Engines, Adjointness, ::testing::ValuesIn(PresentEngines()),
                         EngineTestName);

}  // namespace
}  // namespace csc::test
