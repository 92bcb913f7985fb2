// The CUDA engine on the host, where the tests of all engines do not reach:
// sizes at which it cuts its work, long sums, limits of its indices.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "solvers/engines/cuda/device_run.h"
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

// A sum of `count` terms, the first of them an analysis, with a and b.
Program LongSum(int count) {
  Program program;
  const int filters = program.AddParameter("F", {3, 2, 3, 3});
  const int vectors = program.AddParameter("a, b", {2, 3});
  const int factors = program.AddParameter("factors", {count});
  const ValueId x = program.AddInput({2, 5, 4});
  std::vector<Term> terms = {{program.Analysis(x, filters, SamePadded({3, 3})), {1, factors, 0}}};
  for (int t = 1; t < count; ++t) {
    terms.push_back({program.AddInput({3, 5, 4}), {t % 2 == 0 ? 1.0 : -2.0, factors, t}});
  }
  program.MarkOutput(
      program.Pointwise(terms, Shrink::kSoft, {vectors, 3, 3, 0.1}, {vectors, 0, 3}));
  return program;
}

TEST(HostEngine, AddsSumsOfAnyLength) {
  const auto engine = MakeHostCudaEngine(SmallTuning());
  for (int count = 1; count <= 30; ++count) {
    SCOPED_TRACE(count);
    Random random(count);
    const Program program = LongSum(count);
    const Work work =
        RandomWork(&random, program, random.Reals(program.parameter_size(), 0.5, 1), 3);
    EXPECT_TRUE(
        CloseTo(RunOn(*engine, program, work).outputs[0], RunInDouble(program, work).outputs[0]));
  }
}

TEST(HostEngine, LeavesOutALongSumThatNobodyReads) {
  Program program = LongSum(30);
  std::vector<Term> terms;
  for (ValueId input : program.inputs()) {
    if (program.shape(input).channels == 3) terms.push_back({input, {}});
  }
  program.Combine(terms);
  Random random(1);
  const Work work = RandomWork(&random, program, random.Reals(program.parameter_size(), 0.5, 1), 3);
  EXPECT_TRUE(CloseTo(RunOn(*MakeHostCudaEngine(SmallTuning()), program, work).outputs[0],
                      RunInDouble(program, work).outputs[0]));
}

// Convolutions with enough channels and pixels for several groups and tiles.
Program WideConvolutions(Random* random) {
  Program forward;
  const Shape image = {random->Int(1, 11), random->Int(5, 14), random->Int(5, 14)};
  const Geometry geometry = RandomGeometry(random, image.height, image.width);
  const int filters = forward.AddParameter(
      "F", {random->Int(1, 19), image.channels, geometry.kernel[0], geometry.kernel[1]});
  const ValueId x = forward.AddInput(image);
  const ValueId code = forward.Analysis(x, filters, geometry);
  forward.MarkOutput(code);
  forward.MarkOutput(forward.Synthesis(code, filters, geometry, image.height, image.width, {0.5}));
  return WithWeightedLoss(forward);
}

TEST(HostEngine, GivesTheSameBitsWhateverTheTileOfAConvolution) {
  cuda::Tuning narrow = SmallTuning(), wide = SmallTuning();
  narrow.wide_threads = int64_t{1} << 40;
  wide.wide_threads = 0;
  narrow.split_threads = wide.split_threads = 0;  // which orders sums otherwise
  ForEachSeed(60, [&](Random* random) {
    const Program program = WideConvolutions(random);
    const Work work = RandomWork(random, program, random->Reals(program.parameter_size(), -1, 1),
                                 random->Int(1, 9));
    const Results expected = RunOn(*MakeHostCudaEngine(narrow), program, work);
    ExpectSameBits(RunOn(*MakeHostCudaEngine(wide), program, work), expected);
    const auto exact = RunInDouble(program, work);
    for (size_t i = 0; i < exact.outputs.size(); ++i) {
      EXPECT_TRUE(CloseTo(expected.outputs[i], exact.outputs[i]));
    }
    EXPECT_TRUE(CloseTo(expected.gradients, exact.gradients));
  });
}

TEST(HostEngine, SharesTheSumsOfFewResultsOut) {
  ForEachSeed(60, [&](Random* random) {
    const Program program = WideConvolutions(random);
    const Work work = RandomWork(random, program, random->Reals(program.parameter_size(), -1, 1),
                                 random->Int(1, 9));
    cuda::Tuning tuning = SmallTuning();
    tuning.tensor_blocks = 1e9;  // none in tiles
    tuning.split_threads = 1e9;
    tuning.split_products = random->Int(1, 100);
    const Results actual = RunOn(*MakeHostCudaEngine(tuning), program, work);
    const auto exact = RunInDouble(program, work);
    for (size_t i = 0; i < exact.outputs.size(); ++i) {
      EXPECT_TRUE(CloseTo(actual.outputs[i], exact.outputs[i]));
    }
  });
}

