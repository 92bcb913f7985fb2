// Every operator of the contract, on every engine, against the reference in
// double precision.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <tuple>

#include "solvers/engines/registry.h"
#include "solvers/error.h"
#include "tests/solvers/compare.h"
#include "tests/solvers/random.h"
#include "tests/solvers/random_layer.h"
#include "tests/solvers/run.h"

namespace csc::test {
namespace {

constexpr int kShapes = 300;

// Thresholds may cancel almost all of a code, but not the rounding of what they
// are subtracted from: errors are measured against at least this part of the
// largest threshold, so that a few of its roundings (6e-8) are allowed.
constexpr double kCancellation = 1e-2;

double LargestThreshold(const Program& program, const Work& work) {
  double largest = 0;
  for (const Instruction& i : program.instructions()) {
    if (!i.threshold.present()) continue;
    const ParameterInfo& info = program.parameters()[i.threshold.parameter];
    for (int64_t k = 0; k < info.size(); ++k) {
      largest = std::max(largest, std::abs(double{work.parameters[info.offset + k]}));
    }
  }
  return largest;
}

using EngineAndOperator = std::tuple<std::string, std::string>;

std::string Name(const ::testing::TestParamInfo<EngineAndOperator>& info) {
  return std::get<0>(info.param) + "_" + std::get<1>(info.param);
}

class OperatorParity : public ::testing::TestWithParam<EngineAndOperator> {};

TEST_P(OperatorParity, HoldsForRandomShapes) {
  const Engine& engine = FindEngine(std::get<0>(GetParam()));
  const std::string& op = std::get<1>(GetParam());
  const auto pool = MakeThreadPool(2);
  int declined = 0;
  const int seeds = ForEachSeed(kShapes, [&](Random* random) {
    const LayerCase layer = RandomLayer(random, op, RandomInputShape(random));
    const Program program = LayerProgram(layer);
    const Work work = RandomWork(random, program, Flatten({layer}), random->Int(1, 9));
    Executor* executor = random->Chance(0.5) ? pool.get() : nullptr;
    Results actual;
    try {
      actual = RunOn(engine, program, work, {}, executor);
    } catch (const EngineDeclined& reason) {
      if (++declined == 1) RecordProperty("declined", reason.what());
      return;
    }
    EXPECT_TRUE(CloseTo(actual.outputs[0], RunInDouble(program, work).outputs[0], kEngineTolerance,
                        kCancellation * LargestThreshold(program, work)))
        << "batch " << work.batch << " of " << WriteSpec({layer.spec}) << "\n"
        << program.ToString();
  });
  EXPECT_LE(declined, seeds / 10) << "an engine that declines this much is not compared";
}

INSTANTIATE_TEST_SUITE_P(Engines, OperatorParity,
                         ::testing::Combine(::testing::ValuesIn(PresentEngines()),
                                            ::testing::ValuesIn(ProgramOperators())),
                         Name);

TEST(OtherEngines, ArePresentToBeCompared) {
  if (PresentEngines().size() == 1) {
    GTEST_SKIP() << "only the reference engine is present: compared with itself in double";
  }
}

}  // namespace
}  // namespace csc::test
