// Gradients of many filters, which are summed over the whole batch.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "solvers/engines/registry.h"
#include "solvers/executor.h"
#include "solvers/program/program.h"
#include "tests/solvers/compare.h"
#include "tests/solvers/gradients.h"
#include "tests/solvers/random.h"
#include "tests/solvers/run.h"

namespace csc::test {
namespace {

constexpr int kShapes = 12;
constexpr const char* kOfTheBatch = "direct (many filters: of the whole batch)";

struct Case {
  Program program;
  Work work;
};

// The code of a small image by many filters, and what these filters make of the code: two
// gradients of one parameter. Inputs are loaded tile by tile, so what the gradients are taken of
// has to be made by the program.
Case MakeCase(Random* random) {
  Case c;
  Program forward;
  Geometry g;
  for (int axis : {0, 1}) {
    g.kernel[axis] = random->Int(3, 4);
    g.strides[axis] = random->Int(1, 2);
    g.pads[axis] = g.pads[axis + 2] = 1;
  }
  const Shape image = {random->Int(80, 130), random->Int(2, 4), random->Int(2, 4)};
  const int64_t width = random->Int(130, 170);
  const int filters = forward.AddParameter("F", {width, image.channels, g.kernel[0], g.kernel[1]});
  const ValueId x = forward.AddInput(image);
  const ValueId y = forward.Pointwise({{x, {2}}}, Shrink::kNone);
  const ValueId code = forward.Analysis(y, filters, g);
  const ValueId back = forward.Synthesis(forward.Pointwise({{code, {0.5}}}, Shrink::kNone), filters,
                                         g, image.height, image.width);
  forward.MarkOutput(forward.Pointwise({{back, {2}}, {y, {-1}}}, Shrink::kNone));
  c.program = WithWeightedLoss(forward);
  c.work.batch = random->Int(1, 20);
  for (ValueId input : c.program.inputs()) {
    c.work.inputs.push_back(random->Integers(c.work.batch * c.program.shape(input).size(), -1, 1));
  }
  c.work.parameters = random->Integers(c.program.parameter_size(), -1, 1);
  return c;
}

TEST(BatchGradients, AreThoseOfTheReferenceForAnyNumberOfThreads) {
  const auto pool = MakeThreadPool(3);
  int of_the_batch = 0;
  const int seeds = ForEachSeed(kShapes, [&](Random* random) {
    const Case c = MakeCase(random);
    const auto executable = FindEngine("onednn").Prepare(c.program, {Arithmetic::kDirect});
    if (executable->Describe().find(kOfTheBatch) != std::string::npos) ++of_the_batch;
    executable->SetParameters(c.work.parameters.data());
    const Results serial = RunPrepared(executable.get(), c.program, c.work);
    ExpectSameBits(RunPrepared(executable.get(), c.program, c.work, pool.get()), serial);
    const auto expected = RunInDouble(c.program, c.work);
    EXPECT_TRUE(CloseTo(serial.gradients, expected.gradients)) << c.program.ToString();
    for (size_t k = 0; k < serial.outputs.size(); ++k) {
      EXPECT_TRUE(CloseTo(serial.outputs[k], expected.outputs[k])) << c.program.ToString();
    }
  });
  EXPECT_GE(of_the_batch, seeds / 2);
}

// Also of a batch that is no multiple of a tile, and where float32 arithmetic may round.
TEST(BatchGradients, AreExactSums) {
  Program program;
  const int filters = program.AddParameter("F", {160, 96, 3, 3});
  const ValueId x = program.AddInput({96, 2, 2});
  const ValueId y = program.Pointwise({{x, {2}}}, Shrink::kNone);
  const ValueId code = program.Analysis(y, filters, SamePadded({3, 3}));
  program.MarkOutput(program.Pointwise({{code, {2}}}, Shrink::kNone));
  program = WithWeightedLoss(program);
  EXPECT_THAT(FindEngine("onednn").Prepare(program, {})->Describe(),
              ::testing::HasSubstr(kOfTheBatch));
  Random random(1);
  Work work;
  work.batch = 129;
  for (ValueId input : program.inputs()) {
    work.inputs.push_back(random.Integers(work.batch * program.shape(input).size(), -3, 3));
  }
  work.parameters = random.Integers(program.parameter_size(), -2, 2);
  const Results results = RunOn(FindEngine("onednn"), program, work);
  EXPECT_TRUE(CloseTo(results.gradients, RunInDouble(program, work).gradients, 0));
}

}  // namespace
}  // namespace csc::test
