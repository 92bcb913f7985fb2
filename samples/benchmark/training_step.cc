#include "samples/benchmark/training_step.h"

#include "solvers/error.h"

namespace csc {

TrainingSteps::TrainingSteps(const Workload& workload, Executable* executable, Executor* executor,
                             int64_t batch)
    : workload_(workload), batch_(batch) {
  SessionOptions options;
  options.sgd.momentum = kMomentum;
  for (const ModelParameter& p : workload.model.parameters) {
    options.groups.push_back({p.size(), p.trainable, p.role == Role::kFilters, p.nonnegative});
  }
  options.batch = batch;
  options.executor = executor;
  session_ = BeginSession(executable, workload.training, options);
  const std::vector<float> velocity(workload.parameters.size());
  session_->SetState(workload.parameters.data(), velocity.data());
}

void TrainingSteps::Step() {
  StepArguments arguments;
  arguments.batch = batch_;
  arguments.images = workload_.images.data();
  arguments.labels = workload_.labels.data();
  arguments.rate = kLearningRate;
  session_->Queue(arguments);
  if (under_way_) {
    Require(session_->Finish().finite, "the parameters became infinite while {} was timed",
            NetworkName(workload_.what.model));
  }
  under_way_ = true;
}

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
  executable->Run(run);
  return result;
}

}  // namespace csc
