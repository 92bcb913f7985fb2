// A communicator over MPI.

#ifndef CSC_TRAINING_PARALLEL_MPI_H_
#define CSC_TRAINING_PARALLEL_MPI_H_

#include "training/parallel/communicator.h"

namespace csc {

// Lives as long as MPI is initialised, which it does and undoes; one at a time
// in a process. Sums are reduced on process 0 and broadcast, so that all
// processes have the same bits whatever algorithm the MPI library picks.
class MpiCommunicator : public Communicator {
 public:
  MpiCommunicator(int* argc, char*** argv);
  ~MpiCommunicator() override;

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  void Sum(std::vector<float>* values) override;
  void Sum(std::vector<double>* values) override;

  // Ends all processes, with this status: one that fails alone would leave the
  // others waiting for ever.
  [[noreturn]] void Abort(int status);

 private:
  int rank_ = 0;
  int size_ = 1;
};

}  // namespace csc

#endif  // CSC_TRAINING_PARALLEL_MPI_H_
