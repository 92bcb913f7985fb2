#include "tests/solvers/engines/cuda/host_queues.h"

#include <utility>

namespace csc::test {

void HostQueues::Add(cuda::Queue queue, std::function<void()> task) {
  LineOf(queue).waiting.push_back({std::move(task), {}});
  const auto draw = chance_() >> 8;
  if (draw % 2 == 0) return;
  const cuda::Queue some = draw / 2 % 2 == 0 ? cuda::Queue::kCompute : cuda::Queue::kCopy;
  Point point = Now(some);
  if (draw / 4 % 2 == 0) point.tasks -= static_cast<int64_t>(LineOf(some).waiting.size()) / 2;
  Reach(point);
}

void HostQueues::BeginAfter(const Point& point, cuda::Queue queue) {
  LineOf(queue).waiting.push_back({nullptr, point});
}

HostQueues::Point HostQueues::Now(cuda::Queue queue) const {
  const Line& line = lines_[static_cast<int>(queue)];
  return {queue, line.done + static_cast<int64_t>(line.waiting.size())};
}

void HostQueues::Reach(const Point& point) {
  Line& line = LineOf(point.queue);
  while (line.done < point.tasks) {
    const Entry entry = std::move(line.waiting.front());
    line.waiting.pop_front();
    ++line.done;
    if (entry.after) Reach(*entry.after);
    if (entry.task) entry.task();
  }
}

void HostQueues::ReachAll() {
  for (cuda::Queue queue : {cuda::Queue::kCopy, cuda::Queue::kCompute}) Reach(Now(queue));
}

}  // namespace csc::test
