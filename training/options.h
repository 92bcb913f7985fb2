// What a training was asked to do: all that decides its numbers.

#ifndef CSC_TRAINING_OPTIONS_H_
#define CSC_TRAINING_OPTIONS_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "training/models/model.h"

namespace csc {

struct TrainingOptions {
  ModelOptions model;
  std::string data = "digits";
  int64_t epochs = 20;
  int64_t batch_size = 32;
  // Unset: 0.1 for residual networks, as in the paper; 0.02 for the others, the
  // paper's 0.05 scaled to the smaller batch.
  std::optional<double> learning_rate;
  // Unset: after a half and three quarters of the epochs.
  std::optional<std::vector<int64_t>> milestones;
  double momentum = 0.9;
  bool nesterov = false;
  // Unset: 1e-4 for residual networks (as usual there), 0 for the others.
  std::optional<double> weight_decay;
  bool augment = false;
  uint64_t seed = 1;
  int64_t limit_train = 0;  // 0: all
  int64_t limit_test = 0;
};

// Fills in the defaults and checks the rest. Throws Error.
TrainingOptions ResolveOptions(const TrainingOptions& options);

// Resolved options by the names of the command line, without the dashes; what
// a checkpoint keeps.
nlohmann::ordered_json ToJson(const TrainingOptions& options);
TrainingOptions TrainingOptionsFromJson(const nlohmann::ordered_json& json);

}  // namespace csc

#endif  // CSC_TRAINING_OPTIONS_H_
