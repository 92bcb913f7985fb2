#include "samples/benchmark/measure.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <exception>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

namespace csc {

namespace {

// A work this short is repeated between two looks at the clock.
constexpr double kShortestRun = 1e-4;
constexpr int kLeastRuns = 3;
constexpr int kMostRuns = 10000;
// Between looks at the yardstick, short beside the moods of a shared machine.
constexpr int kMostSlices = 8;

// Keeps the seconds of every repetition instead of printing them.
class Collector : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.run_type != Run::RT_Iteration || run.error_occurred) continue;
      seconds.push_back(run.real_accumulated_time / static_cast<double>(run.iterations));
    }
  }

  std::vector<double> seconds;
};

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.at(values.size() / 2);
}

// How long each thread of this process has waited for a core so far, in seconds; empty
// where the system does not tell.
using Waits = std::map<std::string, double>;

Waits WaitsOfThreads() {
  Waits waits;
  bool tells = false;
  std::error_code absent;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task", absent)) {
    double running = 0;  // nanoseconds
    double waiting = 0;
    std::ifstream file(thread.path() / "schedstat");
    if (!(file >> running >> waiting)) continue;  // it has just ended
    tells = tells || running > 0;
    waits[thread.path().filename()] = 1e-9 * waiting;
  }
  return tells ? waits : Waits();
}

// Of the threads that are still there; they come and go.
double WaitedSince(const Waits& before, const Waits& now) {
  double seconds = 0;
  for (const auto& [thread, wait] : now) {
    const auto then = before.find(thread);
    seconds += wait - (then == before.end() ? 0 : then->second);
  }
  return seconds;
}

// The seconds of each of `repetitions` times `iterations` calls.
std::vector<double> Time(int repetitions, int iterations, const std::function<void()>& work) {
  std::exception_ptr error;
  benchmark::RegisterBenchmark("work",
                               [&](benchmark::State& state) {
                                 for (auto _ : state) {
                                   try {
                                     if (error == nullptr) work();
                                   } catch (...) {
                                     error = std::current_exception();
                                   }
                                 }
                               })
      ->Iterations(iterations)
      ->Repetitions(repetitions)
      ->UseRealTime();
  Collector collector;
  benchmark::RunSpecifiedBenchmarks(&collector, "all");
  benchmark::ClearRegisteredBenchmarks();
  if (error != nullptr) std::rethrow_exception(error);
  return collector.seconds;
}

}  // namespace

Timing Measure(double seconds, const std::function<void()>& work,
               const std::function<double()>& beside) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  work();
  // The first call also warms up, so this is too long rather than too short.
  const double once = std::chrono::duration<double>(Clock::now() - start).count();
  const int iterations = static_cast<int>(std::ceil(kShortestRun / std::max(once, 1e-7)));
  const double wanted = std::ceil(seconds / (once * iterations));
  const int repetitions = static_cast<int>(std::clamp<double>(wanted, kLeastRuns, kMostRuns));

  const int slices = beside ? std::min(kMostSlices, repetitions) : 1;
  std::vector<double> times, yardsticks;
  double queued = 0;
  double elapsed = 0;
  bool tells = true;
  for (int slice = 0; slice < slices; ++slice) {
    if (beside) yardsticks.push_back(beside());
    const int begin = repetitions * slice / slices;
    const int end = repetitions * (slice + 1) / slices;
    const Waits before = WaitsOfThreads();
    const auto slice_start = Clock::now();
    const std::vector<double> some = Time(end - begin, iterations, work);
    elapsed += std::chrono::duration<double>(Clock::now() - slice_start).count();
    const Waits now = WaitsOfThreads();
    tells = tells && !before.empty() && !now.empty();
    queued += WaitedSince(before, now);
    times.insert(times.end(), some.begin(), some.end());
  }
  if (beside) yardsticks.push_back(beside());
  Timing timing;
  timing.median_seconds = Median(times);
  timing.best_seconds = *std::min_element(times.begin(), times.end());
  timing.runs = static_cast<int>(times.size());
  if (beside) timing.beside = Median(yardsticks);
  if (tells) timing.queued = queued / elapsed;
  return timing;
}

Timing Middle(std::vector<Timing> timings) {
  std::sort(timings.begin(), timings.end(),
            [](const Timing& a, const Timing& b) { return a.median_seconds < b.median_seconds; });
  Timing middle = timings.at(timings.size() / 2);
  middle.best_seconds = timings[0].best_seconds;
  middle.runs = 0;
  for (const Timing& timing : timings) {
    middle.best_seconds = std::min(middle.best_seconds, timing.best_seconds);
    middle.runs += timing.runs;
  }
  return middle;
}

}  // namespace csc
