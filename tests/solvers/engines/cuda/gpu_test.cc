// The engine on a real GPU; skipped, with the reason, where there is none.

#include <gtest/gtest.h>
#include <stdlib.h>

#include <string>
#include <vector>

#include "solvers/engines/registry.h"
#include "solvers/error.h"
#include "tests/solvers/compare.h"
#include "tests/solvers/gradients.h"
#include "tests/solvers/random.h"
#include "tests/solvers/random_images.h"
#include "tests/solvers/random_layer.h"
#include "tests/solvers/run.h"
#include "training/session.h"

namespace csc::test {
namespace {

// A variable of the environment as long as this lives.
class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) {
    const char* const before = getenv(name);
    if (before != nullptr) before_ = before;
    setenv(name, value, 1);
  }
  ~Environment() { setenv(name_, before_.c_str(), 1); }

 private:
  const char* const name_;
  std::string before_;  // empty is as absent
};

class Gpu : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const EngineInfo& info : KnownEngines()) {
      if (info.name != "cuda") continue;
      if (!info.present) GTEST_SKIP() << info.detail;
      RecordProperty("device", info.detail);
    }
    engine_ = &FindEngine("cuda");
  }

  const Engine* engine_ = nullptr;
};

TEST_F(Gpu, ComputesEveryOperatorWithItsGradients) {
  LayerStyle style;
  style.integers = true;
  for (const std::string& op : ProgramOperators()) {
    SCOPED_TRACE(op);
    ForEachSeed(20, [&](Random* random) {
      const LayerCase layer = RandomLayer(random, op, RandomInputShape(random, style), style);
      const Program program = WithWeightedLoss(LayerProgram(layer));
      Work work = RandomWork(random, program, Flatten({layer}), random->Int(1, 9));
      MakeIntegers(random, -3, 3, 0.7, &work);
      const auto expected = RunInDouble(program, work);
      const Results actual = RunOn(*engine_, program, work);
      for (size_t i = 0; i < expected.outputs.size(); ++i) {
        EXPECT_TRUE(CloseTo(actual.outputs[i], expected.outputs[i])) << "output " << i;
      }
      EXPECT_TRUE(CloseTo(actual.gradients, expected.gradients)) << "gradients";
    });
  }
}

// Larger than the random layers: many blocks of every kernel, all tiles.
TEST_F(Gpu, TrainsALayerOfTheSizeInUse) {
  Random random(1);
  Program forward;
  const int filters = forward.AddParameter("F", {32, 19, 3, 3});
  const int threshold = forward.AddParameter("b", {32});
  const ValueId x = forward.AddInput({19, 32, 32});
  const Geometry geometry = SamePadded({3, 3}, {1, 1}, {2, 2});
  ValueId code = forward.Normalise(forward.Analysis(x, filters, geometry, {0.1}), 1e-5);
  code = forward.Pointwise({{code, {}}}, Shrink::kNonnegative, {threshold, 0, 32});
  const ValueId residual =
      forward.Combine({{forward.Synthesis(code, filters, geometry, 32, 32, {0.1})}, {x, {-1}}});
  forward.MarkOutput(forward.MaxPool(residual, {{2, 2}, {2, 2}}));
  const Program program = WithWeightedLoss(forward);
  const Work work =
      RandomWork(&random, program, random.Reals(program.parameter_size(), -0.5, 0.5), 96);
  const Results actual = RunOn(*engine_, program, work);
  const Results expected = RunOn(FindEngine("onednn"), program, work);
  EXPECT_TRUE(CloseTo(actual.outputs[0], expected.outputs[0], 1e-4));
  // A few values in a million fall to the other side of a threshold or a tie.
  EXPECT_TRUE(CloseTo(actual.gradients, expected.gradients, 1e-3));
}

