// What a worker's time went to: laps, each charged to what was just done.

#ifndef CSC_SOLVERS_ENGINES_ONEDNN_STOPWATCH_H_
#define CSC_SOLVERS_ENGINES_ONEDNN_STOPWATCH_H_

#include <chrono>

#include "solvers/engines/engine.h"

namespace csc::onednn {

class Stopwatch {
 public:
  // Off until then: laps cost a comparison.
  void TurnOn() { on_ = true; }

  // What came before is not charged.
  void Restart() {
    if (on_) last_ = Clock::now();
  }
  // Time since the last lap or restart, to `kind`, a member of Times.
  void Lap(double Times::*kind) {
    if (!on_) return;
    const Clock::time_point now = Clock::now();
    times_.*kind += std::chrono::duration<double>(now - last_).count();
    last_ = now;
  }

  const Times& times() const { return times_; }

 private:
  using Clock = std::chrono::steady_clock;

  bool on_ = false;
  Clock::time_point last_;
  Times times_;
};

}  // namespace csc::onednn

#endif  // CSC_SOLVERS_ENGINES_ONEDNN_STOPWATCH_H_
