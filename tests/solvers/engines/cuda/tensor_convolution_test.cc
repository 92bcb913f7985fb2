// Convolutions on tensor cores, emulated on the host: exact where factors need no
// rounding, as exact as their factors' rounding elsewhere.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "solvers/engines/cuda/kernels/mma.h"
#include "solvers/engines/cuda/tensor_tiles.h"
#include "solvers/error.h"
#include "tests/solvers/compare.h"
#include "tests/solvers/engines/cuda/host_backend.h"
#include "tests/solvers/gradients.h"
#include "tests/solvers/random.h"
#include "tests/solvers/random_layer.h"
#include "tests/solvers/run.h"

namespace csc::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class TensorConvolution : public ::testing::TestWithParam<Arithmetic> {
 protected:
  PrepareOptions options() const { return {GetParam()}; }
  // Half a unit in the last place, of numbers about 1.
  double rounding() const { return std::ldexp(1.0, GetParam() == Arithmetic::kTf32 ? -11 : -8); }
  std::vector<float> Rounded(std::vector<float> values) const {
    for (float& value : values) {
      const float pair[2] = {value, 0};
      value = GetParam() == Arithmetic::kTf32
                  ? cuda::Tf32::Value(cuda::Tf32::Word(pair), 0)
                  : cuda::Bfloat16::Value(cuda::Bfloat16::Word(pair), 0);
    }
    return values;
  }
};

// Small tiles, and large ones whatever the number of blocks.
cuda::Tuning SmallTiles() {
  cuda::Tuning tuning = SmallTuning();
  tuning.split_threads = 0;  // which orders sums otherwise
  tuning.tensor_blocks = 1e9;
  return tuning;
}
cuda::Tuning LargeTiles() {
  cuda::Tuning tuning = SmallTuning();
  tuning.split_threads = 0;  // which orders sums otherwise
  tuning.tensor_blocks = 0;
  return tuning;
}

// F x and F^T of something of its own, each at the end of a pointwise instruction
// every other time.
Program BothDirections(Random* random, const Convolution& c) {
  Program program;
  const int filters = program.AddParameter("F", c.filter_dims());
  const int threshold = program.AddParameter("b", {c.filters});
  const int factor = program.AddParameter("s", {2});
  const ValueId x = program.AddInput(c.image);
  const ValueId g = program.AddInput(c.code());
  const ValueId analysis = program.Analysis(x, filters, c.geometry, {2, factor, 0});
  const ValueId synthesis =
      program.Synthesis(g, filters, c.geometry, c.image.height, c.image.width, {-1, factor, 1});
  if (random->Chance(0.5)) {
    program.MarkOutput(
        program.Pointwise({{g, {3}}, {analysis, {-2}}}, Shrink::kSoft, {threshold, 0, c.filters}));
    program.MarkOutput(program.Combine({{synthesis, {}}, {x, {-1}}}));
  } else {
    program.MarkOutput(analysis);
    program.MarkOutput(synthesis);
  }
  return program;
}

// Parameters and inputs on which nothing is rounded.
Work RandomIntegers(Random* random, const Program& program) {
  Work work = RandomWork(random, program, random->Integers(program.parameter_size(), -2, 2),
                         random->Int(1, 11));
  MakeIntegers(random, -3, 3, 0.7, &work);
  return work;
}

int RandomCapability(Random* random) { return random->Pick({80, 86, 89, 90, 100, 120}); }

// More channels than a warp's rows and than a chunk, from time to time.
Convolution RandomWideConvolution(Random* random) {
  Convolution c = RandomConvolution(random);
  if (random->Chance(0.3)) c.filters = random->Int(1, 70);
  if (random->Chance(0.3)) c.image.channels = random->Int(1, 70);
  return c;
}

void ExpectExact(Executable* executable, const Program& program, const Work& work) {
  executable->SetParameters(work.parameters.data());
  const Results actual = RunPrepared(executable, program, work);
  const auto expected = RunInDouble(program, work);
  for (size_t i = 0; i < expected.outputs.size(); ++i) {
    EXPECT_TRUE(Equal(actual.outputs[i], expected.outputs[i])) << "output " << i;
  }
}

