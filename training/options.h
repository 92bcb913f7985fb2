// What a training was asked to do: all that decides its numbers.

#ifndef CSC_TRAINING_OPTIONS_H_
#define CSC_TRAINING_OPTIONS_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "training/models/model.h"
#include "training/optimiser/schedule.h"
#include "training/optimiser/sgd.h"

namespace csc {

struct TrainingOptions {
  ModelOptions model;
  std::string data = "digits";
  int64_t epochs = 20;
  int64_t batch_size = 32;
  // Unset: 0.1 for residual networks, as in the paper; 0.02 for the others, the
  // paper's 0.05 scaled to the smaller batch; 0.005 for layered_pursuit, which
  // nothing normalises.
  std::optional<double> learning_rate;
  std::string schedule = "step";  // or "cosine"
  // Unset: after a half and three quarters of the epochs, for "step".
  std::optional<std::vector<int64_t>> milestones;
  double warmup_epochs = 0;
  double momentum = 0.9;
  bool nesterov = false;
  // Unset: 1e-4 for residual networks (as usual there), 0 for the others.
  std::optional<double> weight_decay;
  bool decay_all = false;  // thresholds, steps and scales too
  double gradient_clip = 0;
  double label_smoothing = 0;
  bool augment = false;
  int64_t validation = 0;  // training images held out
  uint64_t seed = 1;
  int64_t limit_train = 0;  // 0: all
  int64_t limit_test = 0;
};

// Fills in the defaults and checks the rest. Throws Error.
TrainingOptions ResolveOptions(const TrainingOptions& options);

ScheduleOptions ScheduleOf(const TrainingOptions& resolved);
SgdOptions SgdOf(const TrainingOptions& resolved);

// Options by the names of the command line, without the dashes; what a
// checkpoint keeps. Null where unset.
nlohmann::ordered_json ToJson(const TrainingOptions& options);

// Sets the options that `json` names as ToJson does; the others stay. Throws
// Error for an unknown name or a value of the wrong type.
void ApplyJson(const nlohmann::ordered_json& json, TrainingOptions* options);

}  // namespace csc

#endif  // CSC_TRAINING_OPTIONS_H_