// float32 takes these only where there are more blocks than any device of its table wants.
TEST_F(Gpu, ComputesInTilesOfSharedMemory) {
  const Environment off("CSC_CUDNN", "off");
  const auto run = [&](const Program& program, int64_t batch) {
    Random random(1);
    Work work =
        RandomWork(&random, program, random.Integers(program.parameter_size(), -2, 2), batch);
    MakeIntegers(&random, -3, 3, 0.7, &work);
    const auto expected = RunInDouble(program, work);
    const Results actual = RunOn(*engine_, program, work);
    for (size_t i = 0; i < expected.outputs.size(); ++i) {
      EXPECT_TRUE(Equal(actual.outputs[i], expected.outputs[i])) << "output " << i;
    }
    EXPECT_TRUE(Equal(actual.gradients, expected.gradients)) << "gradients";
  };
  const auto describes = [&](const Program& program, int64_t batch, const char* instruction) {
    const auto executable = engine_->Prepare(program);
    executable->Reserve(batch, 1);
    const std::string all = executable->Describe();
    EXPECT_NE(all.find(std::string(instruction) + ": tiles in shared memory"), std::string::npos)
        << all;
  };
  const Geometry geometry = SamePadded({3, 1});
  Program analysis;
  analysis.MarkOutput(analysis.Analysis(analysis.AddInput({3, 16, 16}),
                                        analysis.AddParameter("F", {1056, 3, 3, 1}), geometry));
  describes(analysis, 12, "analysis");
  run(analysis, 12);
  Program synthesis;
  synthesis.MarkOutput(synthesis.Synthesis(synthesis.AddInput({3, 16, 16}),
                                           synthesis.AddParameter("F", {3, 1056, 3, 1}), geometry,
                                           16, 16));
  describes(synthesis, 12, "synthesis");
  run(synthesis, 12);
  Program layer;
  layer.MarkOutput(layer.Analysis(layer.AddInput({19, 17, 13}),
                                  layer.AddParameter("F", {33, 19, 3, 3}), SamePadded({3, 3})));
  const Program gradient = WithWeightedLoss(layer);
  describes(gradient, 5, "filter_gradient");
  run(gradient, 5);
}

// So few results that the threads of a block share their sums out.
TEST_F(Gpu, RunsALayerOnOneImage) {
  Random random(1);
  Program program;
  const int filters = program.AddParameter("F", {32, 355, 3, 3});
  const ValueId x = program.AddInput({355, 8, 8});
  const Geometry geometry = SamePadded({3, 3}, {1, 1}, {2, 2});
  const ValueId code = program.Analysis(x, filters, geometry, {0.1});
  program.MarkOutput(code);
  program.MarkOutput(program.Synthesis(code, filters, geometry, 8, 8));
  const Work work =
      RandomWork(&random, program, random.Reals(program.parameter_size(), -0.5, 0.5), 1);
  const Results actual = RunOn(*engine_, program, work);
  const auto expected = RunInDouble(program, work);
  for (size_t i = 0; i < expected.outputs.size(); ++i) {
    EXPECT_TRUE(CloseTo(actual.outputs[i], expected.outputs[i])) << "output " << i;
  }
}

// Nothing is rounded then, so that any error is one of fragments or indices.
TEST_F(Gpu, IsExactOnIntegersOnTensorCores) {
  for (Arithmetic arithmetic : {Arithmetic::kTf32, Arithmetic::kBfloat16}) {
    SCOPED_TRACE(Name(arithmetic));
    ForEachSeed(100, [&](Random* random) {
      const Convolution c = RandomConvolution(random);
      Program forward;
      const int filters = forward.AddParameter("F", c.filter_dims());
      const ValueId x = forward.AddInput(c.image);
      const ValueId code = forward.Analysis(x, filters, c.geometry);
      forward.MarkOutput(code);
      forward.MarkOutput(forward.Synthesis(forward.AddInput(c.code()), filters, c.geometry,
                                           c.image.height, c.image.width));
      const Program program = WithWeightedLoss(forward);
      Work work = RandomWork(random, program, random->Integers(program.parameter_size(), -2, 2),
                             random->Int(1, 40));
      MakeIntegers(random, -3, 3, 0.7, &work);
      const auto expected = RunInDouble(program, work);
      const Results actual = RunOn(*engine_, program, work, {arithmetic});
      for (size_t i = 0; i < expected.outputs.size(); ++i) {
        EXPECT_TRUE(Equal(actual.outputs[i], expected.outputs[i])) << "output " << i;
      }
      EXPECT_TRUE(Equal(actual.gradients, expected.gradients)) << "gradients";
    });
  }
}

