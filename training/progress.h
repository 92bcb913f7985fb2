// How a training shows on standard error: a bar on a terminal, else lines.

#ifndef CSC_TRAINING_PROGRESS_H_
#define CSC_TRAINING_PROGRESS_H_

#include <chrono>
#include <cstdint>
#include <string>

#include "training/trainer.h"

namespace csc {

class Progress {
 public:
  // A silent one shows nothing, for all processes of a training but one.
  explicit Progress(bool silent = false);
  ~Progress();

  // After each step. Redraws the bar a few times a second; without a terminal
  // writes a line now and then, so that a slow epoch is seen to live.
  void Step(const Trainer& trainer, int64_t images);
  // After each epoch.
  void Epoch(const Trainer& trainer);
  // A line of its own.
  void Note(const std::string& text);

  // Of the training steps so far; evaluation and waiting for the user aside.
  double ImagesPerSecond() const;
  // Time from here to the next Step counts as training.
  void StartClock();

 private:
  using Clock = std::chrono::steady_clock;
  void Clear();
  // For the steps that are left, at the rate so far: "3 min 20 s".
  std::string TimeLeft(const Trainer& trainer) const;

  const bool silent_;
  const bool terminal_;
  bool bar_shown_ = false;
  Clock::time_point last_shown_;
  Clock::time_point started_;
  double seconds_ = 0;
  int64_t images_ = 0;
};

}  // namespace csc

#endif  // CSC_TRAINING_PROGRESS_H_
