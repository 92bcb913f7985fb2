// The training driver over MPI: mpirun -np N train_mpi ..., data-parallel.

#include "training/parallel/mpi.h"
#include "training/train_program.h"

int main(int argc, char** argv) {
  csc::MpiCommunicator communicator(&argc, &argv);
  const int status = csc::RunTrainProgram(argc, argv, &communicator);
  // 130 is agreed by all; anything else may be this process's alone.
  if (status != 0 && status != 130) communicator.Abort(status);
  return status;
}
