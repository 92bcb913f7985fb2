#include "training/parallel/mpi.h"

#include <mpi.h>

#include <cstdlib>

namespace csc {

namespace {

// Errors of MPI itself end the program, which is its default error handler.
template <typename T>
void SumAndBroadcast(std::vector<T>* values, MPI_Datatype type, int rank) {
  const int count = static_cast<int>(values->size());
  const void* own = rank == 0 ? MPI_IN_PLACE : values->data();
  MPI_Reduce(own, values->data(), count, type, MPI_SUM, 0, MPI_COMM_WORLD);
  MPI_Bcast(values->data(), count, type, 0, MPI_COMM_WORLD);
}

}  // namespace

MpiCommunicator::MpiCommunicator(int* argc, char*** argv) {
  // Only the thread that trains calls MPI.
  int provided = 0;
  MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &provided);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
  MPI_Comm_size(MPI_COMM_WORLD, &size_);
}

MpiCommunicator::~MpiCommunicator() { MPI_Finalize(); }

void MpiCommunicator::Sum(std::vector<float>* values) { SumAndBroadcast(values, MPI_FLOAT, rank_); }

void MpiCommunicator::Sum(std::vector<double>* values) {
  SumAndBroadcast(values, MPI_DOUBLE, rank_);
}

void MpiCommunicator::Abort(int status) {
  MPI_Abort(MPI_COMM_WORLD, status);
  std::abort();
}

}  // namespace csc