// A layer of the network in use, of one image and of many.
TEST(HostEngine, SharesOutByTheBatchAndTheDevice) {
  Program program;
  const int filters = program.AddParameter("F", {32, 99, 3, 3});
  const ValueId x = program.AddInput({99, 16, 16});
  const ValueId code = program.Analysis(x, filters, SamePadded({3, 3}));
  program.MarkOutput(program.Synthesis(code, filters, SamePadded({3, 3}), 16, 16));
  HostDevice device;
  const auto described = [&](int capability, int64_t batch) {
    device.capability = capability;
    const auto executable = MakeHostCudaEngine({}, &device)->Prepare(program);
    executable->Reserve(batch, 1);
    return executable->Describe();
  };
  // 2048 threads of 891 products: eight ranges leave 111 to each.
  EXPECT_THAT(described(90, 1), HasSubstr("analysis: direct convolution, float32, its sums in 8 "
                                          "ranges (table 5)"));
  // 6400 of 288.
  EXPECT_THAT(described(90, 1), HasSubstr("synthesis: direct convolution, float32, its sums in 4"));
  EXPECT_THAT(described(86, 24), HasSubstr("analysis: direct convolution, float32, its sums in 2"));
  EXPECT_THAT(described(90, 512), Not(HasSubstr("ranges")));
}

TEST(HostEngine, HoldsWhateverTheRangesOfItsSums) {
  ForEachSeed(40, [&](Random* random) {
    const Program program = WideConvolutions(random);
    const Work work = RandomWork(random, program, random->Reals(program.parameter_size(), -1, 1),
                                 random->Int(1, 9));
    cuda::Tuning tuning;
    tuning.sum_range = random->Int(1, 2000);
    tuning.gradient_range = random->Int(1, 2000);
    tuning.gradient_blocks = random->Int(1, 500);
    EXPECT_TRUE(CloseTo(RunOn(*MakeHostCudaEngine(tuning), program, work).gradients,
                        RunInDouble(program, work).gradients));
  });
}

// At the sizes that are shipped: channels whose sums have several ranges and
// convolutions of four pixels a thread.
TEST(HostEngine, TrainsALayerAtItsShippedTuning) {
  Random random(1);
  Program forward;
  const int filters = forward.AddParameter("F", {16, 3, 3, 3});
  const int threshold = forward.AddParameter("b", {16});
  const ValueId x = forward.AddInput({3, 40, 40});
  const ValueId code =
      forward.Normalise(forward.Analysis(x, filters, SamePadded({3, 3}), {0.3}), 1e-5);
  forward.MarkOutput(forward.Pointwise({{code, {}}}, Shrink::kSoft, {threshold, 0, 16}));
  const Program program = WithWeightedLoss(forward);
  const Work work =
      RandomWork(&random, program, random.Reals(program.parameter_size(), 0.1, 0.9), 90);
  const Results actual = RunOn(*MakeHostCudaEngine({}), program, work);
  const auto expected = RunReference<float>(program, work.batch, work.inputs, work.parameters);
  EXPECT_TRUE(CloseTo(actual.outputs[0], expected.outputs[0]));
  EXPECT_TRUE(CloseTo(actual.statistics, expected.statistics));
  // A value in a million falls to the other side of its threshold.
  EXPECT_TRUE(CloseTo(actual.gradients, expected.gradients, 1e-4));
}

// y = c w + (z - b) sums what reaches it for c, weighted by w, and then plainly, for b, in
// one pass: from memory, as it comes from the loss or ends a convolution.
TEST(HostEngine, SumsAValueWithAWeightAndThenWithout) {
  for (bool convolved : {false, true}) {
    SCOPED_TRACE(convolved);
    Program forward;
    const int factor = forward.AddParameter("c", {1});
    const int bias = forward.AddParameter("b", {3});
    const int filters = forward.AddParameter("F", {3, 3, 3, 3});
    const ValueId w = forward.AddInput({3, 5, 4}), z = forward.AddInput({3, 5, 4});
    const ValueId x = forward.Pointwise({{z, {}}}, Shrink::kNone, {bias, 0, 3});
    const ValueId y = forward.Combine({{w, {1, factor, 0}}, {x, {}}});
    forward.MarkOutput(convolved ? forward.Analysis(y, filters, SamePadded({3, 3})) : y);
    const Program program = WithWeightedLoss(forward);
    Random random(1);
    const Work work =
        RandomWork(&random, program, random.Reals(program.parameter_size(), 0.5, 1), 3);
    EXPECT_TRUE(CloseTo(RunOn(*MakeHostCudaEngine(SmallTuning()), program, work).gradients,
                        RunInDouble(program, work).gradients));
  }
}

