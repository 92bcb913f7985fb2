// Parallelism is injected: an engine runs its tiles on the executor that the
// caller passes in, and never starts threads of its own.

#ifndef CSC_SOLVERS_EXECUTOR_H_
#define CSC_SOLVERS_EXECUTOR_H_

#include <cstdint>
#include <functional>
#include <memory>

namespace csc {

class Executor {
 public:
  virtual ~Executor() = default;

  // Upper bound of the worker numbers passed to a task; at least 1.
  virtual int num_workers() const = 0;

  // Calls task(index, worker) once for every index in [0, count) and returns
  // when all are done. Calls with the same `worker` never overlap, so that it
  // may index scratch memory; which worker runs which index is not fixed. The
  // first exception thrown by a task is rethrown after all have stopped.
  virtual void ParallelFor(int64_t count,
                           const std::function<void(int64_t index, int worker)>& task) = 0;
};

// Runs everything on the calling thread.
class SerialExecutor : public Executor {
 public:
  int num_workers() const override { return 1; }
  void ParallelFor(int64_t count, const std::function<void(int64_t, int)>& task) override;
};

// A pool of `num_threads` threads, the calling one among them. One
// ParallelFor at a time: a second caller waits for the first.
std::unique_ptr<Executor> MakeThreadPool(int num_threads);

// Threads this process may run on (its CPU affinity), at least 1.
int NumAvailableCpus();

}  // namespace csc

#endif  // CSC_SOLVERS_EXECUTOR_H_
