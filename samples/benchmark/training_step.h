// Training steps as the driver makes them: forward and backward pass and SGD with
// momentum, by the engine itself where it can. Images and labels are given; loading
// and augmenting them is not part of it.

#ifndef CSC_SAMPLES_BENCHMARK_TRAINING_STEP_H_
#define CSC_SAMPLES_BENCHMARK_TRAINING_STEP_H_

#include <memory>
#include <vector>

#include "samples/benchmark/workload.h"
#include "solvers/engines/engine.h"
#include "training/session.h"

namespace csc {

// Small enough that thousands of steps leave the parameters about where they
// start: every step is the same work, and none ends in infinities.
inline constexpr double kLearningRate = 1e-6;
inline constexpr double kMomentum = 0.9;

class TrainingSteps {
 public:
  // Of the first `batch` images. `workload`, `executable` and `executor` must outlive
  // it.
  TrainingSteps(const Workload& workload, Executable* executable, Executor* executor,
                int64_t batch);

  // One more step. It may go on after Step returns, until the next one has begun, as
  // in the driver. Throws Error when parameters stop being finite.
  void Step();

 private:
  const Workload& workload_;
  const int64_t batch_;
  std::unique_ptr<TrainingSession> session_;
  bool under_way_ = false;  // a step that is not finished
};

struct LossAndGradients {
  double loss = 0;
  std::vector<float> gradients;  // [program.parameter_size()]
};

// Of the first `batch` images, with the executable's parameters.
LossAndGradients Differentiate(const Workload& workload, Executable* executable, Executor* executor,
                               int64_t batch);

}  // namespace csc

#endif  // CSC_SAMPLES_BENCHMARK_TRAINING_STEP_H_
