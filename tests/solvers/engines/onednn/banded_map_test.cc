// Maps by our own kernels: sizes around those of tiles and bands, any dilation and stride,
// pads that are not "same", channels that leave lanes empty or are so few that the
// taps take them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "solvers/engines/registry.h"
#include "solvers/executor.h"
#include "solvers/program/program.h"
#include "tests/solvers/compare.h"
#include "tests/solvers/random.h"
#include "tests/solvers/run.h"

namespace csc::test {
namespace {

constexpr int kShapes = 200;

struct Case {
  Program program;
  Work work;
  std::string implementations;  // of the engine
};

// Analysis, then synthesis of its result, of a random shape. Numbers of channels are
// small ones every other time.
Case MakeCase(Random* random, bool integers, bool any_kernel = false) {
  Case c;
  Geometry g;
  g.kernel = {3, 3};
  const auto channels = [&] { return random->Int(1, random->Int(0, 1) == 0 ? 7 : 40); };
  Shape in = {channels(), random->Int(1, 36), random->Int(1, 36)};
  for (int axis : {0, 1}) {
    if (any_kernel) g.kernel[axis] = random->Int(1, 5);
    g.dilations[axis] = random->Int(1, 4);
    if (random->Int(0, 2) == 0) g.strides[axis] = random->Int(2, 5);
    const int64_t reach = g.Extent(axis) - 1;
    g.pads[axis] = random->Int(0, reach + 2);
    g.pads[axis + 2] = random->Int(0, reach + 2);
    int64_t& size = axis == 0 ? in.height : in.width;
    while (size + g.pads[axis] + g.pads[axis + 2] < g.Extent(axis)) ++size;
  }
  const ValueId x = c.program.AddInput(in);
  const int64_t w = channels();
  const int filters = c.program.AddParameter("F", {w, in.channels, g.kernel[0], g.kernel[1]});
  const ValueId code = c.program.Analysis(x, filters, g, {integers ? 2.0 : 0.37});
  const ValueId shrunk = c.program.Pointwise({{code, {}}}, Shrink::kNonnegative);
  c.program.MarkOutput(shrunk);
  c.program.MarkOutput(c.program.Synthesis(shrunk, filters, g, in.height, in.width));
  c.work.batch = random->Int(1, 20);
  const int64_t floats = c.work.batch * in.size();
  const int64_t parameters = c.program.parameter_size();
  if (integers) {
    c.work.inputs.push_back(random->Integers(floats, -3, 3));
    c.work.parameters = random->Integers(parameters, -2, 2);
  } else {
    c.work.inputs.push_back(random->Reals(floats, -1, 1));
    c.work.parameters = random->Reals(parameters, -1, 1);
  }
  return c;
}

std::string Implementations(const Program& program, Arithmetic arithmetic) {
  return FindEngine("onednn").Prepare(program, {arithmetic})->Describe();
}

TEST(BandedMap, IsCloseToTheReference) {
  int by_winograd = 0;
  const int seeds = ForEachSeed(kShapes, [&](Random* random) {
    const Case c = MakeCase(random, false);
    const Results results = RunOn(FindEngine("onednn"), c.program, c.work, {Arithmetic::kFloat32});
    const auto expected = RunInDouble(c.program, c.work);
    for (int k : {0, 1}) {
      EXPECT_TRUE(CloseTo(results.outputs[k], expected.outputs[k])) << c.program.ToString();
    }
    const std::string text = Implementations(c.program, Arithmetic::kFloat32);
    if (text.find("winograd") != std::string::npos) ++by_winograd;
  });
  EXPECT_GE(by_winograd, seeds / 10);
}

TEST(BandedMap, IsExactWhereDirect) {
  int by_ours = 0;
  const int seeds = ForEachSeed(kShapes, [&](Random* random) {
    const Case c = MakeCase(random, true, /*any_kernel=*/true);
    const Results results = RunOn(FindEngine("onednn"), c.program, c.work, {Arithmetic::kDirect});
    const auto expected = RunInDouble(c.program, c.work);
    for (int k : {0, 1}) {
      EXPECT_TRUE(CloseTo(results.outputs[k], expected.outputs[k], 0)) << c.program.ToString();
    }
    const std::string text = Implementations(c.program, Arithmetic::kDirect);
    EXPECT_THAT(text, ::testing::Not(::testing::HasSubstr("winograd")));
    if (text.find(": direct") != std::string::npos) ++by_ours;
  });
  EXPECT_GE(by_ours, seeds / 2);
}

TEST(BandedMap, GivesAnImageTheSameBitsInAnyBatch) {
  int compared = 0;
  const int seeds = ForEachSeed(kShapes / 2, [&](Random* random) {
    const Case c = MakeCase(random, false);
    const Arithmetic arithmetic =
        random->Int(0, 1) == 0 ? Arithmetic::kFloat32 : Arithmetic::kDirect;
    const auto executable = FindEngine("onednn").Prepare(c.program, {arithmetic});
    const std::string text = executable->Describe();
    if (text.find("jit") != std::string::npos) return;  // oneDNN promises no such thing
    ++compared;
    executable->SetParameters(c.work.parameters.data());
    const Results all = RunPrepared(executable.get(), c.program, c.work);
    Work last = c.work;
    const int64_t floats = static_cast<int64_t>(c.work.inputs[0].size()) / c.work.batch;
    last.batch = 1;
    last.inputs[0].assign(c.work.inputs[0].end() - floats, c.work.inputs[0].end());
    const Results one = RunPrepared(executable.get(), c.program, last);
    for (int k : {0, 1}) {
      const auto& many = all.outputs[k];
      EXPECT_EQ(one.outputs[k], std::vector<float>(many.end() - one.outputs[k].size(), many.end()));
    }
  });
  EXPECT_GE(compared, seeds / 4);
}

// Workers that share an image take rows of it, or blocks of its channels where there are
// many channels and few pixels.
TEST(BandedMap, GivesASharedImageTheSameBits) {
  std::vector<std::unique_ptr<Executor>> pools;
  for (int threads : {2, 3, 5}) pools.push_back(MakeThreadPool(threads));
  ForEachSeed(kShapes / 4, [&](Random* random) {
    Program program;
    Geometry g;
    g.kernel = {3, 3};
    for (int axis : {0, 1}) {
      g.dilations[axis] = random->Int(1, 4);
      if (random->Int(0, 3) == 0) g.strides[axis] = random->Int(2, 3);
    }
    g.pads = {g.dilations[0], g.dilations[1], g.dilations[0], g.dilations[1]};
    const Shape in = {random->Int(1, 150), random->Int(1, 18), random->Int(1, 18)};
    const ValueId x = program.AddInput(in);
    const int filters = program.AddParameter("F", {random->Pick({16, 32, 48}), in.channels, 3, 3});
    const ValueId code = program.Analysis(x, filters, g, {0.37});
    program.MarkOutput(program.Pointwise({{code, {}}}, Shrink::kNonnegative));
    program.MarkOutput(program.Synthesis(code, filters, g, in.height, in.width));
    Work work;
    work.batch = random->Int(4, 9);  // image by image, each worker its own
    const int64_t floats = in.size();
    work.inputs.push_back(random->Reals(work.batch * floats, -1, 1));
    work.parameters = random->Reals(program.parameter_size(), -1, 1);
    const Arithmetic arithmetic =
        random->Int(0, 1) == 0 ? Arithmetic::kFloat32 : Arithmetic::kDirect;
    const auto executable = FindEngine("onednn").Prepare(program, {arithmetic});
    ASSERT_EQ(executable->Describe().find("jit"), std::string::npos);
    executable->SetParameters(work.parameters.data());
    const Results all = RunPrepared(executable.get(), program, work);
    work.batch = 1;
    work.inputs[0].resize(floats);
    for (const auto& pool : pools) {
      const Results one = RunPrepared(executable.get(), program, work, pool.get());
      for (int k : {0, 1}) {
        const auto& many = all.outputs[k];
        EXPECT_EQ(one.outputs[k],
                  std::vector<float>(many.begin(), many.begin() + one.outputs[k].size()))
            << pool->num_workers() << " threads\n"
            << program.ToString();
      }
    }
  });
}

}  // namespace
}  // namespace csc::test
