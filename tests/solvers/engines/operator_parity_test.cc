// Every operator of the contract, on every engine, against the reference in
// double precision.

#include <gtest/gtest.h>

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
    EXPECT_TRUE(CloseTo(actual.outputs[0], RunInDouble(program, work).outputs[0]))
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
