#include "training/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "solvers/error.h"

namespace csc {

namespace {

std::vector<SgdGroup> GroupsOf(const Model& model) {
  std::vector<SgdGroup> groups;
  for (const ModelParameter& p : model.parameters) {
    groups.push_back({p.size(), p.trainable, p.role == Role::kFilters, p.nonnegative});
  }
  return groups;
}

}  // namespace

Trainer::Trainer(const TrainingOptions& options, const DataSet& data, const Engine& engine,
                 Executor* executor)
    : options_(options),
      data_(data),
      fingerprint_(fmt::format("{:016x}", Fingerprint(data))),
      engine_(engine),
      executor_(executor),
      model_(MakeModel(options.model, data.train.shape, static_cast<int64_t>(data.classes.size()))),
      training_(BuildTrainingProgram(model_)),
      sgd_{*options.learning_rate, *options.milestones, options.momentum, options.nesterov,
           *options.weight_decay},
      groups_(GroupsOf(model_)),
      loader_(data, {options.batch_size, options.augment, options.seed}),
      parameters_(InitialParameters(model_, options.seed)),
      velocity_(parameters_.size()),
      running_(InitialRunningStatistics(training_)),
      gradients_(parameters_.size()),
      statistics_(training_.statistics_size()) {
  Require(data.train.size() > 0, "data set {} has no training images", data.name);
  Require(data.test.size() > 0, "data set {} has no test images", data.name);
  executable_ = engine.Prepare(training_.program);
  const int workers = executor == nullptr ? 1 : executor->num_workers();
  executable_->Reserve(std::min(options.batch_size, data.train.size()), workers);
  evaluator_ = std::make_unique<Evaluator>(
      engine, executor, Frozen(), data.test.shape,
      std::min<int64_t>(std::max<int64_t>(options.batch_size, 64), data.test.size()));
}

double Trainer::Step() {
  const Batch batch = loader_.Get(epoch_, step_);
  double loss = 0;
  int64_t correct = 0;
  RunArguments arguments;
  arguments.batch = batch.size();
  arguments.inputs = {batch.images.data()};
  arguments.outputs = {nullptr};
  arguments.labels = batch.labels.data();
  arguments.gradients = gradients_.data();
  arguments.statistics = statistics_.data();
  arguments.loss = &loss;
  arguments.correct = &correct;
  arguments.executor = executor_;
  executable_->SetParameters(parameters_.data());
  executable_->Run(arguments);

  const char* hint =
      "a smaller --learning-rate, --step or --filter-scale, or "
      "--normalisation batch may help";
  Require(std::isfinite(loss), "the loss became {} in epoch {}, step {}: {}", loss, epoch_ + 1,
          step_ + 1, hint);
  const bool finite = SgdStep(sgd_, LearningRate(sgd_, epoch_), groups_, gradients_.data(),
                              &parameters_, &velocity_);
  Require(finite, "the parameters became infinite in epoch {}, step {}: {}", epoch_ + 1, step_ + 1,
          hint);
  UpdateRunningStatistics(training_, batch.size(), statistics_.data(), &running_);
  loss_sum_ += loss * static_cast<double>(batch.size());
  correct_ += correct;
  seen_ += batch.size();
  ++step_;
  return loss;
}

bool Trainer::EndEpoch(const std::function<bool()>& stop) {
  const Evaluation test = evaluator_->Evaluate(Frozen(), data_, data_.test, stop);
  if (!test.complete) return false;
  history_.push_back({epoch_ + 1, LearningRate(sgd_, epoch_), epoch_loss(), epoch_accuracy(),
                      test.loss, test.accuracy});
  ++epoch_;
  step_ = 0;
  loss_sum_ = 0;
  correct_ = 0;
  seen_ = 0;
  return true;
}

Network Trainer::Frozen() const { return Freeze(model_, training_, parameters_, running_); }

double Trainer::epoch_loss() const {
  return seen_ > 0 ? loss_sum_ / static_cast<double>(seen_) : 0;
}

double Trainer::epoch_accuracy() const {
  return seen_ > 0 ? static_cast<double>(correct_) / static_cast<double>(seen_) : 0;
}

std::string MetricsCsv(const std::vector<EpochResult>& history) {
  std::string csv =
      "epoch,learning_rate,train_loss,train_accuracy,test_loss,"
      "test_accuracy\n";
  for (const EpochResult& r : history) {
    csv += fmt::format("{},{},{:.6f},{:.6f},{:.6f},{:.6f}\n", r.epoch, r.learning_rate,
                       r.train_loss, r.train_accuracy, r.test_loss, r.test_accuracy);
  }
  return csv;
}

}  // namespace csc
