// A training from start to end: steps, checkpoints, files.

#ifndef CSC_TRAINING_RUN_TRAINING_H_
#define CSC_TRAINING_RUN_TRAINING_H_

#include <cstdint>
#include <functional>
#include <string>

#include "training/progress.h"
#include "training/trainer.h"

namespace csc {

struct RunOptions {
  std::string out;               // folder, there already
  int64_t checkpoint_steps = 0;  // 0: at the end of epochs only
  // Asked between steps; true means: save a checkpoint and return. May be
  // null. Of several processes it is enough to ask one.
  std::function<bool()> stop;
  std::string command;  // the command line, for the report
};

std::string CheckpointPath(const std::string& out);

// Trains until all epochs are done (returns true) or `stop` (false). Keeps
// OUT/checkpoint.csc, OUT/metrics.csv, OUT/report.html and OUT/events/ up to
// date; the checkpoint comes before metrics.csv, which is always written whole
// from the trainer's history, so that a training continued after a crash ends
// with the same file.
bool RunTraining(const RunOptions& options, Trainer* trainer, Progress* progress);

// The selected network as OUT/model.onnx, OUT/model_layered.onnx, OUT/model_portable.onnx and
// OUT/labels.txt.
void WriteModels(const std::string& out, const Trainer& trainer, const DataSet& data);

}  // namespace csc

#endif  // CSC_TRAINING_RUN_TRAINING_H_
