// Times something often enough to be believed.

#ifndef CSC_SAMPLES_BENCHMARK_MEASURE_H_
#define CSC_SAMPLES_BENCHMARK_MEASURE_H_

#include <functional>

namespace csc {

struct Timing {
  double median_seconds = 0;
  double best_seconds = 0;
  int runs = 0;
};

// Calls `work` once unmeasured, then at least three times and until `seconds`
// have passed.
Timing Measure(double seconds, const std::function<void()>& work);

}  // namespace csc

#endif  // CSC_SAMPLES_BENCHMARK_MEASURE_H_
