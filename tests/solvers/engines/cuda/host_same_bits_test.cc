// Same inputs, same bits: whatever the number of threads, however often, and
// whatever ran on the same executable before.

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "solvers/engines/registry.h"
#include "tests/solvers/compare.h"
#include "tests/solvers/gradients.h"
#include "tests/solvers/random.h"
#include "tests/solvers/random_layer.h"
#include "tests/solvers/run.h"

namespace csc::test {
namespace {

struct TestCase {
  Program program;
  Work work;
};

// A network, every other one with a loss and its gradients, of those every
// other with batch statistics.
TestCase RandomCase(Random* random, int64_t batch) {
  LayerStyle style;
  const bool training = random->Chance(0.5);
  style.normalise = training && random->Chance(0.5);
  BuildOptions options;
  options.normalise = style.normalise;
  const std::vector<LayerCase> layers = RandomNetwork(random, style);
  const Program forward = NetworkProgram(layers, options);
  const int64_t classes = forward.shape(forward.outputs()[0]).channels;
  Program program = training ? WithSoftmaxLoss(forward) : forward;
  Work work = RandomWork(random, program, Flatten(layers), batch, training ? classes : 0);
  return {std::move(program), std::move(work)};
}

class SameBitsOn : public ::testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<Executable> Prepare(const TestCase& c) {
    auto executable = FindEngine(GetParam()).Prepare(c.program);
    executable->SetParameters(c.work.parameters.data());
    return executable;
  }
};

TEST_P(SameBitsOn, AnyNumberOfThreads) {
  std::vector<std::unique_ptr<Executor>> pools;
  for (int threads : {1, 2, 3}) pools.push_back(MakeThreadPool(threads));
  ForEachSeed(30, [&](Random* random) {
    // Sizes that leave tails of tiles and of chunks.
    const int64_t batch = random->Chance(0.15) ? random->Pick({31, 33, 47}) : random->Int(1, 19);
    const TestCase c = RandomCase(random, batch);
    const Results serial = RunPrepared(Prepare(c).get(), c.program, c.work);
    const auto executable = Prepare(c);
    for (const auto& pool : pools) {
      SCOPED_TRACE(std::to_string(pool->num_workers()) + " threads, batch " +
                   std::to_string(batch));
      // Workspaces grown for one number of workers serve another.
      ExpectSameBits(RunPrepared(executable.get(), c.program, c.work, pool.get()), serial);
      ExpectSameBits(RunPrepared(executable.get(), c.program, c.work), serial);
    }
  });
}

TEST_P(SameBitsOn, RepeatedRuns) {
  const auto pool = MakeThreadPool(2);
  ForEachSeed(30, [&](Random* random) {
    const TestCase c = RandomCase(random, random->Int(1, 9));
    const auto executable = Prepare(c);
    const Results first = RunPrepared(executable.get(), c.program, c.work, pool.get());
    for (int run = 0; run < 3; ++run) {
      ExpectSameBits(RunPrepared(executable.get(), c.program, c.work, pool.get()), first);
    }
  });
}

TEST_P(SameBitsOn, OtherBatchesAndReservationsBetweenRuns) {
  const auto pool = MakeThreadPool(3);
  ForEachSeed(30, [&](Random* random) {
    const TestCase c = RandomCase(random, random->Int(1, 9));
    const Results expected = RunPrepared(Prepare(c).get(), c.program, c.work);
    const auto executable = Prepare(c);
    for (int run = 0; run < 4; ++run) {
      const int64_t batch = random->Int(1, 20);
      if (random->Chance(0.5))
        executable->Reserve(random->Int(1, 20), static_cast<int>(random->Int(1, 4)));
      const int64_t classes =
          c.work.labels.empty() ? 0 : c.program.shape(c.program.outputs()[0]).channels;
      const Work other = RandomWork(random, c.program, c.work.parameters, batch, classes);
      RunPrepared(executable.get(), c.program, other, pool.get());
      ExpectSameBits(RunPrepared(executable.get(), c.program, c.work), expected);
    }
  });
}

TEST_P(SameBitsOn, TwoExecutablesInTwoThreadsAtOnce) {
  ForEachSeed(12, [&](Random* random) {
    const TestCase a = RandomCase(random, random->Int(1, 9));
    const TestCase b = RandomCase(random, random->Int(1, 9));
    const Results expected_a = RunPrepared(Prepare(a).get(), a.program, a.work);
    const Results expected_b = RunPrepared(Prepare(b).get(), b.program, b.work);
    std::vector<Results> of_a(10), of_b(10);
    // Preparation runs side by side too.
    const auto run = [&](const TestCase& c, std::vector<Results>* results) {
      const auto executable = Prepare(c);
      for (Results& r : *results) r = RunPrepared(executable.get(), c.program, c.work);
    };
    std::thread first([&] { run(a, &of_a); });
    std::thread second([&] { run(b, &of_b); });
    first.join();
    second.join();
    for (const Results& r : of_a) ExpectSameBits(r, expected_a);
    for (const Results& r : of_b) ExpectSameBits(r, expected_b);
  });
}

TEST_P(SameBitsOn, OneImageWhateverItsPlaceInTheBatch) {
  // Inference only: batch statistics and losses mix images by design.
  ForEachSeed(30, [&](Random* random) {
    const std::vector<LayerCase> layers = RandomNetwork(random);
    const Program program = NetworkProgram(layers);
    const int64_t batch = random->Int(2, 19);
    Work work = RandomWork(random, program, Flatten(layers), batch);
    const int64_t size = program.shape(program.inputs()[0]).size();
    for (int64_t n = 1; n < batch; ++n) {
      std::copy_n(work.inputs[0].begin(), size, work.inputs[0].begin() + n * size);
    }
    const Results results = RunOn(FindEngine(GetParam()), program, work);
    const int64_t classes = program.shape(program.outputs()[0]).size();
    const auto& y = results.outputs[0];
    for (int64_t n = 1; n < batch; ++n) {
      const std::vector<float> this_one(y.begin() + n * classes, y.begin() + (n + 1) * classes);
      EXPECT_TRUE(CloseTo(this_one, std::vector<float>(y.begin(), y.begin() + classes)))
          << "image " << n << " of " << batch;
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Engines, SameBitsOn, ::testing::ValuesIn(PresentEngines()),
                         EngineTestName);

}  // namespace
}  // namespace csc::test
