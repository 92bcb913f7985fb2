// Runs an engine's tasks on OpenCV's own threads.

#ifndef CSC_LAYERS_OPENCV_EXECUTOR_H_
#define CSC_LAYERS_OPENCV_EXECUTOR_H_

#include <cstdint>
#include <functional>

#include "solvers/executor.h"

namespace csc {

// As many workers as cv::getNumThreads() says at construction. Make one for
// each run: cv::setNumThreads is then obeyed from the next run on. Executors
// on several threads at once are independent of each other.
class OpenCvExecutor : public Executor {
 public:
  OpenCvExecutor();

  int num_workers() const override { return num_workers_; }

  // Workers compute with the caller's treatment of denormal numbers, so that
  // results have the same bits on any number of threads.
  void ParallelFor(int64_t count,
                   const std::function<void(int64_t index, int worker)>& task) override;

 private:
  const int num_workers_;
};

}  // namespace csc

#endif  // CSC_LAYERS_OPENCV_EXECUTOR_H_
