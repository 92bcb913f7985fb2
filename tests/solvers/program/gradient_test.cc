// Gradients of every instruction against central differences, in double.

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "solvers/program/program.h"
#include "tests/solvers/gradients.h"
#include "tests/solvers/random.h"
#include "tests/solvers/random_layer.h"

namespace csc::test {
namespace {

// Builds a small program by `build`, which gets a random generator and a shape
// with at least 2 channels and 4 pixels, and checks its gradients.
void CheckPrograms(int count, const std::function<void(Random*, const Shape&, Program*)>& build) {
  ForEachSeed(count, [&](Random* random) {
    const Shape shape = {random->Int(2, 3), random->Int(2, 5), random->Int(2, 5)};
    Program program;
    build(random, shape, &program);
    CheckGradients(random, program, [&] {
      std::vector<float> parameters = random->Reals(program.parameter_size(), 0.1, 0.6);
      for (float& p : parameters) p = random->Chance(0.5) ? p : -p;
      return RandomWork(random, program, parameters, random->Int(1, 3));
    });
  });
}

TEST(GradientOf, AnalysisAndSynthesis) {
  CheckPrograms(40, [](Random* random, const Shape& shape, Program* program) {
    const Geometry geometry = RandomGeometry(random, shape.height, shape.width);
    const int filters =
        program->AddParameter("F", {2, shape.channels, geometry.kernel[0], geometry.kernel[1]});
    const int scales = program->AddParameter("s", {3});
    const ValueId x = program->AddInput(shape);
    const ValueId code = program->Analysis(x, filters, geometry, {-1.5, scales, 1});
    program->MarkOutput(code);
    program->MarkOutput(
        program->Synthesis(code, filters, geometry, shape.height, shape.width, {0.5, scales, 2}));
  });
}

TEST(GradientOf, PointwiseSumsWithScalesAndThresholds) {
  for (Shrink shrink : {Shrink::kNone, Shrink::kSoft, Shrink::kNonnegative}) {
    CheckPrograms(30, [&](Random* random, const Shape& shape, Program* program) {
      const int64_t c = shape.channels;
      const int steps = program->AddParameter("steps", {2});
      const int threshold = program->AddParameter("b", {2 * c});
      const int scale = program->AddParameter("a", {2 * c});
      const ValueId x = program->AddInput(shape);
      const ValueId y = program->AddInput(shape);
      ChannelVector b, a;
      if (random->Chance(0.8)) {
        b = {threshold, random->Int(0, c), random->Chance(0.5) ? c : 1};
        // Two-sided thresholds must not be negative: their square is none.
        b.constant = shrink == Shrink::kSoft ? 0 : random->Real(-2, 2);
      }
      if (random->Chance(0.8)) {
        a = {scale, random->Int(0, c), random->Chance(0.5) ? c : 1};
        a.constant = random->Real(-2, 2);
      }
      program->MarkOutput(program->Pointwise(
          {{x, {2, steps, 0}}, {y, {-0.5}}, {x, {1, steps, 1}}, {y, {1, steps, 0}}}, shrink, b, a));
    });
  }
}

TEST(GradientOf, SoftThresholdsByChannelAndShared) {
  for (int64_t count : {1, 3}) {
    ForEachSeed(20, [&](Random* random) {
      Program program;
      const int threshold = program.AddParameter("b", {count});
      const ValueId x = program.AddInput({3, 3, 3});
      program.MarkOutput(program.Pointwise({{x, {}}}, Shrink::kSoft, {threshold, 0, count}));
      CheckGradients(random, program, [&] {
        return RandomWork(random, program, random->Reals(count, 0.1, 0.5), 2);
      });
    });
  }
}

TEST(GradientOf, BatchNormalisation) {
  for (double epsilon : {1e-5, 0.1}) {
    CheckPrograms(20, [&](Random*, const Shape& shape, Program* program) {
      const int gain = program->AddParameter("gain", {shape.channels});
      const ValueId x = program->AddInput(shape);
      const ValueId y = program->Normalise(
          program->Pointwise({{x, {}}}, Shrink::kNone, {}, {gain, 0, shape.channels}), epsilon);
      program->MarkOutput(y);
      program->MarkOutput(program->Normalise(program->Combine({{x, {2}}, {y, {}}}), epsilon));
    });
  }
}

TEST(GradientOf, JoinOfValuesAndOfTheSameValueTwice) {
  CheckPrograms(10, [](Random*, const Shape& shape, Program* program) {
    const int filters = program->AddParameter("F", {2, 3 * shape.channels + 1, 1, 1});
    const ValueId x = program->AddInput(shape);
    const ValueId y = program->AddInput({1, shape.height, shape.width});
    const ValueId scaled = program->Combine({{x, {3}}});
    const ValueId join = program->Join({x, y, scaled, x});
    program->MarkOutput(join);
    program->MarkOutput(program->Analysis(join, filters, {}));
  });
}

TEST(GradientOf, ViewsThatTileAValueWithAndWithoutOtherUses) {
  for (bool used_whole : {false, true}) {
    CheckPrograms(10, [&](Random*, const Shape& shape, Program* program) {
      const int filters = program->AddParameter("F", {2, shape.channels, 1, 1});
      const ValueId x = program->AddInput(shape);
      const ValueId y = program->AddInput(shape);
      const ValueId whole = program->Join({program->Combine({{x, {}}, {y, {2}}}), y});
      // Out of order, and one of them twice.
      const ValueId upper = program->View(whole, shape.channels, shape.channels);
      const ValueId lower = program->View(whole, 0, shape.channels);
      const ValueId again = program->View(whole, 0, shape.channels);
      program->MarkOutput(program->Analysis(lower, filters, {}));
      program->MarkOutput(program->Combine({{upper, {-3}}, {again, {0.5}}}));
      if (used_whole) program->MarkOutput(whole);
    });
  }
}

TEST(GradientOf, MaxPoolWithOverlappingWindows) {
  CheckPrograms(30, [](Random* random, const Shape& shape, Program* program) {
    const ValueId x = program->AddInput(shape);
    const Geometry pool = {{random->Int(1, 2), random->Int(1, 2)},
                           {random->Int(1, 3), random->Int(1, 3)}};
    program->MarkOutput(program->MaxPool(program->Combine({{x, {-2}}}), pool));
  });
}

TEST(GradientOf, AveragePoolWithOverlappingWindows) {
  CheckPrograms(20, [](Random* random, const Shape& shape, Program* program) {
    const ValueId x = program->AddInput(shape);
    const Geometry pool = {{random->Int(1, 2), random->Int(1, 2)},
                           {random->Int(1, 3), random->Int(1, 3)}};
    program->MarkOutput(program->AveragePool(x, pool));
  });
}

TEST(GradientOf, Shortcut) {
  CheckPrograms(20, [](Random* random, const Shape& shape, Program* program) {
    const ValueId x = program->AddInput(shape);
    program->MarkOutput(program->Shortcut(x, {random->Int(1, 3), random->Int(1, 3)},
                                          shape.channels + random->Int(0, 2)));
  });
}

TEST(GradientOf, ValuesUsedManyTimes) {
  CheckPrograms(10, [](Random*, const Shape& shape, Program* program) {
    const int step = program->AddParameter("c", {1});
    const ValueId x = program->AddInput(shape);
    ValueId y = x;
    for (int i = 0; i < 4; ++i) y = program->Combine({{y, {1, step}}, {x, {0.5}}, {y, {}}});
    program->MarkOutput(y);
    program->MarkOutput(x);
    program->MarkOutput(y);
  });
}

TEST(GradientOf, SoftmaxLoss) {
  ForEachSeed(20, [](Random* random) {
    Program forward;
    const int filters = forward.AddParameter("F", {4, 2, 2, 3});
    const ValueId x = forward.AddInput({2, 2, 3});
    forward.MarkOutput(forward.Analysis(x, filters, {{2, 3}}));
    const Program program = WithSoftmaxLoss(forward, random->Pick({0.0, 0.1, 0.5}));
    Work work = RandomWork(random, program, random->Reals(48, -1, 1), random->Int(1, 4), 4);
    const ReferenceResult<double> result = RunInDouble(program, work);
    for (int entry = 0; entry < 48; ++entry) {
      const float value = work.parameters[entry];
      const float above = value + 0x1p-10f, below = value - 0x1p-10f;  // differ exactly
      work.parameters[entry] = above;
      const double loss_above = RunInDouble(program, work).loss;
      work.parameters[entry] = below;
      const double loss_below = RunInDouble(program, work).loss;
      work.parameters[entry] = value;
      EXPECT_NEAR(result.gradients[entry], (loss_above - loss_below) / (double{above} - below),
                  1e-6);
    }
  });
}

class GradientOfOperator : public ::testing::TestWithParam<std::string> {};

TEST_P(GradientOfOperator, AgreesWithDifferences) {
  for (bool normalise : {false, true}) {
    ForEachSeed(20, [&](Random* random) {
      LayerStyle style;
      style.away_from_kinks = true;
      style.normalise = normalise;
      BuildOptions options;
      options.normalise = normalise;
      options.epsilon = 1e-2;
      const int64_t batch = normalise ? 3 : random->Int(1, 2);
      // Few values stay away from all kinks at once, many do not.
      for (int attempt = 0; attempt < 100; ++attempt) {
        const Shape shape = {random->Int(1, 3), random->Int(2, 4), random->Int(2, 4)};
        const LayerCase layer = RandomLayer(random, GetParam(), shape, style);
        const Program program = LayerProgram(layer, options);
        if (program.shape(program.outputs()[0]).size() > 60) continue;
        return CheckGradients(random, program,
                              [&] { return RandomWork(random, program, Flatten({layer}), batch); });
      }
      FAIL() << "no layer is small enough";
    });
  }
}

INSTANTIATE_TEST_SUITE_P(Operators, GradientOfOperator, ::testing::ValuesIn(ProgramOperators()),
                         EngineTestName);

}  // namespace
}  // namespace csc::test
