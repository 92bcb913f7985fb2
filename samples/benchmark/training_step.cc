#include "samples/benchmark/training_step.h"

#include "solvers/error.h"

namespace csc {

TrainingStep::TrainingStep(const Workload& workload, Executable* executable, Executor* executor)
    : workload_(workload),
      executable_(executable),
      executor_(executor),
      parameters_(workload.parameters),
      velocity_(parameters_.size()),
      gradients_(parameters_.size()),
      statistics_(workload.training.statistics_size()) {
  for (const ModelParameter& p : workload.model.parameters) {
    groups_.push_back({p.size(), p.trainable, p.role == Role::kFilters, p.nonnegative});
  }
}

void TrainingStep::Differentiate(int64_t batch) {
  int64_t correct = 0;
  RunArguments run;
  run.batch = batch;
  run.inputs = {workload_.images.data()};
  run.outputs = {nullptr};
  run.labels = workload_.labels.data();
  run.gradients = gradients_.data();
  run.statistics = statistics_.data();
  run.loss = &loss_;
  run.correct = &correct;
  run.executor = executor_;
  executable_->SetParameters(parameters_.data());
  executable_->Run(run);
}

void TrainingStep::Step(int64_t batch) {
  Differentiate(batch);
  SgdOptions options;
  options.momentum = kMomentum;
  const bool finite =
      SgdStep(options, kLearningRate, groups_, gradients_.data(), &parameters_, &velocity_);
  Require(finite, "the parameters became infinite while {} was timed",
          NetworkName(workload_.what.model));
}

}  // namespace csc
