// A training step as the driver makes it: parameters handed over, forward and
// backward pass, SGD with momentum. Images and labels are given; loading and
// augmenting them is not part of it.

#ifndef CSC_SAMPLES_BENCHMARK_TRAINING_STEP_H_
#define CSC_SAMPLES_BENCHMARK_TRAINING_STEP_H_

#include <memory>
#include <vector>

#include "samples/benchmark/workload.h"
#include "solvers/engines/engine.h"
#include "training/optimiser/sgd.h"

namespace csc {

// Small enough that thousands of steps leave the parameters about where they
// start: every step is the same work, and none ends in infinities.
inline constexpr double kLearningRate = 1e-6;
inline constexpr double kMomentum = 0.9;

class TrainingStep {
 public:
  // `workload`, `executable` and `executor` must outlive it.
  TrainingStep(const Workload& workload, Executable* executable, Executor* executor);

  // Loss and gradients of the first `batch` images; no update.
  void Differentiate(int64_t batch);
  // All of a step. Throws Error when parameters stop being finite.
  void Step(int64_t batch);

  double loss() const { return loss_; }
  const std::vector<float>& gradients() const { return gradients_; }

 private:
  const Workload& workload_;
  Executable* const executable_;
  Executor* const executor_;
  std::vector<SgdGroup> groups_;
  std::vector<float> parameters_;
  std::vector<float> velocity_;
  std::vector<float> gradients_;
  std::vector<float> statistics_;
  double loss_ = 0;
};

}  // namespace csc

#endif  // CSC_SAMPLES_BENCHMARK_TRAINING_STEP_H_
