// Training steps, forward pass to optimiser, that an engine takes by itself: the
// parameters and the optimiser's state stay where it computes.
//
// Executables of engines that can implement TrainingExecutable besides their own
// interface:
//
//   auto* trains = dynamic_cast<TrainingExecutable*>(executable.get());

#ifndef CSC_SOLVERS_ENGINES_TRAINING_SESSION_H_
#define CSC_SOLVERS_ENGINES_TRAINING_SESSION_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "solvers/engines/byte_images.h"
#include "solvers/engines/sgd.h"

namespace csc {

// One batch, and how to learn from it. The arrays are the caller's. Images are bytes
// that become floats where they are used: on their way to a device they are a quarter.
struct StepArguments {
  int64_t batch = 0;
  const ByteImage* images = nullptr;  // [batch], of the program's input
  uint8_t white = 255;                // the byte that becomes 1
  const int32_t* labels = nullptr;    // [batch], in 0..K-1
  double rate = 0;
  // Of the step's images that are here. Below 1 other processes have the rest, and
  // what the optimiser gets is the sum over them.
  double share = 1;
};

struct StepResult {
  double loss = 0;      // mean over the batch
  int64_t correct = 0;  // images whose largest logit is their label's
  bool finite = true;   // no parameter became infinite or NaN
};

// Steps are queued and finished in order. A caller that queues the next step before
// it finishes one lets the next batch travel while this one is computed.
class TrainingSession {
 public:
  virtual ~TrainingSession() = default;

  // Steps that may be queued and not finished.
  static constexpr int kMostQueued = 2;

  // Copies both arrays, of program.parameter_size() each.
  virtual void SetState(const float* parameters, const float* velocity) = 0;
  // Their content after all steps that were queued, for which it waits.
  virtual void GetState(float* parameters, float* velocity) = 0;

  // One step of gradient descent (sgd.h) on the gradients of this batch's mean loss.
  // The arguments may change as soon as it returns. Throws Error where kMostQueued
  // are on their way.
  virtual void Queue(const StepArguments& arguments) = 0;
  // Waits for the first step queued and not finished.
  virtual StepResult Finish() = 0;
};

class TrainingExecutable {
 public:
  virtual ~TrainingExecutable() = default;

  // A session that starts with the executable's parameters and no velocity. The
  // groups cover the parameters in order; no batch is larger than `batch`. The
  // executable must outlive the session, and is used through it alone meanwhile.
  // Steps have all their images here. Throws Error for a program that does not have
  // one input, a loss and gradients.
  virtual std::unique_ptr<TrainingSession> BeginTraining(const SgdOptions& options,
                                                         const std::vector<SgdGroup>& groups,
                                                         int64_t batch) = 0;
};

}  // namespace csc

#endif  // CSC_SOLVERS_ENGINES_TRAINING_SESSION_H_
