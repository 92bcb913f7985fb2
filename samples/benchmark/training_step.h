// A training step as the driver makes it: images from bytes, forward and backward pass,
// SGD with momentum, by the engine itself where it can. Which images is given.

#ifndef CSC_SAMPLES_BENCHMARK_TRAINING_STEP_H_
#define CSC_SAMPLES_BENCHMARK_TRAINING_STEP_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "samples/benchmark/workload.h"
#include "solvers/engines/engine.h"
#include "solvers/engines/training_session.h"

namespace csc {

// Small enough that thousands of steps leave the parameters about where they
// start: every step is the same work, and none ends in infinities.
inline constexpr double kLearningRate = 1e-6;
inline constexpr double kMomentum = 0.9;

struct LossAndGradients {
  double loss = 0;
  std::vector<float> gradients;
};

// Of the first `batch` images.
LossAndGradients Differentiate(const Workload& workload, Executable* executable, Executor* executor,
                               int64_t batch);

class TrainingStep {
 public:
  // On the first `batch` images. Queues a step, so that every later one waits for a
  // whole one. `workload`, `executable` and `executor` must outlive it.
  TrainingStep(const Workload& workload, Executable* executable, Executor* executor, int64_t batch);

  // Queues a step and waits for the one before, as the driver does: in a row they take
  // the time of whole steps. Throws Error when parameters stop being finite.
  void Step();

 private:
  void Queue();

  const Workload& workload_;
  const int64_t batch_;
  std::vector<ByteImage> images_;
  const std::unique_ptr<TrainingSession> session_;
};

}  // namespace csc

#endif  // CSC_SAMPLES_BENCHMARK_TRAINING_STEP_H_
