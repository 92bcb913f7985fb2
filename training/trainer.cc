#include "training/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "solvers/error.h"

namespace csc {

namespace {

std::vector<SgdGroup> GroupsOf(const Model& model, bool decay_all) {
  std::vector<SgdGroup> groups;
  for (const ModelParameter& p : model.parameters) {
    groups.push_back({p.size(), p.trainable, decay_all || p.role == Role::kFilters, p.nonnegative});
  }
  return groups;
}

// Adds the seconds of its life to a sum.
class Stopwatch {
 public:
  explicit Stopwatch(double* sum) : sum_(sum), start_(Clock::now()) {}
  ~Stopwatch() { *sum_ += std::chrono::duration<double>(Clock::now() - start_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  double* const sum_;
  const Clock::time_point start_;
};

// Enough for a stable mean and variance of a channel, at about 2 % of the time
// of an epoch of 50,000.
constexpr int64_t kMeasuredImages = 2560;

constexpr char kHint[] =
    "a smaller --learning-rate, --step or --filter-scale, --gradient-clip or --normalisation batch "
    "may help";

}  // namespace

void PrepareData(const TrainingOptions& options, DataSet* data) {
  Limit(&data->train, options.limit_train);
  Limit(&data->test, options.limit_test);
  if (options.validation > 0) HoldOut(data, options.validation);
}

Trainer::Trainer(const TrainingOptions& options, const DataSet& data, const Engine& engine,
                 Executor* executor, Communicator* communicator)
    : options_(options),
      data_(data),
      fingerprint_(fmt::format("{:016x}", Fingerprint(data))),
      engine_(engine),
      executor_(executor),
      communicator_(communicator),
      model_(MakeModel(options.model, data.train.shape, static_cast<int64_t>(data.classes.size()))),
      training_(BuildTrainingProgram(model_, options.label_smoothing)),
      schedule_(ScheduleOf(options)),
      loader_(data, {options.batch_size, options.augment, options.seed, RankOf(communicator),
                     SizeOf(communicator)}),
      parameters_(InitialParameters(model_, options.seed)),
      velocity_(parameters_.size()),
      moments_(InitialMoments(training_)) {
  Require(data.train.size() > 0, "data set {} has no training images", data.name);
  Require(data.test.size() > 0, "data set {} has no test images", data.name);
  Require(SizeOf(communicator) <= options.batch_size,
          "a batch of {} images for {} processes: at least one for each expected",
          options.batch_size, SizeOf(communicator));
  executable_ = engine.Prepare(training_.program);
  const int64_t all_images = std::min(options.batch_size, data.train.size());
  const int64_t batch = (all_images - 1) / SizeOf(communicator) + 1;
  session_ = BeginSession(
      executable_.get(), training_,
      {SgdOf(options), GroupsOf(model_, options.decay_all), batch, executor, communicator});
  session_->SetState(parameters_.data(), velocity_.data());
  if (!training_.moments.empty()) {
    measurer_ = engine.Prepare(training_.forward);
    measurer_->Reserve(batch, executor == nullptr ? 1 : executor->num_workers());
  }
  evaluator_ = std::make_unique<Evaluator>(
      engine, executor, Frozen(), data.test.shape,
      std::min<int64_t>(std::max<int64_t>(options.batch_size, 64), data.test.size()));
}

int64_t Trainer::Step() {
  const Batch batch = loader_.Get(epoch_, step_);
  const Stopwatch stopwatch(&compute_seconds_);
  StepArguments arguments;
  arguments.batch = batch.size();
  arguments.images = batch.images.data();
  arguments.white = data_.white;
  arguments.labels = batch.labels.data();
  arguments.rate = LearningRate(schedule_, epoch_, step_, num_steps());
  arguments.share = static_cast<double>(batch.size()) / static_cast<double>(batch.all_images);
  session_->Queue(arguments);
  on_their_way_.push_back({step_, batch.all_images});
  fetched_ = false;
  ++step_;
  // The one before: an engine of its own has a step to work on meanwhile.
  if (on_their_way_.size() > 1) FinishStep();
  return batch.all_images;
}

void Trainer::FinishStep() {
  const StepOnItsWay step = on_their_way_.front();
  on_their_way_.pop_front();
  const StepResult result = session_->Finish();
  Require(std::isfinite(result.loss), "the loss became {} in epoch {}, step {}: {}", result.loss,
          epoch_ + 1, step.step + 1, kHint);
  Require(result.finite, "the parameters became infinite in epoch {}, step {}: {}", epoch_ + 1,
          step.step + 1, kHint);
  last_loss_ = result.loss;
  loss_sum_ += result.loss * static_cast<double>(step.images);
  correct_ += result.correct;
  seen_ += step.images;
}

void Trainer::Settle() {
  const Stopwatch stopwatch(&compute_seconds_);
  while (!on_their_way_.empty()) FinishStep();
  if (!fetched_) session_->GetState(parameters_.data(), velocity_.data());
  fetched_ = true;
}

// Batch normalisation's moments with the parameters as they are now, over the
// first batches of the epoch. (A running average over the training steps lags
// behind them: at a high rate it cost up to 35 points of test accuracy.)
std::vector<float> Trainer::MeasureMoments() {
  if (measurer_ == nullptr) return moments_;
  const Stopwatch stopwatch(&compute_seconds_);
  MomentSums sums(training_);
  measurer_->SetParameters(parameters_.data());
  std::vector<float> statistics(training_.statistics_size());
  std::vector<float> images;
  const int64_t count = (kMeasuredImages - 1) / options_.batch_size + 1;
  for (int64_t step = 0; step < std::min(count, num_steps()); ++step) {
    const Batch batch = loader_.Get(epoch_, step);
    if (batch.size() == 0) continue;
    images.resize(batch.size() * data_.train.shape.size());
    ConvertImages(batch.images.data(), batch.size(), data_.white, data_.train.shape, executor_,
                  images.data());
    RunArguments arguments;
    arguments.batch = batch.size();
    arguments.inputs = {images.data()};
    arguments.outputs = {nullptr};
    arguments.statistics = statistics.data();
    arguments.executor = executor_;
    measurer_->Run(arguments);
    sums.Add(batch.size(), statistics.data());
  }
  SumOver(communicator_, sums.sums());
  return sums.Moments();
}

Evaluation Trainer::EvaluateOn(const Network& network, const Images& images,
                               const std::function<bool()>& stop) {
  const Stopwatch stopwatch(&compute_seconds_);
  return evaluator_->Evaluate(network, data_, images, stop, communicator_);
}

bool Trainer::EndEpoch(const std::function<bool()>& stop) {
  Settle();
  EpochResult result = {epoch_ + 1, LearningRate(schedule_, epoch_, num_steps() - 1, num_steps()),
                        epoch_loss(), epoch_accuracy()};
  std::vector<float> moments = MeasureMoments();
  const Network network = Freeze(model_, training_, parameters_, moments);
  Evaluation test = EvaluateOn(network, data_.test, stop);
  if (!test.complete) return false;
  result.test_loss = test.loss;
  result.test_accuracy = test.accuracy;
  if (holds_out()) {
    const Evaluation validation = EvaluateOn(network, data_.validation, stop);
    if (!validation.complete) return false;
    result.validation_loss = validation.loss;
    result.validation_accuracy = validation.accuracy;
  }
  last_evaluation_ = std::move(test);
  moments_ = std::move(moments);
  history_.push_back(result);
  if (!holds_out()) {
    selected_ = history_.size() - 1;
  } else if (history_.size() == 1 || result.validation_accuracy > selected().validation_accuracy) {
    selected_ = history_.size() - 1;
    selected_parameters_ = parameters_;
    selected_moments_ = moments_;
  }
  ++epoch_;
  step_ = 0;
  loss_sum_ = 0;
  correct_ = 0;
  seen_ = 0;
  return true;
}

Network Trainer::Frozen() const { return Freeze(model_, training_, parameters_, moments_); }

Network Trainer::Selected() const {
  if (!holds_out()) return Frozen();
  return Freeze(model_, training_, selected_parameters_, selected_moments_);
}

double Trainer::epoch_loss() const {
  return seen_ > 0 ? loss_sum_ / static_cast<double>(seen_) : 0;
}

double Trainer::epoch_accuracy() const {
  return seen_ > 0 ? static_cast<double>(correct_) / static_cast<double>(seen_) : 0;
}

std::string MetricsCsv(const std::vector<EpochResult>& history, bool holds_out) {
  std::string csv = "epoch,learning_rate,train_loss,train_accuracy,test_loss,test_accuracy";
  csv += holds_out ? ",validation_loss,validation_accuracy\n" : "\n";
  for (const EpochResult& r : history) {
    csv += fmt::format("{},{},{:.6f},{:.6f},{:.6f},{:.6f}", r.epoch, r.learning_rate, r.train_loss,
                       r.train_accuracy, r.test_loss, r.test_accuracy);
    if (holds_out) csv += fmt::format(",{:.6f},{:.6f}", r.validation_loss, r.validation_accuracy);
    csv += "\n";
  }
  return csv;
}

}  // namespace csc
