// The queues of a back-end without a GPU. When work is done is left to chance, between
// at once and the last moment that events and waits allow, so that a test fails where
// an event is missing: a GPU that is faster or slower than ours would find it too.

#ifndef CSC_TESTS_SOLVERS_ENGINES_CUDA_HOST_QUEUES_H_
#define CSC_TESTS_SOLVERS_ENGINES_CUDA_HOST_QUEUES_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <random>

#include "solvers/engines/cuda/backend.h"

namespace csc::test {

class HostQueues {
 public:
  // That the first so many tasks of a queue are done.
  struct Point {
    cuda::Queue queue;
    int64_t tasks;
  };

  // Does any amount of what is queued after it.
  void Add(cuda::Queue queue, std::function<void()> task);
  // What is added to `queue` from now on waits for `point`.
  void BeginAfter(const Point& point, cuda::Queue queue);
  // All that is in the queue now.
  Point Now(cuda::Queue queue) const;
  // Does as little as it takes.
  void Reach(const Point& point);
  void ReachAll();

 private:
  struct Entry {
    std::function<void()> task;  // none of one that only waits
    std::optional<Point> after;
  };
  struct Line {
    std::deque<Entry> waiting;
    int64_t done = 0;
  };

  Line& LineOf(cuda::Queue queue) { return lines_[static_cast<int>(queue)]; }

  Line lines_[2];
  std::minstd_rand chance_;
};

}  // namespace csc::test

#endif  // CSC_TESTS_SOLVERS_ENGINES_CUDA_HOST_QUEUES_H_
