#include "samples/benchmark/measure.h"

#include <algorithm>
#include <chrono>
#include <vector>

namespace csc {

Timing Measure(double seconds, const std::function<void()>& work) {
  using Clock = std::chrono::steady_clock;
  constexpr size_t kLeastRuns = 3;
  work();
  std::vector<double> times;
  const auto start = Clock::now();
  const auto elapsed = [](Clock::time_point since) {
    return std::chrono::duration<double>(Clock::now() - since).count();
  };
  while (times.size() < kLeastRuns || elapsed(start) < seconds) {
    const auto begin = Clock::now();
    work();
    times.push_back(elapsed(begin));
  }
  std::sort(times.begin(), times.end());
  return {times[times.size() / 2], times[0], static_cast<int>(times.size())};
}

}  // namespace csc