TEST(HostEngine, RunsOnDeviceMemoryAsOnTheHosts) {
  ForEachSeed(20, [&](Random* random) {
    const Program program = NetworkProgram(RandomNetwork(random));
    const auto executable = MakeHostCudaEngine(SmallTuning())->Prepare(program);
    auto* on_device = dynamic_cast<cuda::DeviceExecutable*>(executable.get());
    ASSERT_NE(on_device, nullptr);
    const Work work = RandomWork(random, program, random->Reals(program.parameter_size(), -1, 1),
                                 random->Int(1, 9));
    executable->SetParameters(work.parameters.data());
    const Results expected = RunPrepared(executable.get(), program, work);
    std::vector<float> output(expected.outputs[0].size(), -7);
    on_device->RunOnDevice(work.batch, {work.inputs[0].data()}, {output.data()}, nullptr);
    EXPECT_TRUE(SameBits(output, expected.outputs[0]));
    on_device->RunOnDevice(work.batch, {work.inputs[0].data()}, {nullptr}, nullptr);
  });
}

TEST(HostEngine, RefusesToTrainOnDeviceMemory) {
  Random random(1);
  const Program program = WithWeightedLoss(LongSum(1));
  const auto executable = MakeHostCudaEngine({})->Prepare(program);
  std::vector<const float*> inputs(program.inputs().size());
  std::vector<float*> outputs(program.outputs().size());
  EXPECT_THROW(
      dynamic_cast<cuda::DeviceExecutable&>(*executable).RunOnDevice(1, inputs, outputs, nullptr),
      Error);
}

TEST(HostEngine, RefusesABatchItCannotCount) {
  Program program;
  const ValueId x = program.AddInput({64, 512, 512});
  program.MarkOutput(program.Combine({{x, {2}}}));
  // Too large for any machine's memory, were it allocated before it is refused.
  try {
    MakeHostCudaEngine({})->Prepare(program)->Reserve(int64_t{1} << 40, 1);
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("use a smaller batch"));
  }
}

TEST(HostEngine, AllocatesNothingWhenBatchesComeAgain) {
  ForEachSeed(5, [&](Random* random) {
    const Program program = WithWeightedLoss(NetworkProgram(RandomNetwork(random)));
    HostDevice device;
    const auto executable = MakeHostCudaEngine(SmallTuning(), &device)->Prepare(program);
    const std::vector<float> parameters = random->Reals(program.parameter_size(), -1, 1);
    executable->SetParameters(parameters.data());
    std::vector<Work> works;
    for (int64_t batch : {7, 3, 5}) {
      works.push_back(RandomWork(random, program, parameters, batch));
    }
    std::vector<Results> first;
    for (const Work& work : works) first.push_back(RunPrepared(executable.get(), program, work));
    const int allocations = device.allocations, graphs = device.graphs;
    for (int round = 0; round < 3; ++round) {
      for (size_t k = 0; k < works.size(); ++k) {
        executable->SetParameters(parameters.data());
        ExpectSameBits(RunPrepared(executable.get(), program, works[k]), first[k]);
      }
    }
    EXPECT_EQ(device.allocations, allocations);
    EXPECT_EQ(device.graphs, graphs);
  });
}

// More batches than graphs are kept, growing and not.
TEST(HostEngine, KeepsItsResultsWhenGraphsGo) {
  Random random(1);
  const Program program = LongSum(3);
  const std::vector<float> parameters = random.Reals(program.parameter_size(), 0.5, 1);
  const auto executable = MakeHostCudaEngine(SmallTuning())->Prepare(program);
  executable->SetParameters(parameters.data());
  for (int round = 0; round < 2; ++round) {
    for (int64_t batch : {20, 3, 4, 5, 6, 7, 8, 9, 10, 11, 20, 25}) {
      const Work work = RandomWork(&random, program, parameters, batch);
      EXPECT_TRUE(CloseTo(RunPrepared(executable.get(), program, work).outputs[0],
                          RunInDouble(program, work).outputs[0]));
    }
  }
}

