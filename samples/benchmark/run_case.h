// Times a workload on our own engines.

#ifndef CSC_SAMPLES_BENCHMARK_RUN_CASE_H_
#define CSC_SAMPLES_BENCHMARK_RUN_CASE_H_

#include <functional>
#include <string>
#include <vector>

#include "samples/benchmark/result.h"
#include "samples/benchmark/workload.h"
#include "solvers/engines/engine.h"

namespace csc {

// How the engine is reached: called directly, or through Net::forward on the
// fused or the layered export. Training steps have the first only.
inline constexpr char kEnginePath[] = "engine";
inline constexpr char kFusedPath[] = "fused";
inline constexpr char kLayeredPath[] = "layered";

struct RunOptions {
  std::vector<std::string> paths = {kEnginePath};
  double seconds = 2;  // for each figure
  int threads = 1;
  Executor* executor = nullptr;  // of so many threads
  std::string scratch;           // a folder for exports
  bool times = false;            // where the engine's time goes, in runs of their own
};

// The results of all batches and paths, in that order. What the engine declines
// is a result with the reason. Throws Error when a path's numbers differ from the
// engine's.
std::vector<Result> RunCase(const Workload& workload, const Engine& engine, Arithmetic arithmetic,
                            const RunOptions& options);

// Times the engine, called directly, at one of these batches once more: for so many
// seconds whenever it is called. Everything given must outlive it. Throws EngineDeclined.
std::function<Timing(double seconds)> Repeatable(const Workload& workload, const Engine& engine,
                                                 Arithmetic arithmetic, int64_t batch,
                                                 const RunOptions& options);

// The latency of one image called directly, idle and beside `count` neighbours.
NeighbourResult RunBesideNeighbours(const Workload& workload, const Engine& engine,
                                    Arithmetic arithmetic, int count, const RunOptions& options);

// A result of this work without a time yet.
Result MakeResult(const Workload& workload, int64_t batch, const Runner& runner);

// Throws Error unless the values agree within `tolerance` of the largest.
void RequireAgreement(const std::string& who, const float* found,
                      const std::vector<float>& expected, double tolerance);

}  // namespace csc

#endif  // CSC_SAMPLES_BENCHMARK_RUN_CASE_H_
