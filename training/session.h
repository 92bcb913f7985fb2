// Who takes the steps of a training: an engine that can by itself, else the host
// with gradients from the engine.

#ifndef CSC_TRAINING_SESSION_H_
#define CSC_TRAINING_SESSION_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "solvers/engines/engine.h"
#include "solvers/engines/training_session.h"
#include "training/models/training_program.h"
#include "training/parallel/communicator.h"

namespace csc {

struct SessionOptions {
  SgdOptions sgd;
  std::vector<SgdGroup> groups;
  int64_t batch = 0;  // the largest
  Executor* executor = nullptr;
  Communicator* communicator = nullptr;
};

// Steps on the host: gradients of `executable`, summed over the processes where there
// is a communicator, and SgdStep. Allows batches of no images, whose share is 0.
// `executable` is of `training.program`; both must outlive the session, as must what
// the options point to.
std::unique_ptr<TrainingSession> BeginOnHost(Executable* executable,
                                             const TrainingProgram& training,
                                             const SessionOptions& options);

// Steps by the engine itself where it can and no other process takes part, else on
// the host. Both give the same bits where the gradients do.
std::unique_ptr<TrainingSession> BeginSession(Executable* executable,
                                              const TrainingProgram& training,
                                              const SessionOptions& options);

}  // namespace csc

#endif  // CSC_TRAINING_SESSION_H_
