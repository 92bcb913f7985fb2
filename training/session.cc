#include "training/session.h"

#include <algorithm>
#include <deque>

#include "solvers/error.h"
#include "training/optimiser/sgd.h"

namespace csc {

namespace {

class HostSession : public TrainingSession {
 public:
  HostSession(Executable* executable, const TrainingProgram& training,
              const SessionOptions& options)
      : executable_(executable),
        options_(options),
        input_(training.program.shape(training.program.inputs().at(0))),
        images_(options.batch * input_.size()),
        outputs_(training.program.outputs().size()),
        parameters_(training.program.parameter_size()),
        velocity_(parameters_.size()),
        gradients_(parameters_.size()),
        statistics_(training.statistics_size()) {
    executable->Reserve(options.batch,
                        options.executor == nullptr ? 1 : options.executor->num_workers());
  }

  void SetState(const float* parameters, const float* velocity) override {
    std::copy_n(parameters, parameters_.size(), parameters_.data());
    std::copy_n(velocity, velocity_.size(), velocity_.data());
  }
  void GetState(float* parameters, float* velocity) override {
    std::copy_n(parameters_.data(), parameters_.size(), parameters);
    std::copy_n(velocity_.data(), velocity_.size(), velocity);
  }

  void Queue(const StepArguments& arguments) override {
    Require(results_.size() < kMostQueued, "{} steps are on their way: no more can be queued",
            kMostQueued);
    StepResult result = Differentiate(arguments);
    if (options_.communicator != nullptr) SumOverProcesses(arguments.share, &result);
    result.finite = SgdStep(options_.sgd, arguments.rate, options_.groups, gradients_.data(),
                            &parameters_, &velocity_);
    results_.push_back(result);
  }

  StepResult Finish() override {
    Require(!results_.empty(), "no step is on its way");
    const StepResult result = results_.front();
    results_.pop_front();
    return result;
  }

 private:
  StepResult Differentiate(const StepArguments& arguments) {
    StepResult result;
    if (arguments.batch == 0) {
      std::fill(gradients_.begin(), gradients_.end(), 0.0f);
      return result;
    }
    Require(arguments.images != nullptr, "a step without images");
    Require(arguments.batch <= options_.batch, "a batch of {}: {} at most expected",
            arguments.batch, options_.batch);
    ConvertImages(arguments.images, arguments.batch, arguments.white, input_, options_.executor,
                  images_.data());
    RunArguments run;
    run.batch = arguments.batch;
    run.inputs = {images_.data()};
    run.outputs.resize(outputs_);
    run.labels = arguments.labels;
    run.gradients = gradients_.data();
    run.statistics = statistics_.data();
    run.loss = &result.loss;
    run.correct = &result.correct;
    run.executor = options_.executor;
    executable_->SetParameters(parameters_.data());
    executable_->Run(run);
    return result;
  }

  // The program's means are over the own share; the sum of the shares' means, weighted
  // by their sizes, is the mean over the batch.
  void SumOverProcesses(double share, StepResult* result) {
    for (float& value : gradients_) value *= static_cast<float>(share);
    options_.communicator->Sum(&gradients_);
    std::vector<double> sums = {result->loss * share, static_cast<double>(result->correct)};
    options_.communicator->Sum(&sums);
    result->loss = sums[0];
    result->correct = static_cast<int64_t>(sums[1]);
  }

  Executable* const executable_;
  const SessionOptions options_;
  const Shape input_;
  std::vector<float> images_;  // of the largest batch
  const size_t outputs_;
  std::vector<float> parameters_;
  std::vector<float> velocity_;
  std::vector<float> gradients_;
  std::vector<float> statistics_;
  std::deque<StepResult> results_;
};

}  // namespace

std::unique_ptr<TrainingSession> BeginOnHost(Executable* executable,
                                             const TrainingProgram& training,
                                             const SessionOptions& options) {
  return std::make_unique<HostSession>(executable, training, options);
}

std::unique_ptr<TrainingSession> BeginSession(Executable* executable,
                                              const TrainingProgram& training,
                                              const SessionOptions& options) {
  auto* trains = dynamic_cast<TrainingExecutable*>(executable);
  if (trains != nullptr && options.communicator == nullptr) {
    return trains->BeginTraining(options.sgd, options.groups, options.batch);
  }
  return BeginOnHost(executable, training, options);
}

}  // namespace csc
