// Steps of training on the device, against those that the host takes with the same
// gradients: to the bit, whatever the options, and whenever the device does its work.

#include "solvers/engines/training_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "solvers/error.h"
#include "tests/solvers/compare.h"
#include "tests/solvers/engines/cuda/host_backend.h"
#include "tests/solvers/gradients.h"
#include "tests/solvers/random.h"
#include "tests/solvers/random_images.h"
#include "tests/solvers/random_layer.h"
#include "training/session.h"

namespace csc::test {
namespace {

using ::testing::HasSubstr;
using Floats = std::vector<float>;

constexpr int64_t kLargestBatch = 7;

struct Batch {
  ByteBatch images;
  std::vector<int32_t> labels;
  double rate = 0;
};

// A training on random batches, on the host or on the device.
struct Case {
  Program program;
  SessionOptions options;
  Floats parameters;
  std::vector<Batch> batches;

  int64_t size() const { return program.parameter_size(); }
};

Case RandomCase(Random* random, const Program& forward, int steps) {
  Case c;
  c.program = WithSoftmaxLoss(forward);
  c.options.batch = kLargestBatch;
  c.options.sgd.momentum = random->Pick({0.0, 0.9});
  c.options.sgd.nesterov = random->Chance(0.5);
  c.options.sgd.weight_decay = random->Pick({0.0, 0.01});
  c.options.sgd.gradient_clip = random->Pick({0.0, 0.05, 1e6});
  for (const ParameterInfo& p : c.program.parameters()) {
    c.options.groups.push_back(
        {p.size(), random->Chance(0.8), random->Chance(0.5), random->Chance(0.3)});
  }
  c.parameters = random->Reals(c.size(), -0.5, 0.5);
  const Shape& image = c.program.shape(c.program.inputs()[0]);
  const int64_t classes = forward.shape(forward.outputs()[0]).channels;
  for (int k = 0; k < steps; ++k) {
    Batch b;
    const int64_t images = k % 3 == 0 ? kLargestBatch : random->Int(1, kLargestBatch);
    b.images = RandomImages(random, image, images);
    for (int64_t n = 0; n < images; ++n) {
      b.labels.push_back(static_cast<int32_t>(random->Int(0, classes - 1)));
    }
    b.rate = 0.1 / (1 + k);
    c.batches.push_back(std::move(b));
  }
  return c;
}

// A dense network of more parameters than one range of the squared norm.
Program LargeNetwork() {
  Program program;
  const ValueId x = program.AddInput({3, 4, 4});
  const int filters = program.AddParameter("F", {200, 3, 4, 4});
  const int threshold = program.AddParameter("b", {200});
  const int last = program.AddParameter("W", {3, 200, 1, 1});
  const ValueId code = program.Pointwise({{program.Analysis(x, filters, {{4, 4}}), {}}},
                                         Shrink::kSoft, {threshold, 0, 200, 0.1});
  program.MarkOutput(program.Analysis(code, last, {{1, 1}}));
  return program;
}

struct Trained {
  std::vector<StepResult> results;
  Floats parameters, velocity;
};

void ExpectSame(const Trained& actual, const Trained& expected) {
  ASSERT_EQ(actual.results.size(), expected.results.size());
  for (size_t k = 0; k < expected.results.size(); ++k) {
    EXPECT_EQ(actual.results[k].loss, expected.results[k].loss) << "step " << k;
    EXPECT_EQ(actual.results[k].correct, expected.results[k].correct) << "step " << k;
    EXPECT_EQ(actual.results[k].finite, expected.results[k].finite) << "step " << k;
  }
  EXPECT_TRUE(SameBits(actual.parameters, expected.parameters));
  EXPECT_TRUE(SameBits(actual.velocity, expected.velocity));
}

void Queue(const Case& c, size_t step, TrainingSession* session) {
  Batch given = c.batches[step];
  std::vector<uint8_t>& pixels = given.images.pixels;
  std::vector<ByteImage>& images = given.images.images;
  for (size_t n = 0; n < images.size(); ++n) {
    images[n].pixels = pixels.data() + n * (pixels.size() / images.size());
  }
  session->Queue({static_cast<int64_t>(images.size()), images.data(), given.images.white,
                  given.labels.data(), given.rate});
  // What was given is the caller's again.
  std::fill(pixels.begin(), pixels.end(), 99);
  std::fill(images.begin(), images.end(), ByteImage());
  std::fill(given.labels.begin(), given.labels.end(), 1 << 30);
}

// Steps [begin, end), with up to so many on their way.
void Train(const Case& c, TrainingSession* session, size_t begin, size_t end, int most,
           Trained* trained) {
  int on_their_way = 0;
  const auto finish = [&] {
    trained->results.push_back(session->Finish());
    --on_their_way;
  };
  for (size_t k = begin; k < end; ++k) {
    if (on_their_way == most) finish();
    Queue(c, k, session);
    ++on_their_way;
  }
  while (on_their_way > 0) finish();
  trained->parameters.resize(c.size());
  trained->velocity.resize(c.size());
  session->GetState(trained->parameters.data(), trained->velocity.data());
}

Trained TrainOnHost(const Case& c) {
  const auto executable = MakeHostCudaEngine(SmallTuning())->Prepare(c.program);
  TrainingProgram training;
  training.program = c.program;
  const auto session = BeginOnHost(executable.get(), training, c.options);
  session->SetState(c.parameters.data(), Floats(c.size()).data());
  Trained trained;
  Train(c, session.get(), 0, c.batches.size(), 1, &trained);
  return trained;
}

// A session and what it works on.
struct OnDevice {
  explicit OnDevice(const Case& c)
      : executable(MakeHostCudaEngine(SmallTuning(), &device)->Prepare(c.program)),
        session(dynamic_cast<TrainingExecutable&>(*executable)
                    .BeginTraining(c.options.sgd, c.options.groups, c.options.batch)) {}