// Expects sums that blocks share out to be exact on integers, at the end of chains of
// instructions and not. Returns how many programs had such.
int ExactInParts(const PrepareOptions& options, cuda::Tuning tuning) {
  int in_parts = 0;
  ForEachSeed(30, [&](Random* random) {
    Convolution c = RandomConvolution(random);
    (random->Chance(0.5) ? c.filters : c.image.channels) = random->Int(60, 600);
    // Float32 has tiles for more than 16 results only.
    (c.filters < c.image.channels ? c.filters : c.image.channels) = random->Int(1, 40);
    const Program program = BothDirections(random, c);
    const Work work = RandomIntegers(random, program);
    HostDevice device;
    device.capability = RandomCapability(random);
    tuning.split_threads = random->Pick({0.01, 1.0, 1e9});
    const auto executable = MakeHostCudaEngine(tuning, &device)->Prepare(program, options);
    ExpectExact(executable.get(), program, work);
    if (executable->Describe().find("parts") != std::string::npos) ++in_parts;
  });
  return in_parts;
}

// On integers nothing is rounded: any error is one of indices.
TEST_P(TensorConvolution, IsExactOnIntegers) {
  int on_tensor_cores = 0;
  const int seeds = ForEachSeed(300, [&](Random* random) {
    const Convolution c = RandomWideConvolution(random);
    const Program program = BothDirections(random, c);
    const Work work = RandomIntegers(random, program);
    HostDevice device;
    device.capability = RandomCapability(random);
    const auto engine =
        MakeHostCudaEngine(random->Chance(0.5) ? SmallTiles() : LargeTiles(), &device);
    const auto executable = engine->Prepare(program, options());
    ExpectExact(executable.get(), program, work);
    if (executable->Describe().find("tensor cores") != std::string::npos) ++on_tensor_cores;
  });
  EXPECT_GE(on_tensor_cores, seeds / 3);
}

TEST_P(TensorConvolution, IsExactOnIntegersInParts) {
  EXPECT_GE(ExactInParts(options(), SmallTiles()), 5);
  EXPECT_GE(ExactInParts(options(), LargeTiles()), 5);
}

// The sum of float32 products of rounded factors, to float32's tolerance.
TEST_P(TensorConvolution, RoundsFactorsAndNothingElse) {
  ForEachSeed(60, [&](Random* random) {
    const Shape image = {random->Int(1, 40), random->Int(3, 12), random->Int(3, 12)};
    const Geometry geometry = SamePadded({3, 3}, {1, 1}, {random->Int(1, 3), random->Int(1, 3)});
    Program program;
    const int filters = program.AddParameter("F", {random->Int(1, 40), image.channels, 3, 3});
    const bool synthesis = random->Chance(0.5);
    const ValueId x = program.AddInput(
        synthesis ? Shape{program.parameters()[0].dims[0], image.height, image.width} : image);
    program.MarkOutput(synthesis
                           ? program.Synthesis(x, filters, geometry, image.height, image.width)
                           : program.Analysis(x, filters, geometry));
    Work work = RandomWork(random, program, random->Reals(program.parameter_size(), -1, 1), 2);
    const std::vector<float> actual =
        RunOn(*MakeHostCudaEngine(SmallTuning()), program, work, options()).outputs[0];
    const std::vector<double> exact = RunInDouble(program, work).outputs[0];
    // A product of two rounded factors is off by 2 u + u^2 of itself at most.
    Work magnitudes = work;
    for (auto* values : {&magnitudes.inputs[0], &magnitudes.parameters}) {
      for (float& value : *values) value = std::abs(value);
    }
    const std::vector<double> summed = RunInDouble(program, magnitudes).outputs[0];
    double largest = 0;
    for (size_t i = 0; i < exact.size(); ++i) {
      const double allowed = (2 * rounding() + rounding() * rounding() + 1e-6) * summed[i];
      EXPECT_LE(std::abs(actual[i] - exact[i]), allowed);
      largest = std::max(largest, std::abs(actual[i] - exact[i]));
    }
    EXPECT_GT(largest, rounding() / 100) << "nothing was rounded";
    work.inputs[0] = Rounded(work.inputs[0]);
    work.parameters = Rounded(work.parameters);
    EXPECT_TRUE(CloseTo(actual, RunInDouble(program, work).outputs[0]));
  });
}

TEST_P(TensorConvolution, GivesTheSameBitsWhateverTheTile) {
  ForEachSeed(40, [&](Random* random) {
    const Program program = BothDirections(random, RandomWideConvolution(random));
    const Work work = RandomWork(random, program, random->Reals(program.parameter_size(), -1, 1),
                                 random->Int(1, 9));
    const Results expected = RunOn(*MakeHostCudaEngine(SmallTiles()), program, work, options());
    ExpectSameBits(RunOn(*MakeHostCudaEngine(LargeTiles()), program, work, options()), expected);
  });
}

