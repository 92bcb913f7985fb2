// The learning rate over a training.

#ifndef CSC_TRAINING_OPTIMISER_SCHEDULE_H_
#define CSC_TRAINING_OPTIMISER_SCHEDULE_H_

#include <cstdint>
#include <string>
#include <vector>

namespace csc {

struct ScheduleOptions {
  double learning_rate = 0.05;  // after warm-up, before any decay
  // "step": a tenth at each milestone. "cosine": half a cosine from the full
  // rate to 0 over the steps after warm-up (Loshchilov and Hutter, 2017).
  std::string kind = "step";
  std::vector<int64_t> milestones;  // of "step": epochs before which the rate drops
  double warmup_epochs = 0;         // over these the rate grows linearly, step by step
  int64_t epochs = 1;               // of the whole training
};

// Throws Error for an unknown kind, a rate below 0, milestones that do not
// grow, or a warm-up that is negative or longer than the training.
void CheckOptions(const ScheduleOptions& options);

// The rate of a step; epochs and steps count from 0.
double LearningRate(const ScheduleOptions& options, int64_t epoch, int64_t step,
                    int64_t steps_per_epoch);

}  // namespace csc

#endif  // CSC_TRAINING_OPTIMISER_SCHEDULE_H_
