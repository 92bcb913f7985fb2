#include "training/optimiser/schedule.h"

#include <cmath>

#include "solvers/error.h"

namespace csc {

void CheckOptions(const ScheduleOptions& options) {
  Require(options.learning_rate >= 0 && std::isfinite(options.learning_rate),
          "a learning rate of {}: at least 0 expected", options.learning_rate);
  Require(options.kind == "step" || options.kind == "cosine",
          "the schedule is \"{}\": \"step\" or \"cosine\" expected", options.kind);
  Require(options.kind == "step" || options.milestones.empty(),
          "milestones with schedule {}: it has none", options.kind);
  Require(
      0 <= options.warmup_epochs && options.warmup_epochs <= static_cast<double>(options.epochs),
      "a warm-up of {} epochs: 0 to {} expected", options.warmup_epochs, options.epochs);
  int64_t previous = 0;
  for (int64_t milestone : options.milestones) {
    Require(milestone > previous,
            "a milestone at epoch {} after {}: growing numbers from 1 expected", milestone,
            previous);
    previous = milestone;
  }
}

double LearningRate(const ScheduleOptions& options, int64_t epoch, int64_t step,
                    int64_t steps_per_epoch) {
  const double warmup = std::round(options.warmup_epochs * static_cast<double>(steps_per_epoch));
  const double done = static_cast<double>(epoch * steps_per_epoch + step);
  double rate = options.learning_rate;
  if (options.kind == "cosine") {
    const double all = static_cast<double>(options.epochs * steps_per_epoch);
    if (done >= warmup) rate *= (1 + std::cos(M_PI * (done - warmup) / (all - warmup))) / 2;
  } else {
    for (int64_t milestone : options.milestones) {
      if (epoch >= milestone) rate /= 10;
    }
  }
  if (done < warmup) rate *= (done + 1) / warmup;
  return rate;
}

}  // namespace csc