// Thresholds, momentum, residuals and batch statistics between, gradients behind.
// Errors of a training in reduced arithmetic are those of its ill-conditioned
// sums, so that no tight limit holds for all; integers would hide the rounding.
TEST_P(TensorConvolution, RunsWholeNetworks) {
  ForEachSeed(20, [&](Random* random) {
    const Program program = NetworkProgram(RandomNetwork(random));
    const Work work = RandomWork(random, program, random->Reals(program.parameter_size(), 0, 0.3),
                                 random->Int(1, 5));
    EXPECT_TRUE(
        CloseTo(RunOn(*MakeHostCudaEngine(SmallTuning()), program, work, options()).outputs[0],
                RunInDouble(program, work).outputs[0], 30 * rounding()));
  });
}

// Filter gradients: all indices, then rounding and sums of several ranges.
Program GradientOfFilters(Random* random, const Convolution& c) {
  Program program;
  const int filters = program.AddParameter("F", c.filter_dims());
  const int factors = program.AddParameter("s", {2});
  const ValueId x = program.AddInput(c.image);
  const ValueId g = program.AddInput(c.code());
  Instruction gradient;
  gradient.op = Opcode::kFilterGradient;
  gradient.terms = {{x, {2, factors, 0}}, {g, {1, factors, 1}}};
  gradient.geometry = c.geometry;
  gradient.filters = filters;
  program.Append(gradient, c.code(), /*has_result=*/false);
  program.MarkOutput(program.Combine({{x, {2}}}));
  return program;
}

Convolution RandomGradient(Random* random) {
  Convolution c = RandomWideConvolution(random);
  if (random->Chance(0.5)) {
    c.image.height = random->Int(4, 40);
    c.image.width = random->Int(8, 40);
    c.geometry = SamePadded({3, 3}, {1, 1}, {random->Int(1, 3), random->Int(1, 3)});
  }
  return c;
}

// Runs gradients of integers, which nothing rounds; returns how many had a kernel that
// is described so.
int ExactGradients(const PrepareOptions& options, const std::string& described) {
  int found = 0;
  ForEachSeed(200, [&](Random* random) {
    Convolution c = RandomGradient(random);
    if (random->Chance(0.4)) {
      c.filters = random->Int(17, 35);
      c.image.channels = random->Int(17, 35);
    }
    const Program program = GradientOfFilters(random, c);
    const Work work = RandomIntegers(random, program);
    HostDevice device;
    device.capability = RandomCapability(random);
    cuda::Tuning tuning = SmallTuning();
    tuning.gradient_range = random->Pick({1, 100, 100000});
    const auto executable = MakeHostCudaEngine(tuning, &device)->Prepare(program, options);
    executable->SetParameters(work.parameters.data());
    EXPECT_TRUE(Equal(RunPrepared(executable.get(), program, work).gradients,
                      RunInDouble(program, work).gradients));
    if (executable->Describe().find(described) != std::string::npos) ++found;
  });
  return found;
}

TEST_P(TensorConvolution, HasExactGradientsOfIntegers) {
  EXPECT_GE(ExactGradients(options(), "tensor cores"), 80);
}

TEST_P(TensorConvolution, RoundsFactorsOfGradientsAndNothingElse) {
  ForEachSeed(30, [&](Random* random) {
    const Program program = GradientOfFilters(
        random, {{random->Int(1, 40), 9, 11},
                 random->Int(1, 40),
                 SamePadded({3, 3}, {1, 1}, {random->Int(1, 3), random->Int(1, 3)})});
    std::vector<float> parameters = random->Reals(program.parameter_size(), -1, 1);
    Work work = RandomWork(random, program, parameters, 3);
    const std::vector<float> actual =
        RunOn(*MakeHostCudaEngine(SmallTuning()), program, work, options()).gradients;
    EXPECT_FALSE(CloseTo(actual, RunInDouble(program, work).gradients)) << "nothing was rounded";
    for (auto& input : work.inputs) input = Rounded(input);
    EXPECT_TRUE(CloseTo(actual, RunInDouble(program, work).gradients));
  });
}

// The sizes of the paper: 32 filters, dilated, of 67 channels, at 32 x 32 and 8 x 8.
TEST_P(TensorConvolution, IsExactAtTheSizesInUse) {
  for (const auto& [side, batch] : std::vector<std::pair<int64_t, int64_t>>{{32, 1}, {8, 9}}) {
    Random random(1);
    const Program program =
        BothDirections(&random, {{67, side, side}, 32, SamePadded({3, 3}, {1, 1}, {3, 3})});
    Work work =
        RandomWork(&random, program, random.Integers(program.parameter_size(), -2, 2), batch);
    MakeIntegers(&random, -3, 3, 1, &work);
    cuda::Tuning tuning;
    tuning.tensor_blocks = 0;
    const Results actual = RunOn(*MakeHostCudaEngine(tuning), program, work, options());
    const auto expected = RunInDouble(program, work);
    EXPECT_TRUE(Equal(actual.outputs[0], expected.outputs[0]));
    EXPECT_TRUE(Equal(actual.outputs[1], expected.outputs[1]));
  }
}

