#include "samples/benchmark/in_turns.h"

#include <functional>
#include <utility>

namespace csc {

namespace {

constexpr int kTurns = 5;  // of each

// The fastest measured result that is one of these; null for none.
Result* Fastest(std::vector<Result>* results, const std::function<bool(const Result&)>& fits) {
  Result* fastest = nullptr;
  for (Result& r : *results) {
    if (!r.measured() || !fits(r)) continue;
    if (fastest == nullptr || r.ImageMs() < fastest->ImageMs()) fastest = &r;
  }
  return fastest;
}

struct Turn {
  Result* result;
  std::function<Timing(double seconds)> measure;
  std::vector<Timing> timings;
};

}  // namespace

void MeasureInTurns(const Workload& workload, const Engine& engine, Arithmetic arithmetic,
                    const std::vector<std::unique_ptr<Rival>>& rivals, const RunOptions& options,
                    std::vector<Result>* results) {
  const Result work = MakeResult(workload, 1, {});
  Result* const ours = Fastest(results, [&](const Result& r) {
    return r.SameWork(work) && r.runner.program == engine.name() && r.runner.form == kEnginePath &&
           r.runner.arithmetic == Name(arithmetic);
  });
  if (ours == nullptr) return;
  std::vector<Turn> turns;
  for (const auto& rival : rivals) {
    // In the arithmetic that ours is compared in: BestRival has the rule.
    for (const std::string& other : {ours->runner.arithmetic, std::string("float32")}) {
      Result* const theirs = Fastest(results, [&](const Result& r) {
        return r.SameWork(work) && r.runner.program == rival->label() &&
               r.runner.arithmetic == other;
      });
      if (theirs == nullptr) continue;
      if (theirs->repeatable) {
        turns.push_back({theirs, [&rival, theirs](double seconds) {
                           return rival->RunAgain(*theirs, seconds);
                         }});
      }
      break;
    }
  }
  if (turns.empty()) return;
  turns.push_back({ours, Repeatable(workload, engine, arithmetic, ours->batch, options)});
  for (int k = 0; k < kTurns; ++k) {
    for (Turn& turn : turns) turn.timings.push_back(turn.measure(options.seconds / kTurns));
  }
  for (Turn& turn : turns) {
    turn.result->timing = Middle(std::move(turn.timings));
    turn.result->in_turns = true;
  }
}

}  // namespace csc