  HostDevice device;
  std::unique_ptr<Executable> executable;
  std::unique_ptr<TrainingSession> session;
};

Trained TrainOnDevice(const Case& c, int most) {
  OnDevice on(c);
  on.session->SetState(c.parameters.data(), Floats(c.size()).data());
  Trained trained;
  Train(c, on.session.get(), 0, c.batches.size(), most, &trained);
  return trained;
}

TEST(TrainingSession, TakesTheHostsStepsToTheBit) {
  ForEachSeed(15, [](Random* random) {
    const Case c = RandomCase(random, NetworkProgram(RandomNetwork(random)), 7);
    const Trained expected = TrainOnHost(c);
    EXPECT_FALSE(SameBits(expected.parameters, c.parameters));
    for (int most : {1, TrainingSession::kMostQueued}) ExpectSame(TrainOnDevice(c, most), expected);
  });
}

TEST(TrainingSession, ClipsByTheNormOfManyGradientsAsTheHost) {
  ForEachSeed(5, [](Random* random) {
    Case c = RandomCase(random, LargeNetwork(), 3);
    ASSERT_GT(c.size(), 9000);
    c.options.sgd.gradient_clip = 0.05;
    c.options.groups[0].trainable = true;
    const Trained expected = TrainOnHost(c);
    ExpectSame(TrainOnDevice(c, 2), expected);
    c.options.sgd.gradient_clip = 0;
    EXPECT_FALSE(SameBits(TrainOnHost(c).parameters, expected.parameters));
  });
}

TEST(TrainingSession, ContinuesFromAStateThatWasReadBack) {
  ForEachSeed(5, [](Random* random) {
    const Case c = RandomCase(random, NetworkProgram(RandomNetwork(random)), 6);
    const Trained expected = TrainOnDevice(c, 2);
    for (size_t end = 0; end <= c.batches.size(); ++end) {
      Trained first, whole;
      {
        OnDevice on(c);
        on.session->SetState(c.parameters.data(), Floats(c.size()).data());
        Train(c, on.session.get(), 0, end, 2, &first);
      }
      OnDevice on(c);
      whole.results = first.results;
      on.session->SetState(first.parameters.data(), first.velocity.data());
      Train(c, on.session.get(), end, c.batches.size(), 2, &whole);
      ExpectSame(whole, expected);
    }
  });
}

TEST(TrainingSession, ReadingTheStateWaitsForTheStepsOnTheirWay) {
  Random random(1);
  const Case c = RandomCase(&random, NetworkProgram(RandomNetwork(&random)), 2);
  const Trained expected = TrainOnHost(c);
  OnDevice on(c);
  on.session->SetState(c.parameters.data(), Floats(c.size()).data());
  for (size_t k : {0, 1}) Queue(c, k, on.session.get());
  Floats parameters(c.size()), velocity(c.size());
  on.session->GetState(parameters.data(), velocity.data());
  EXPECT_TRUE(SameBits(parameters, expected.parameters));
  EXPECT_TRUE(SameBits(velocity, expected.velocity));
}

// One graph and one copy each way a step, and nothing allocated after the first
// of a batch size.
TEST(TrainingSession, IsOneGraphAStepAndAllocatesNothing) {
  Random random(1);
  const Case c = RandomCase(&random, NetworkProgram(RandomNetwork(&random)), 7);
  OnDevice on(c);
  on.session->SetState(c.parameters.data(), Floats(c.size()).data());
  Trained trained;
  Train(c, on.session.get(), 0, c.batches.size(), 2, &trained);
  const int allocations = on.device.allocations, graphs = on.device.graphs;
  const int runs = on.device.runs, uploads = on.device.uploads, downloads = on.device.downloads;
  Train(c, on.session.get(), 0, c.batches.size(), 2, &trained);
  const int steps = static_cast<int>(c.batches.size());
  EXPECT_EQ(on.device.allocations, allocations);
  EXPECT_EQ(on.device.graphs, graphs);
  EXPECT_EQ(on.device.runs - runs, steps);
  EXPECT_EQ(on.device.uploads - uploads, steps);
  EXPECT_EQ(on.device.downloads - downloads, steps + 2);  // and the state once
}

TEST(TrainingSession, TellsOfTheStepThatLeftAParameterInfinite) {
  Random random(1);
  Case c = RandomCase(&random, LargeNetwork(), 2);
  c.options.groups[0].trainable = true;
  c.batches[1].rate = std::numeric_limits<double>::infinity();
  const Trained trained = TrainOnDevice(c, 2);
  EXPECT_TRUE(trained.results[0].finite);
  EXPECT_FALSE(trained.results[1].finite);
  ExpectSame(trained, TrainOnHost(c));
}

// The message of the Error that `act` throws.
template <typename Act>
std::string ErrorOf(const Act& act) {
  try {
    act();
    return "nothing was thrown";
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(TrainingSession, RefusesWhatItCannotDo) {
  Random random(1);
  const std::vector<LayerCase> layers = RandomNetwork(&random);
  const Case c = RandomCase(&random, NetworkProgram(layers), 3);
  const auto plain = MakeHostCudaEngine({})->Prepare(NetworkProgram(layers));
  auto& trains = dynamic_cast<TrainingExecutable&>(*plain);
  EXPECT_THAT(ErrorOf([&] { trains.BeginTraining({}, c.options.groups, 1); }),
              HasSubstr("without a loss and without gradients"));

  OnDevice on(c);
  EXPECT_THAT(ErrorOf([&] { on.session->Finish(); }), HasSubstr("no step is on its way"));
  const Batch& first = c.batches[0];
  StepArguments step = {kLargestBatch, first.images.images.data(), 255, first.labels.data(), 0.1};
  step.batch = kLargestBatch + 1;
  EXPECT_THAT(ErrorOf([&] { on.session->Queue(step); }), HasSubstr("7 at most expected"));
  step.batch = kLargestBatch;
  step.share = 0.5;
  EXPECT_THAT(ErrorOf([&] { on.session->Queue(step); }), HasSubstr("a share of 0.5"));
  step.share = 1;
  step.images = nullptr;
  EXPECT_THAT(ErrorOf([&] { on.session->Queue(step); }), HasSubstr("without images"));
  step.images = first.images.images.data();
  std::vector<int32_t> labels(kLargestBatch, 1000);
  step.labels = labels.data();
  EXPECT_THAT(ErrorOf([&] { on.session->Queue(step); }), HasSubstr("label 1000"));
  for (size_t k : {0, 1}) Queue(c, k, on.session.get());
  EXPECT_THAT(ErrorOf([&] { Queue(c, 2, on.session.get()); }), HasSubstr("no more can be queued"));

  auto groups = c.options.groups;
  groups.pop_back();
  auto& again = dynamic_cast<TrainingExecutable&>(*on.executable);
  EXPECT_THAT(ErrorOf([&] { again.BeginTraining({}, groups, 1); }), HasSubstr("groups of"));
}

}  // namespace
}  // namespace csc::test
