// Which linear maps are given to cuDNN, that what it computes is finished as it should be,
// and what is said where there is none. Plain loops stand in its place.

#include "solvers/engines/cuda/cudnn.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "solvers/error.h"
#include "tests/solvers/compare.h"
#include "tests/solvers/engines/cuda/host_backend.h"
#include "tests/solvers/gradients.h"
#include "tests/solvers/random.h"
#include "tests/solvers/random_layer.h"
#include "tests/solvers/refusal.h"
#include "tests/solvers/run.h"
#include "training/models/training_program.h"

namespace csc::test {
namespace {

using cuda::CudnnUse;
using ::testing::HasSubstr;
using ::testing::Not;

cuda::Tuning With(CudnnUse use, cuda::Tuning tuning = {}) {
  tuning.cudnn = use;
  return tuning;
}

std::string Described(const cuda::Tuning& tuning, const Program& program,
                      Arithmetic arithmetic = Arithmetic::kFloat32) {
  return MakeHostCudaEngine(tuning)->Prepare(program, {arithmetic})->Describe();
}

// F x, F^T of it and both gradients, for images of `side`.
Program Layer(int64_t side, const Geometry& geometry, int64_t width = 64, int64_t channels = 16) {
  Program forward;
  const int filters =
      forward.AddParameter("F", {width, channels, geometry.kernel[0], geometry.kernel[1]});
  const ValueId x = forward.AddInput({channels, side, side});
  forward.MarkOutput(
      forward.Synthesis(forward.Analysis(x, filters, geometry), filters, geometry, side, side));
  return WithWeightedLoss(forward);
}

TEST(CudnnTable, NamesLargeMapsThatHaveNoFastKernel) {
  const std::string strided = Described({}, Layer(64, SamePadded({3, 3}, {2, 2})));
  EXPECT_THAT(strided, HasSubstr("synthesis: cuDNN, float32: bwd_data_1 (strided synthesis)"));
  EXPECT_THAT(strided, Not(HasSubstr("analysis: cuDNN")));
  EXPECT_THAT(strided, HasSubstr("cuDNN 9.0.0 serves 2 of the 2 linear maps that table 1 gives"));
  const std::string large = Described({}, Layer(64, SamePadded({9, 9})), Arithmetic::kBfloat16);
  EXPECT_THAT(large, HasSubstr("analysis: cuDNN, tf32: implicit_gemm (a kernel above 7)"));
  EXPECT_THAT(large, HasSubstr("filter_gradient: cuDNN, tf32: bwd_filter_1 (more than 9 taps)"));
  EXPECT_THAT(Described({}, Layer(8, SamePadded({3, 3}, {2, 2}))), Not(HasSubstr("cuDNN")));
  EXPECT_THAT(Described({}, Layer(64, SamePadded({3, 3}))), Not(HasSubstr("cuDNN")));
}

TEST(CudnnTable, NamesVeryWideMaps) {
  const std::string wide = Described({}, Layer(16, SamePadded({3, 3}), 256, 300));
  EXPECT_THAT(wide, HasSubstr("analysis: cuDNN, float32: implicit_gemm (very wide)"));
  EXPECT_THAT(wide, HasSubstr("synthesis: cuDNN"));
  EXPECT_THAT(wide, HasSubstr("filter_gradient: cuDNN"));
  EXPECT_THAT(Described({}, Layer(16, SamePadded({3, 3}), 255, 300)), Not(HasSubstr("cuDNN")));
}

TEST(CudnnTable, NamesNoDilatedAdjoints) {
  const Program program = Layer(64, SamePadded({9, 9}, {1, 1}, {2, 2}));
  const std::string described = Described({}, program);
  EXPECT_THAT(described, HasSubstr("analysis: cuDNN"));
  EXPECT_THAT(described, Not(HasSubstr("synthesis: cuDNN")));
  EXPECT_THAT(described, Not(HasSubstr("filter_gradient: cuDNN")));
  const std::string all = Described(With(CudnnUse::kAll), program);
  EXPECT_THAT(all, HasSubstr("synthesis: cuDNN"));
  EXPECT_THAT(all, HasSubstr("filter_gradient: cuDNN"));
}

// In a training step on images of 32 x 32.
TEST(CudnnTable, NamesTheStridedAdjointsOfThePapersNetworks) {
  const auto named = [](const char* model, int depth) {
    ModelOptions options;
    options.model = model;
    options.depth = depth;
    options.width = options.model == "msd_csc" ? 32 : 16;
    const Program program = BuildTrainingProgram(MakeModel(options, {3, 32, 32}, 10)).program;
    const cuda::CudnnPlan plan =
        cuda::PlanCudnn(program, Arithmetic::kTf32, CudnnUse::kAuto, 1,
                        [](std::string*) -> cuda::Cudnn* { return nullptr; });
    return std::count_if(plan.choices.begin(), plan.choices.end(),
                         [](const auto& choice) { return choice.reason != nullptr; });
  };
  EXPECT_EQ(named("msd_csc", 12), 0);
  EXPECT_EQ(named("res_csc", 20), 2);
  EXPECT_EQ(named("resnet", 20), 2);
}

TEST(Cudnn, ServesAllThatItIsAskedForButPadsThatDiffer) {
  EXPECT_THAT(Described(With(CudnnUse::kAll), Layer(8, SamePadded({3, 3}))),
              HasSubstr("analysis: cuDNN, float32: implicit_gemm (CSC_CUDNN=all)"));
  Geometry geometry;
  geometry.kernel = {2, 1};
  geometry.pads = {0, 0, 1, 0};
  const std::string described = Described(With(CudnnUse::kAll), Layer(8, geometry));
  EXPECT_THAT(described, Not(HasSubstr(": cuDNN,")));
  EXPECT_THAT(described, HasSubstr("(not by cuDNN: pads that differ on two sides)"));
}

TEST(Cudnn, IsNotAskedWhereItIsOff) {
  const Program program = Layer(64, SamePadded({3, 3}, {2, 2}));
  EXPECT_THAT(Described(With(CudnnUse::kOff), program), HasSubstr("cuDNN off\n"));
  EXPECT_THAT(Described(With(CudnnUse::kOff), program), Not(HasSubstr(": cuDNN,")));
}

TEST(Cudnn, IsMissedAloudWhereThereIsNone) {
  HostDevice device;
  device.has_cudnn = false;
  const Program program = Layer(64, SamePadded({3, 3}, {2, 2}));
  const std::string described = MakeHostCudaEngine({}, &device)->Prepare(program, {})->Describe();
  EXPECT_THAT(described, HasSubstr("ranges (table 5) (not by cuDNN: there is none)"));
  EXPECT_THAT(described, HasSubstr("no cuDNN for the 2 linear maps that table 1 gives it, which "
                                   "own kernels compute (hidden by the test)\n"));
  ExpectRefusal([&] { MakeHostCudaEngine(With(CudnnUse::kAll), &device)->Prepare(program, {}); },
                {"CSC_CUDNN=all", "hidden by the test"});
}

TEST(Cudnn, IsNamedAmongWhatDecidesTheBits) {
  HostDevice device;
  const auto algorithms = [&](CudnnUse use) {
    return MakeHostCudaEngine(With(use), &device)->algorithms();
  };
  EXPECT_THAT(algorithms(CudnnUse::kAuto), HasSubstr(", cudnn auto 1, 9.0.0"));
  EXPECT_THAT(algorithms(CudnnUse::kOff), HasSubstr(", cudnn off"));
  device.has_cudnn = false;
  EXPECT_THAT(algorithms(CudnnUse::kAuto), HasSubstr(", cudnn auto, absent"));
}

TEST(Cudnn, IsChosenByTheEnvironment) {
  const Program program = Layer(8, SamePadded({3, 3}));
  setenv("CSC_CUDNN", "all", 1);
  EXPECT_THAT(Described({}, program), HasSubstr("analysis: cuDNN"));
  setenv("CSC_CUDNN", "some", 1);
  ExpectRefusal([&] { Described({}, program); }, {"CSC_CUDNN", "some", "auto, off, all"});
  unsetenv("CSC_CUDNN");
}

// Scales, chains, parts of a join and both directions, in every arithmetic.
Program JoinedMaps(Random* random, Convolution* c) {
  auto& pads = c->geometry.pads;
  for (int axis = 0; axis < 2; ++axis) {
    pads[axis] = pads[axis + 2] = std::max(pads[axis], pads[axis + 2]);
  }
  Program program;
  const int filters = program.AddParameter("F", c->filter_dims());
  const int scales = program.AddParameter("c", {2});
  const ValueId x = program.AddInput(c->image);
  const Shape code = c->code();
  const int vectors = program.AddParameter("a", {code.channels});
  const ChannelVector vector = {vectors, 0, code.channels};
  std::vector<ValueId> parts;
  for (int k = 0; k < 3; ++k) {
    Coefficient scale = {random->Pick({1.0, -2.0})};
    if (random->Chance(0.5)) {
      scale.parameter = scales;
      scale.offset = k % 2;
    }
    ValueId part = program.Analysis(x, filters, c->geometry, scale);
    switch (random->Int(0, 3)) {
      case 0:
        part = program.Pointwise({{part, {3}}}, Shrink::kSoft);
        break;
      case 1:
        part = program.Pointwise({{part, {}}}, Shrink::kNone, {}, vector);
        break;
      case 2:
        part = program.Pointwise({{part, {}}}, Shrink::kNone, vector);
    }
    if (random->Chance(0.5)) part = program.Combine({{part, {2}}, {program.AddInput(code), {}}});
    parts.push_back(part);
  }
  program.MarkOutput(program.Join(parts));
  program.MarkOutput(program.Synthesis(parts[0], filters, c->geometry, c->image.height,
                                       c->image.width, {1, scales, 0}));
  program.MarkOutput(
      program.Synthesis(parts[1], filters, c->geometry, c->image.height, c->image.width));
  // A gradient may need what an epilogue began with.
  return random->Chance(0.5) ? WithWeightedLoss(program) : program;
}

TEST(Cudnn, IsFinishedByEveryEpilogue) {
  int compared = 0;
  const int seeds = ForEachSeed(200, [&](Random* random) {
    Convolution c = RandomConvolution(random);
    const Program program = JoinedMaps(random, &c);
    Work work = RandomWork(random, program, random->Integers(program.parameter_size(), -1, 1),
                           random->Int(1, 5));
    MakeIntegers(random, -2, 2, 0.7, &work);
    const auto expected = RunInDouble(program, work);
    // Of larger ones TF32 rounds factors.
    if (LargestMagnitude(expected.outputs[0]) > 1 << 10) return;
    const PrepareOptions options = {
        random->Pick({Arithmetic::kDirect, Arithmetic::kTf32, Arithmetic::kBfloat16})};
    const auto executable =
        MakeHostCudaEngine(With(CudnnUse::kAll, SmallTuning()))->Prepare(program, options);
    ASSERT_THAT(executable->Describe(), HasSubstr("analysis: cuDNN"));
    executable->SetParameters(work.parameters.data());
    const Results actual = RunPrepared(executable.get(), program, work);
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_TRUE(Equal(actual.outputs[i], expected.outputs[i])) << "output " << i;
    }
    ++compared;
  });
  EXPECT_GE(compared, seeds / 2);
}

// Of three samples, few enough of them not 0 that sums stay small.
Work SparseIntegers(const Program& program) {
  Random random(1);
  Work work =
      RandomWork(&random, program, random.Integers(program.parameter_size(), -1, 1, 0.2), 3);
  MakeIntegers(&random, -1, 1, 0.2, &work);
  return work;
}

// Values that nothing but a map of cuDNN reads or writes, between kernels of ours.
TEST(Cudnn, SharesValuesWithOurOwnKernels) {
  const Geometry strided = SamePadded({3, 3}, {2, 2});
  Program forward;
  const int filters = forward.AddParameter("F", {8, 3, 3, 3});
  const ValueId x = forward.AddInput({3, 9, 9});
  const ValueId code =
      forward.Pointwise({{forward.Analysis(x, filters, strided), {}}}, Shrink::kSoft);
  const ValueId image = forward.Synthesis(code, filters, strided, 9, 9);
  forward.MarkOutput(forward.Analysis(image, filters, SamePadded({3, 3})));
  const Program program = WithWeightedLoss(forward);
  const Work work = SparseIntegers(program);
  const auto expected = RunInDouble(program, work);
  ASSERT_LE(LargestMagnitude(expected.outputs[0]), 256) << "bfloat16 rounds what is larger";
  for (CudnnUse use : {CudnnUse::kAuto, CudnnUse::kAll}) {
    for (Arithmetic arithmetic : {Arithmetic::kDirect, Arithmetic::kTf32, Arithmetic::kBfloat16}) {
      SCOPED_TRACE(std::string(cuda::Name(use)) + ", " + csc::Name(arithmetic));
      const auto executable =
          MakeHostCudaEngine(With(use, SmallTuning()))->Prepare(program, {arithmetic});
      EXPECT_THAT(executable->Describe(), HasSubstr("synthesis: cuDNN"));
      executable->SetParameters(work.parameters.data());
      const Results actual = RunPrepared(executable.get(), program, work);
      EXPECT_TRUE(Equal(actual.outputs[0], expected.outputs[0]));
      EXPECT_TRUE(Equal(actual.gradients, expected.gradients));
    }
  }
}

// Values between it and tensor cores, which among themselves would keep them in bfloat16.
TEST(Cudnn, ReadsAndWritesFloat32) {
  const Geometry served = SamePadded({3, 3});
  Geometry declined;
  declined.kernel = {2, 2};
  declined.pads = {1, 1, 0, 0};
  const auto run = [](const Geometry& synthesis, const Geometry& analysis, CudnnUse use,
                      bool finished) {
    Program forward;
    const auto filters = [&](const char* name, const Geometry& g) {
      return forward.AddParameter(name, {16, 20, g.kernel[0], g.kernel[1]});
    };
    ValueId image =
        forward.Synthesis(forward.AddInput({16, 9, 9}), filters("F", synthesis), synthesis, 9, 9);
    if (!finished) image = forward.Combine({{image, {}}, {forward.AddInput({20, 9, 9}), {-1}}});
    forward.MarkOutput(forward.Analysis(image, filters("G", analysis), analysis));
    const Program program = WithWeightedLoss(forward);
    const Work work = SparseIntegers(program);
    const auto executable =
        MakeHostCudaEngine(With(use, SmallTuning()))->Prepare(program, {Arithmetic::kBfloat16});
    executable->SetParameters(work.parameters.data());
    const Results actual = RunPrepared(executable.get(), program, work);
    const auto expected = RunInDouble(program, work);
    EXPECT_TRUE(Equal(actual.outputs[0], expected.outputs[0]));
    EXPECT_TRUE(Equal(actual.gradients, expected.gradients));
    return executable->Describe();
  };
  for (bool finished : {false, true}) {
    EXPECT_THAT(run(served, declined, CudnnUse::kOff, finished), HasSubstr("kept in bfloat16"));
    for (const auto& [synthesis, analysis] :
         {std::pair(served, served), std::pair(served, declined), std::pair(declined, served)}) {
      EXPECT_THAT(run(synthesis, analysis, CudnnUse::kAll, finished),
                  Not(HasSubstr("kept in bfloat16")));
    }
  }
}

TEST(Cudnn, RoundsFactorsWhereItMayAndNothingElse) {
  Random random(1);
  const Program program = Layer(8, SamePadded({3, 3}));
  const Work work = RandomWork(&random, program, random.Reals(program.parameter_size(), -1, 1), 2);
  const std::vector<float> exact = [&] {
    const auto in_double = RunInDouble(program, work).gradients;
    return std::vector<float>(in_double.begin(), in_double.end());
  }();
  const auto gradients = [&](Arithmetic arithmetic) {
    return RunOn(*MakeHostCudaEngine(With(CudnnUse::kAll)), program, work, {arithmetic}).gradients;
  };
  EXPECT_TRUE(CloseTo(gradients(Arithmetic::kFloat32), exact));
  EXPECT_FALSE(CloseTo(gradients(Arithmetic::kTf32), exact)) << "nothing was rounded";
  EXPECT_TRUE(CloseTo(gradients(Arithmetic::kTf32), exact, 1e-2));
}

}  // namespace
}  // namespace csc::test