// A residual that is kept in bfloat16, which on small integers is exact too: of any number of
// channels, and of sums in one part and in several.
TEST_F(Gpu, IsExactOnIntegersKeptInBfloat16) {
  const Environment off("CSC_CUDNN", "off");
  int kept = 0;
  const int seeds = ForEachSeed(20, [&](Random* random) {
    const int64_t codes = random->Pick<int64_t>({2, 24, 160});
    const Shape image = {random->Int(1, 40), random->Int(2, 9), random->Int(8, 12)};
    const Geometry geometry = SamePadded({3, 3}, {1, 1}, {2, 2});
    Program forward;
    const int filters = forward.AddParameter("F", {codes, image.channels, 3, 3});
    const ValueId x = forward.AddInput(image);
    const ValueId g = forward.AddInput({codes, image.height, image.width});
    const ValueId residual = forward.Combine(
        {{forward.Synthesis(g, filters, geometry, image.height, image.width), {}}, {x, {-1}}});
    forward.MarkOutput(forward.Analysis(residual, filters, geometry));
    const Program program = WithWeightedLoss(forward);
    Work work = RandomWork(random, program, random->Integers(program.parameter_size(), -1, 1, 0.3),
                           random->Int(1, 3));
    MakeIntegers(random, -1, 1, 0.3, &work);
    const auto executable = engine_->Prepare(program, {Arithmetic::kBfloat16});
    executable->SetParameters(work.parameters.data());
    const Results actual = RunPrepared(executable.get(), program, work);
    const auto expected = RunInDouble(program, work);
    EXPECT_TRUE(Equal(actual.outputs[0], expected.outputs[0]));
    EXPECT_TRUE(Equal(actual.gradients, expected.gradients)) << "gradients";
    if (executable->Describe().find("kept in bfloat16") != std::string::npos) ++kept;
  });
  EXPECT_EQ(kept, seeds);
}

// Strided and dilated, each map by cuDNN and by our own kernels.
TEST_F(Gpu, LetsCudnnServeEveryMap) {
  const auto run = [&](const Geometry& geometry, Arithmetic arithmetic) {
    Random random(1);
    Program forward;
    const int filters = forward.AddParameter("F", {24, 5, geometry.kernel[0], geometry.kernel[1]});
    const int step = forward.AddParameter("c", {1});
    const ValueId x = forward.AddInput({5, 13, 11});
    const ValueId code = forward.Analysis(x, filters, geometry, {1, step, 0});
    const ValueId image = forward.Synthesis(code, filters, geometry, 13, 11);
    forward.MarkOutput(forward.Join({image, x}));
    forward.MarkOutput(forward.Pointwise({{code, {2}}}, Shrink::kSoft));
    const Program program = WithWeightedLoss(forward);
    Work work = RandomWork(&random, program, random.Integers(program.parameter_size(), -1, 1), 7);
    MakeIntegers(&random, -1, 1, 0.5, &work);
    const auto executable = engine_->Prepare(program, {arithmetic});
    const std::string described = executable->Describe();
    for (const char* op : {"analysis: cuDNN", "synthesis: cuDNN", "filter_gradient: cuDNN"}) {
      EXPECT_NE(described.find(op), std::string::npos) << described;
    }
    executable->SetParameters(work.parameters.data());
    const Results first = RunPrepared(executable.get(), program, work);
    ExpectSameBits(RunPrepared(executable.get(), program, work), first);
    const auto expected = RunInDouble(program, work);
    for (size_t i = 0; i < expected.outputs.size(); ++i) {
      EXPECT_TRUE(Equal(first.outputs[i], expected.outputs[i])) << "output " << i;
    }
    EXPECT_TRUE(Equal(first.gradients, expected.gradients)) << "gradients";
    if (arithmetic != Arithmetic::kDirect) return;
    // Nothing is rounded to TF32.
    work = RandomWork(&random, program, random.Reals(program.parameter_size(), -0.5, 0.5), 7);
    EXPECT_TRUE(CloseTo(RunOn(*engine_, program, work, {arithmetic}).gradients,
                        RunInDouble(program, work).gradients));
  };
  const Environment all("CSC_CUDNN", "all");
  try {
    engine_->Prepare(Program());
  } catch (const EngineDeclined& declined) {
    GTEST_SKIP() << declined.what();
  }
  for (Arithmetic arithmetic : {Arithmetic::kDirect, Arithmetic::kTf32, Arithmetic::kBfloat16}) {
    SCOPED_TRACE(Name(arithmetic));
    run(SamePadded({3, 1}, {2, 2}), arithmetic);
    run(SamePadded({3, 3}, {1, 2}, {2, 1}), arithmetic);
  }
}