TEST_P(TensorConvolution, SaysWhatRunsAndWhatDoesNot) {
  Program program;
  const int filters = program.AddParameter("F", {32, 3, 3, 3});
  const ValueId x = program.AddInput({3, 32, 32});
  const Geometry strided = SamePadded({3, 3}, {2, 2});
  const ValueId code = program.Analysis(x, filters, strided);
  program.MarkOutput(program.Synthesis(code, filters, strided, 32, 32));
  const auto executable = MakeHostCudaEngine({})->Prepare(program, options());
  executable->Reserve(1024, 1);
  const std::string name = csc::Name(GetParam());
  EXPECT_THAT(executable->Describe(),
              HasSubstr("analysis: tensor cores, " + name +
                        ": 1024 blocks of 32 channels x 1 images x 16 x 16 pixels, 4 warps (row 5 "
                        "of table 5)"));
  EXPECT_THAT(executable->Describe(), HasSubstr("synthesis: direct convolution, float32 (not " +
                                                name + ": strided synthesis)"));
}

INSTANTIATE_TEST_SUITE_P(Formats, TensorConvolution,
                         ::testing::Values(Arithmetic::kTf32, Arithmetic::kBfloat16),
                         [](const auto& format) { return std::string(csc::Name(format.param)); });

TEST(Float32, NeverRunsOnTensorCores) {
  Random random(1);
  const Program program =
      BothDirections(&random, {{3, 8, 8}, 16, SamePadded({3, 3}, {1, 1}, {1, 1})});
  const auto executable = MakeHostCudaEngine({})->Prepare(program, PrepareOptions{});
  EXPECT_THAT(executable->Describe(), Not(HasSubstr("tensor")));
}

TEST(Float32, IsExactInTilesAndHasTheBitsOfDirectConvolution) {
  int tiled = 0;
  const int seeds = ForEachSeed(300, [&](Random* random) {
    Convolution c = RandomWideConvolution(random);
    if (random->Chance(0.5)) c.filters = random->Int(17, 70);
    const Program program = BothDirections(random, c);
    Work work = RandomIntegers(random, program);
    HostDevice device;
    device.capability = RandomCapability(random);
    const auto executable = MakeHostCudaEngine(LargeTiles(), &device)->Prepare(program, {});
    ExpectExact(executable.get(), program, work);
    if (executable->Describe().find("tiles in shared memory") != std::string::npos) ++tiled;

    work = RandomWork(random, program, random->Reals(program.parameter_size(), -1, 1), work.batch);
    ExpectSameBits(RunOn(*MakeHostCudaEngine(LargeTiles(), &device), program, work, {}),
                   RunOn(*MakeHostCudaEngine(SmallTiles(), &device), program, work, {}));
  });
  EXPECT_GE(tiled, seeds / 3);
}

TEST(Float32, IsExactOnIntegersInParts) { EXPECT_GE(ExactInParts({}, LargeTiles()), 5); }

TEST(Float32, HasExactGradientsOfIntegersInTiles) {
  EXPECT_GE(ExactGradients({}, "tiles in shared memory"), 40);
}

TEST(Float32, HasGradientsOfTheSameBitsOnEveryDevice) {
  Random random(1);
  const Program program =
      GradientOfFilters(&random, {{20, 19, 23}, 33, SamePadded({3, 3}, {1, 1}, {3, 2})});
  const Work work = RandomWork(&random, program, random.Reals(program.parameter_size(), -1, 1), 5);
  Results first;
  for (int capability : {80, 86, 90, 100, 120}) {
    HostDevice device;
    device.capability = capability;
    const Results results = RunOn(*MakeHostCudaEngine(SmallTuning(), &device), program, work, {});
    if (capability == 80) first = results;
    EXPECT_TRUE(SameBits(results.gradients, first.gradients)) << capability;
  }
  EXPECT_TRUE(CloseTo(first.gradients, RunInDouble(program, work).gradients));
}

TEST(TensorTile, NeedsADeviceThatHasTensorCores) {
  HostDevice device;
  device.capability = 75;
  Random random(1);
  const Program program =
      BothDirections(&random, {{3, 8, 8}, 16, SamePadded({3, 3}, {1, 1}, {1, 1})});
  const auto executable = MakeHostCudaEngine({}, &device)->Prepare(program, {Arithmetic::kTf32});
  EXPECT_THROW(executable->Reserve(1, 1), Error);
}

}  // namespace
}  // namespace csc::test
