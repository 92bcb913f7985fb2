// The training driver: a data set and options in, a trained network out.

#ifndef CSC_TRAINING_TRAIN_PROGRAM_H_
#define CSC_TRAINING_TRAIN_PROGRAM_H_

#include "training/parallel/communicator.h"

namespace csc {

// The whole program `train`; returns its exit status. `communicator` may be
// null: one process.
int RunTrainProgram(int argc, char** argv, Communicator* communicator);

}  // namespace csc

#endif  // CSC_TRAINING_TRAIN_PROGRAM_H_
