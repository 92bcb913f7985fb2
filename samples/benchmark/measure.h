// Times something often enough to be believed, with Google Benchmark.

#ifndef CSC_SAMPLES_BENCHMARK_MEASURE_H_
#define CSC_SAMPLES_BENCHMARK_MEASURE_H_

#include <functional>
#include <optional>
#include <vector>

namespace csc {

struct Timing {
  double median_seconds = 0;
  double best_seconds = 0;
  int runs = 0;
  double beside = 0;  // median of what `beside` returned; 0 without it
  // Seconds a second that threads of this process were ready to run while others had
  // the cores. Empty where the system does not tell (Linux's schedstat).
  std::optional<double> queued;
};

// Calls `work` once unmeasured, then at least three times and about as often as
// fits into `seconds`. What `work` throws ends the measurement and is thrown on.
// `beside`, if given, is called before, after and a few times in between: a
// yardstick that sees the same frequencies and the same other tenants.
Timing Measure(double seconds, const std::function<void()>& work,
               const std::function<double()>& beside = nullptr);

// Of several timings of the same: the one with the middle median, with the best of all
// and all runs. At least one.
Timing Middle(std::vector<Timing> timings);

}  // namespace csc

#endif  // CSC_SAMPLES_BENCHMARK_MEASURE_H_
