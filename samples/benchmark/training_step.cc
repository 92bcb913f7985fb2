#include "samples/benchmark/training_step.h"

#include "solvers/error.h"
#include "training/session.h"

namespace csc {

namespace {

SessionOptions OptionsOf(const Workload& workload, Executor* executor, int64_t batch) {
  SessionOptions options;
  options.sgd.momentum = kMomentum;
  for (const ModelParameter& p : workload.model.parameters) {
    options.groups.push_back({p.size(), p.trainable, p.role == Role::kFilters, p.nonnegative});
  }
  options.batch = batch;
  options.executor = executor;
  return options;
}

}  // namespace

LossAndGradients Differentiate(const Workload& workload, Executable* executable, Executor* executor,
                               int64_t batch) {
  LossAndGradients result;
  result.gradients.resize(workload.parameters.size());
  std::vector<float> statistics(workload.training.statistics_size());
  int64_t correct = 0;
  RunArguments run;
  run.batch = batch;
  run.inputs = {workload.images.data()};
  run.outputs = {nullptr};
  run.labels = workload.labels.data();
  run.gradients = result.gradients.data();
  run.statistics = statistics.data();
  run.loss = &result.loss;
  run.correct = &correct;
  run.executor = executor;
  executable->SetParameters(workload.parameters.data());
  executable->Run(run);
  return result;
}

TrainingStep::TrainingStep(const Workload& workload, Executable* executable, Executor* executor,
                           int64_t batch)
    : workload_(workload),
      batch_(batch),
      session_(BeginSession(executable, workload.training, OptionsOf(workload, executor, batch))) {
  const int64_t size = workload.pixels.size() / workload.labels.size();
  for (int64_t n = 0; n < batch; ++n) images_.push_back({workload.pixels.data() + n * size, {}});
  session_->SetState(workload.parameters.data(),
                     std::vector<float>(workload.parameters.size()).data());
  Queue();
}

void TrainingStep::Step() {
  Queue();
  Require(session_->Finish().finite, "the parameters became infinite while {} was timed",
          NetworkName(workload_.what.model));
}

void TrainingStep::Queue() {
  session_->Queue({batch_, images_.data(), kWhite, workload_.labels.data(), kLearningRate});
}

}  // namespace csc
