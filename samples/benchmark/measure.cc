#include "samples/benchmark/measure.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <exception>
#include <vector>

namespace csc {

namespace {

// A work this short is repeated between two looks at the clock.
constexpr double kShortestRun = 1e-4;
constexpr int kLeastRuns = 3;
constexpr int kMostRuns = 10000;

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

}  // namespace

Timing Measure(double seconds, const std::function<void()>& work) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  work();
  // The first call also warms up, so this is too long rather than too short.
  const double once = std::chrono::duration<double>(Clock::now() - start).count();
  const int iterations = static_cast<int>(std::ceil(kShortestRun / std::max(once, 1e-7)));
  const double wanted = std::ceil(seconds / (once * iterations));
  const int repetitions = static_cast<int>(std::clamp<double>(wanted, kLeastRuns, kMostRuns));

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

  std::vector<double>& times = collector.seconds;
  std::sort(times.begin(), times.end());
  return {times.at(times.size() / 2), times.at(0), static_cast<int>(times.size())};
}

}  // namespace csc
