// The command line of the training driver.

#ifndef CSC_TRAINING_TRAIN_OPTIONS_H_
#define CSC_TRAINING_TRAIN_OPTIONS_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

#include "training/options.h"

namespace csc {

struct TrainCommand {
  TrainingOptions training;
  std::string preset;
  std::string milestones;  // "75,115" or "none"
  std::string engine;
  std::string arithmetic;
  std::string memory;
  int threads = 0;
  std::string out = "trained";
  int64_t checkpoint_steps = 100;
  bool resume = false;
  bool list_presets = false;
  std::string text;  // the command line, for the report
};

// Declares all options. A --preset among the arguments sets its options first,
// so that what else is given overrides them and --help shows them. Throws Error
// for an unknown preset.
void AddOptions(int argc, const char* const* argv, CLI::App* app, TrainCommand* command);

// After parsing: what needs more than one option. Throws Error.
void CompleteOptions(const CLI::App& app, TrainCommand* command);

// The options of a checkpoint, with what may change between two runs taken
// from the command line; anything else given there must agree. Throws Error.
TrainingOptions Reconcile(const CLI::App& app, const TrainCommand& command,
                          const TrainingOptions& stored);

}  // namespace csc

#endif  // CSC_TRAINING_TRAIN_OPTIONS_H_