// With what reserving this batch is declined; empty where it succeeds.
std::string ErrorOfReserving(Executable* executable, int64_t batch) {
  try {
    executable->Reserve(batch, 1);
    return "";
  } catch (const EngineDeclined& error) {
    return error.what();
  }
}

TEST(HostEngine, NamesTheLargestBatchThatFitsItsMemory) {
  Program program;  // two values of 8 MiB an image
  program.MarkOutput(program.Combine({{program.AddInput({2, 1024, 1024}), {2}}}));
  HostDevice device;
  device.free_bytes = int64_t{100} << 20;
  const auto executable = MakeHostCudaEngine({}, &device)->Prepare(program);
  EXPECT_EQ(ErrorOfReserving(executable.get(), 2), "");
  const std::string error = ErrorOfReserving(executable.get(), 7);
  EXPECT_THAT(error, HasSubstr("a batch of 7 needs 117440512 bytes of GPU memory"));
  EXPECT_THAT(error, HasSubstr("104857600 are free: the largest batch that fits is 6"));
  EXPECT_EQ(ErrorOfReserving(executable.get(), 6), "");
  const Work work = {1, {std::vector<float>(2 << 20, 3.0f)}, {}, {}};
  EXPECT_EQ(RunPrepared(executable.get(), program, work).outputs[0],
            std::vector<float>(2 << 20, 6.0f));
}

TEST(HostEngine, SaysWhenNotEvenOneImageFits) {
  Program program;
  program.MarkOutput(program.Combine({{program.AddInput({2, 1024, 1024}), {2}}}));
  HostDevice device;
  device.free_bytes = int64_t{1} << 20;
  const auto executable = MakeHostCudaEngine({}, &device)->Prepare(program);
  EXPECT_THAT(ErrorOfReserving(executable.get(), 3), HasSubstr("not even one image fits"));
}

TEST(HostEngine, SaysWhenTheParametersDoNotFit) {
  Program program;
  const int filters = program.AddParameter("F", {64, 64, 3, 3});
  program.MarkOutput(program.Analysis(program.AddInput({64, 8, 8}), filters, SamePadded({3, 3})));
  HostDevice device;
  device.free_bytes = 1000;
  try {
    MakeHostCudaEngine({}, &device)->Prepare(program);
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("the parameters need 147456 bytes of GPU memory: 1000"));
  }
}

TEST(HostEngine, CopiesEachArrayOnceEachWay) {
  Random random(1);
  const std::vector<LayerCase> layers = RandomNetwork(&random);
  const Program network = NetworkProgram(layers);
  const Program training = WithSoftmaxLoss(network);
  const auto copies = [&](const Program& program, int64_t batch) {
    HostDevice device;
    const auto engine = MakeHostCudaEngine(SmallTuning(), &device);
    const auto executable = engine->Prepare(program);
    const int64_t classes = network.shape(network.outputs()[0]).channels;
    const Work work = RandomWork(&random, program, Flatten(layers), batch, classes);
    executable->SetParameters(work.parameters.data());
    RunPrepared(executable.get(), program, work);
    const int allocations = device.allocations, uploads = device.uploads,
              downloads = device.downloads;
    RunPrepared(executable.get(), program, work);
    EXPECT_EQ(device.allocations, allocations);
    EXPECT_EQ(device.uploads, 2 * uploads);
    EXPECT_EQ(device.downloads, 2 * downloads);
    return std::pair(uploads, downloads);
  };
  for (int64_t batch : {1, 7}) {
    EXPECT_EQ(copies(network, batch), std::pair(1, 1));
    // Labels beside the images; gradients, and losses with hits, beside the output.
    EXPECT_EQ(copies(training, batch),
              std::pair(2, 2 + static_cast<int>(training.outputs().size()) +
                               (training.statistics().empty() ? 0 : 1)));
  }
}

TEST(HostEngine, DescribesEveryStepAndCountsItsMemory) {
  const Program program = LongSum(3);
  const auto executable = MakeHostCudaEngine({})->Prepare(program);
  EXPECT_THAT(executable->Describe(), HasSubstr("pointwise at the end of analysis"));
  executable->Reserve(2, 1);
  const int64_t two = executable->WorkspaceBytes();
  executable->Reserve(4, 1);
  EXPECT_GT(executable->WorkspaceBytes(), two);
  executable->Reserve(2, 1);
  EXPECT_GT(executable->WorkspaceBytes(), two);  // it only grows
}

}  // namespace
}  // namespace csc::test
