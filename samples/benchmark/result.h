// One measured figure, ours or another's.

#ifndef CSC_SAMPLES_BENCHMARK_RESULT_H_
#define CSC_SAMPLES_BENCHMARK_RESULT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "samples/benchmark/cases.h"
#include "samples/benchmark/measure.h"
#include "solvers/engines/engine.h"

namespace csc {

// Bytes that Executable::WorkspaceBytes reported, and how they grew. 0 where it
// was not asked.
struct Workspace {
  int64_t total = 0;       // reserved for this batch and these threads
  int64_t fixed = 0;       // before any batch was reserved: packed parameters
  int64_t per_thread = 0;  // what each thread after the first added
  int64_t per_image = 0;   // what each image of the batch's second half added
};

// Who ran it.
struct Runner {
  std::string program;     // "onednn", "PyTorch 2.1"
  std::string arithmetic;  // "float32"
  std::string form;        // "engine", "fused", "layered"; a rival's "flipped, compiled"
  bool rival = false;
};

struct Result {
  std::string network;
  Phase phase = Phase::kInference;
  int64_t side = 0;
  int64_t batch = 0;
  int unfolding = 0;
  int depth = 0;
  Runner runner;
  double flops = 0;  // an image
  double bytes = 0;  // an image
  Timing timing;
  Workspace workspace;
  std::optional<Times> times;  // of one image
  std::string declined;        // why there is no time; else empty
  bool repeatable = false;     // a rival's, which can time it once more
  bool in_turns = false;       // timed in turns with others (in_turns.h)

  bool measured() const { return declined.empty(); }
  double ImageMs() const { return 1e3 * timing.median_seconds / static_cast<double>(batch); }
  double BestImageMs() const { return 1e3 * timing.best_seconds / static_cast<double>(batch); }
  double Rate() const { return flops * static_cast<double>(batch) / timing.median_seconds; }
  // Of the same work: network, what is done with it and the images' size.
  bool SameWork(const Result& other) const {
    return network == other.network && phase == other.phase && side == other.side;
  }
};

// The one-image latency with neighbours on the machine, and without.
struct NeighbourResult {
  std::string network;
  Runner runner;
  int neighbours = 0;
  Timing idle;
  Timing busy;
};

// What was known of the machine, and every figure.
struct Report {
  std::string processor;
  std::string instructions;
  int threads = 0;
  double peak = 0;                   // float32 FLOP/s
  double bfloat16_peak = 0;          // 0 where there are no such instructions
  double bandwidth = 0;              // bytes/s
  std::vector<std::string> engines;  // name and detail of those used
  std::vector<std::string> rivals;   // name, version and configuration
  std::vector<Result> results;
  std::vector<NeighbourResult> neighbours;
};

// The fastest measured rival at the work of `ours`, over all batches and forms, in
// the same arithmetic, or where it has none of that in float32; null for none at all.
// Where ours was timed in turns with rivals, one of these.
inline const Result* BestRival(const std::vector<Result>& results, const Result& ours) {
  const Result* best = nullptr;
  for (const std::string& arithmetic : {ours.runner.arithmetic, std::string("float32")}) {
    for (const Result& r : results) {
      if (!r.runner.rival || !r.measured() || !r.SameWork(ours)) continue;
      if (r.runner.arithmetic != arithmetic || (ours.in_turns && !r.in_turns)) continue;
      if (best == nullptr || r.ImageMs() < best->ImageMs()) best = &r;
    }
    if (best != nullptr) break;
  }
  return best;
}

}  // namespace csc

#endif  // CSC_SAMPLES_BENCHMARK_RESULT_H_
