// Our best figure and the best of each rival once more, in turns: ratios of figures that
// were taken minutes apart say as much of other programs on the machine as of these.

#ifndef CSC_SAMPLES_BENCHMARK_IN_TURNS_H_
#define CSC_SAMPLES_BENCHMARK_IN_TURNS_H_

#include <memory>
#include <vector>

#include "samples/benchmark/result.h"
#include "samples/benchmark/rival.h"
#include "samples/benchmark/run_case.h"
#include "samples/benchmark/workload.h"
#include "solvers/engines/engine.h"

namespace csc {

// Replaces the timings of these in `results`, which has the figures of the workload, the
// rivals' latest. Leaves them where no rival can be timed again.
void MeasureInTurns(const Workload& workload, const Engine& engine, Arithmetic arithmetic,
                    const std::vector<std::unique_ptr<Rival>>& rivals, const RunOptions& options,
                    std::vector<Result>* results);

}  // namespace csc

#endif  // CSC_SAMPLES_BENCHMARK_IN_TURNS_H_
