#include "training/run_training.h"

#include <optional>

#include "training/file.h"
#include "training/onnx/onnx_file.h"
#include "training/report/training_report.h"

namespace csc {

std::string CheckpointPath(const std::string& out) { return out + "/checkpoint.csc"; }

bool RunTraining(const RunOptions& options, Trainer* trainer, Progress* progress) {
  // Of several processes, all in the same state, one writes.
  Communicator* const communicator = trainer->communicator();
  const bool writes = RankOf(communicator) == 0;
  const auto save = [&] {
    if (writes) WriteCheckpoint(CheckpointPath(options.out), trainer->Save());
  };
  const auto write_metrics = [&] {
    if (!writes) return;
    WriteFile(options.out + "/metrics.csv", MetricsCsv(trainer->history(), trainer->holds_out()));
  };
  // All stop where one was asked to.
  const auto stopped = [&] {
    std::vector<float> asked = {options.stop && options.stop() ? 1.0f : 0.0f};
    SumOver(communicator, &asked);
    return asked[0] > 0;
  };

  save();
  write_metrics();
  std::optional<TrainingReport> report;
  if (writes) report.emplace(options.out, options.command, *trainer);
  if (writes && trainer->Finished()) report->Write(0);
  int64_t unsaved_steps = 0;
  while (!trainer->Finished()) {
    progress->StartClock();
    while (!trainer->EpochTrained()) {
      if (stopped()) {
        save();
        return false;
      }
      progress->Step(*trainer, trainer->Step());
      ++unsaved_steps;
      if (options.checkpoint_steps > 0 && unsaved_steps >= options.checkpoint_steps) {
        save();
        unsaved_steps = 0;
      }
    }
    if (!trainer->EndEpoch(stopped)) {
      save();
      return false;
    }
    if (writes) report->LogEpoch(progress->ImagesPerSecond());
    save();
    unsaved_steps = 0;
    write_metrics();
    progress->Epoch(*trainer);
    if (writes) report->Write(progress->ImagesPerSecond());
  }
  return true;
}

void WriteModels(const std::string& out, const Trainer& trainer, const DataSet& data) {
  const Network network = trainer.Selected();
  const Shape& input = trainer.model().input;
  WriteOnnx(network, input, OnnxForm::kFused, out + "/model.onnx", data.classes);
  WriteOnnx(network, input, OnnxForm::kLayered, out + "/model_layered.onnx", data.classes);
  WriteOnnx(network, input, OnnxForm::kPortable, out + "/model_portable.onnx", data.classes);
  std::string labels;
  for (const std::string& name : data.classes) labels += name + "\n";
  WriteFile(out + "/labels.txt", labels);
}

}  // namespace csc
