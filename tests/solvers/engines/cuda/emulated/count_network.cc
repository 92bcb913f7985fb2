#include "tests/solvers/engines/cuda/emulated/count_network.h"

#include <utility>

#include "solvers/engines/registry.h"
#include "solvers/network/network.h"
#include "training/models/model.h"
#include "training/models/training_program.h"
#include "training/session.h"

namespace csc::test {

namespace {

constexpr int64_t kClasses = 10;
constexpr Shape kInput = {3, 32, 32};

// Of what is done once: filters are packed when parameters are set.
void ForgetLaunches() {
  TheDevice().queues.FinishAll();
  TheDevice().counted.clear();
}

Model ModelOf(const CountedNetwork& network) {
  ModelOptions options;
  options.model = network.model;
  options.depth = network.depth;
  if (network.model == "msd_csc") {
    options.width = 32;
    options.unfolding = 2;
  }
  return MakeModel(ResolveOptions(options), kInput, kClasses);
}

void RunInference(const Engine& engine, const Model& model, Arithmetic arithmetic, int64_t batch) {
  const TrainingProgram training = BuildTrainingProgram(model);
  const Network network = Freeze(model, training, InitialParameters(model, 1),
                                 std::vector<float>(training.moments_size(), 1.0f));
  const Program program = BuildProgram(network, kInput);
  PrepareOptions options;
  options.arithmetic = arithmetic;
  const auto executable = engine.Prepare(program, options);
  executable->SetParameters(FlattenParameters(network).data());
  ForgetLaunches();
  const std::vector<float> images(batch * kInput.size());
  std::vector<float> scores(batch * kClasses);
  RunArguments run;
  run.batch = batch;
  run.inputs = {images.data()};
  run.outputs = {scores.data()};
  executable->Run(run);
}

void RunTraining(const Engine& engine, const Model& model, Arithmetic arithmetic, int64_t batch) {
  const TrainingProgram training = BuildTrainingProgram(model);
  PrepareOptions options;
  options.arithmetic = arithmetic;
  const auto executable = engine.Prepare(training.program, options);
  SessionOptions session_options;
  session_options.sgd.momentum = 0.9;
  for (const ModelParameter& p : model.parameters) {
    session_options.groups.push_back(
        {p.size(), p.trainable, p.role == Role::kFilters, p.nonnegative});
  }
  session_options.batch = batch;
  const std::vector<float> parameters = InitialParameters(model, 1);
  executable->SetParameters(parameters.data());
  const auto session = BeginSession(executable.get(), training, session_options);
  session->SetState(parameters.data(), std::vector<float>(parameters.size()).data());
  ForgetLaunches();
  const std::vector<uint8_t> pixels(kInput.size());
  const std::vector<ByteImage> images(batch, ByteImage{pixels.data(), {}});
  const std::vector<int32_t> labels(batch);
  StepArguments step;
  step.batch = batch;
  step.images = images.data();
  step.labels = labels.data();
  step.rate = 0.1;
  session->Queue(step);
  session->Finish();
}

}  // namespace

std::vector<Counted> CountNetwork(const CountedNetwork& network) {
  Device& device = TheDevice();
  device.counted_stretch = network.stretch;
  const Engine& engine = FindEngine("cuda");
  device.counted.clear();
  (network.trains ? RunTraining : RunInference)(engine, ModelOf(network), network.arithmetic,
                                                network.batch);
  return std::exchange(device.counted, {});
}

}  // namespace csc::test
