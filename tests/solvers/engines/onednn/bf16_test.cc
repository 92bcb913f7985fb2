// What bfloat16 products cost in accuracy, and where there are none.

#include <gtest/gtest.h>

#include <string>

#include "solvers/engines/registry.h"
#include "solvers/error.h"
#include "tests/solvers/compare.h"
#include "tests/solvers/random.h"
#include "tests/solvers/random_layer.h"
#include "tests/solvers/run.h"

namespace csc::test {
namespace {

// A factor is rounded by at most 2^-9; over a layer or two such errors, of either
// sign, stay within a few of that of the largest magnitude.
constexpr double kBf16Tolerance = 4.0 / 512;

TEST(Bf16, StaysWithinItsRounding) {
  int rounded = 0, declined = 0;
  std::string reason;
  ForEachSeed(60, [&](Random* random) {
    const LayerCase layer = RandomLayer(random, "LayeredThreshold", RandomInputShape(random));
    const Program program = LayerProgram(layer);
    const Work work = RandomWork(random, program, Flatten({layer}), random->Int(1, 9));
    try {
      const auto executable = FindEngine("onednn").Prepare(program, {Arithmetic::kBfloat16});
      executable->SetParameters(work.parameters.data());
      const Results results = RunPrepared(executable.get(), program, work);
      // Of the products' sum: a threshold may take most of it away.
      double scale = 0;
      for (const auto& input : work.inputs) scale = std::max(scale, LargestMagnitude(input));
      EXPECT_TRUE(
          CloseTo(results.outputs[0], RunInDouble(program, work).outputs[0], kBf16Tolerance, scale))
          << program.ToString();
      if (executable->Describe().find("bf16") != std::string::npos) ++rounded;
    } catch (const EngineDeclined& error) {
      ++declined;
      reason = error.what();
    }
  });
  if (declined > 0) GTEST_SKIP() << reason;
  EXPECT_GT(rounded, 0) << "no case was computed in bfloat16";
}

TEST(Tf32, IsDeclined) {
  Random random(1);
  const LayerCase layer = RandomLayer(&random, "LayeredThreshold", RandomInputShape(&random));
  EXPECT_THROW(FindEngine("onednn").Prepare(LayerProgram(layer), {Arithmetic::kTf32}),
               EngineDeclined);
}

}  // namespace
}  // namespace csc::test