// As many products as its table wants, with a chain at the end.
TEST_F(Gpu, GivesALargeStridedMapToCudnnIfThereIsOne) {
  const Environment by_table("CSC_CUDNN", "auto");
  Random random(1);
  Program program;
  const int filters = program.AddParameter("F", {32, 16, 3, 3});
  const int step = program.AddParameter("c", {1});
  const ValueId image = program.Synthesis(program.AddInput({32, 16, 16}), filters,
                                          SamePadded({3, 3}, {2, 2}), 32, 32, {2, step, 0});
  program.MarkOutput(
      program.Pointwise({{image, {}}, {program.AddInput({16, 32, 32}), {-1}}}, Shrink::kSoft));
  Work work = RandomWork(&random, program, random.Integers(program.parameter_size(), -1, 1), 3);
  MakeIntegers(&random, -3, 3, 0.7, &work);
  const std::string described = engine_->Prepare(program, {})->Describe();
  EXPECT_TRUE(described.find("synthesis: cuDNN") != std::string::npos ||
              described.find("no cuDNN for ") != std::string::npos)
      << described;
  EXPECT_TRUE(
      Equal(RunOn(*engine_, program, work).outputs[0], RunInDouble(program, work).outputs[0]));
}

TEST_F(Gpu, RefusesUnknownEdges) {
  const Environment edges("CSC_CUDA_EDGES", "some");
  Program program;
  program.MarkOutput(program.Combine({{program.AddInput({1, 2, 2}), {2}}}));
  try {
    engine_->Prepare(program, {});
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("CSC_CUDA_EDGES=\"some\""), std::string::npos)
        << error.what();
  }
}

TEST_F(Gpu, RepeatsItselfBitByBit) {
  ForEachSeed(10, [&](Random* random) {
    const std::vector<LayerCase> layers = RandomNetwork(random);
    const Program forward = NetworkProgram(layers);
    const Program program = WithSoftmaxLoss(forward);
    const Work work = RandomWork(random, program, Flatten(layers), random->Int(1, 40),
                                 forward.shape(forward.outputs()[0]).channels);
    const auto executable = engine_->Prepare(program);
    executable->SetParameters(work.parameters.data());
    const Results first = RunPrepared(executable.get(), program, work);
    for (int run = 0; run < 5; ++run) {
      ExpectSameBits(RunPrepared(executable.get(), program, work), first);
    }
    ExpectSameBits(RunOn(*engine_, program, work), first);
  });
}

// Parameters that the device has trained, against the host's steps with gradients of
// the same kernels.
TEST_F(Gpu, TakesTheHostsStepsToTheBit) {
  ForEachSeed(10, [&](Random* random) {
    const Program forward = NetworkProgram(RandomNetwork(random));
    TrainingProgram training;
    training.program = WithSoftmaxLoss(forward);
    const int64_t size = training.program.parameter_size();
    const Work work = RandomWork(random, training.program, random->Reals(size, -0.5, 0.5), 40,
                                 forward.shape(forward.outputs()[0]).channels);
    const Shape& image = training.program.shape(training.program.inputs()[0]);
    const ByteBatch bytes = RandomImages(random, image, work.batch);
    SessionOptions options;
    options.sgd.nesterov = random->Chance(0.5);
    options.sgd.weight_decay = 0.01;
    options.sgd.gradient_clip = random->Pick({0.0, 0.05});
    options.groups = {{size, true, true, random->Chance(0.5)}};
    options.batch = work.batch;
    const auto train = [&](auto begin) {
      const auto executable = engine_->Prepare(training.program);
      const auto session = begin(executable.get(), training, options);
      std::vector<float> state[] = {work.parameters, std::vector<float>(size)};
      session->SetState(state[0].data(), state[1].data());
      for (int step = 0; step < 6; ++step) {
        session->Queue({work.batch, bytes.images.data(), bytes.white, work.labels.data(), 0.1});
        if (step > 0) session->Finish();
      }
      session->Finish();
      session->GetState(state[0].data(), state[1].data());
      state[0].insert(state[0].end(), state[1].begin(), state[1].end());
      return state[0];
    };
    EXPECT_TRUE(SameBits(train(BeginSession), train(BeginOnHost)));
  });
}

}  // namespace
}  // namespace csc::test
