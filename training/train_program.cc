#include "training/train_program.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "solvers/engines/registry.h"
#include "solvers/error.h"
#include "solvers/executor.h"
#include "training/command_line.h"
#include "training/data/open.h"
#include "training/file.h"
#include "training/presets.h"
#include "training/progress.h"
#include "training/run_training.h"
#include "training/train_options.h"
#include "training/trainer.h"

namespace csc {

namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

constexpr int kInterrupted = 130;  // as shells report SIGINT

volatile std::sig_atomic_t interrupted = 0;

extern "C" void OnInterrupt(int) { interrupted = 1; }

// The first SIGINT or SIGTERM asks for a checkpoint; the second ends the
// program at once.
void CatchInterrupts() {
  struct sigaction action = {};
  action.sa_handler = OnInterrupt;
  action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

int ListPresets() {
  for (const Preset& preset : Presets()) {
    const Json line = {{"preset", preset.name},
                       {"classes", preset.classes},
                       {"paper_accuracy", preset.accuracy},
                       {"options", preset.options}};
    fmt::print("{}\n", line.dump());
  }
  return 0;
}

// What a training starts from.
struct Start {
  TrainingOptions options;
  const Engine* engine = nullptr;
  std::optional<Checkpoint> checkpoint;
  std::string result;  // of a checkpoint whose training was over; else empty
};

std::string ResultPath(const TrainCommand& command) { return command.out + "/result.json"; }

// The last file that a training writes, if it is there. One of fewer epochs does not
// count: the training went on since, and ended before it could write its own.
std::string FinishedResult(const TrainCommand& command, int64_t epochs) {
  if (!std::filesystem::exists(ResultPath(command))) return "";
  const std::string text = ReadFile(ResultPath(command));
  const Json result = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  const bool current =
      result.is_object() && result.contains("epochs") && result["epochs"] == epochs;
  return current ? text : "";
}

bool IsSet(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != 0;
}

// Everything in a training asks the environment how engines may compute (ChosenOptions),
// so a flag, or what the checkpoint was made with where nobody says otherwise, goes there.
void ChooseHowToCompute(const TrainCommand& command, const CheckpointOrigin& origin) {
  const auto choose = [](const char* variable, const std::string& flag, const std::string& before) {
    const std::string& value = !flag.empty() || IsSet(variable) ? flag : before;
    if (!value.empty()) setenv(variable, value.c_str(), /*overwrite=*/1);
  };
  choose("CSC_ARITHMETIC", command.arithmetic, origin.arithmetic);
  choose("CSC_MEMORY", command.memory, origin.memory);
  ChosenOptions();  // throws for values that mean nothing
}

// Asked before data are read, which can take minutes, rather than after. Makes nothing:
// a training that fails before its first step leaves no folder.
void RequireWritableFolder(const std::string& out) {
  namespace fs = std::filesystem;
  fs::path folder = fs::absolute(out);
  std::error_code unreachable;
  while (!fs::exists(folder, unreachable) && folder != folder.root_path()) {
    folder = folder.parent_path();
  }
  Require(fs::is_directory(folder, unreachable), "{}: {} is no folder", out, folder.string());
  if (access(folder.c_str(), W_OK | X_OK) != 0) {
    Fail("{}: cannot be written to: {}", folder.string(), std::strerror(errno));
  }
}

Start FindStart(const CLI::App& app, const TrainCommand& command, Progress* progress) {
  Start start;
  const std::string path = CheckpointPath(command.out);
  const bool exists = std::filesystem::exists(path);
  // Neither a forgotten --resume nor a mistyped --out may cost a night's work.
  Require(!exists || command.resume,
          "{} holds a training: --resume continues it, another --out starts anew", command.out);
  Require(exists || !command.resume, "{} is not there, so there is nothing to resume", path);
  if (!command.resume) {
    start.options = ResolveOptions(command.training);
    start.engine = &FindEngine(command.engine);
    ChooseHowToCompute(command, {});
    return start;
  }
  start.checkpoint = ReadCheckpoint(path);
  const CheckpointOrigin origin = OriginOf(*start.checkpoint);
  start.options = Reconcile(app, command, origin.options);
  const bool chosen = !command.engine.empty() || IsSet("CSC_ENGINE");
  start.engine = &FindEngine(chosen ? command.engine : origin.engine);
  if (origin.epochs >= start.options.epochs) start.result = FinishedResult(command, origin.epochs);
  if (!start.result.empty()) {
    progress->Note(
        fmt::format("{} is finished: {} epochs are trained, its files are left as they are",
                    command.out, origin.epochs));
    return start;
  }
  ChooseHowToCompute(command, origin);
  const std::string computed_by = ComputedBy(*start.engine);
  if (!origin.computed_by.empty() && computed_by != origin.computed_by) {
    progress->Note(fmt::format("note: begun by {}; continued by {}: not to the same bits",
                               origin.computed_by, computed_by));
  }
  if (start.options.epochs != origin.options.epochs && !start.options.milestones->empty()) {
    progress->Note(fmt::format("note: the rate still drops before epochs {}, as was planned for {}",
                               fmt::join(*start.options.milestones, ", "), origin.options.epochs));
  }
  return start;
}

DataSet Prepare(const TrainCommand& command, const TrainingOptions& options, Executor* executor,
                Progress* progress) {
  DataSet data = OpenDataSet(options.data, executor);
  for (const std::string& note : data.notes) progress->Note("note: " + note);
  const int64_t classes = static_cast<int64_t>(data.classes.size());
  if (!command.preset.empty()) {
    const int64_t expected = FindPreset(command.preset).classes;
    Require(classes == expected, "--data {} has {} classes: preset {} expects {}", options.data,
            classes, command.preset, expected);
  }
  PrepareData(options, &data);
  return data;
}

Json ResultOf(const TrainCommand& command, const Trainer& trainer, const std::string& engine,
              double images_per_second, double seconds) {
  const EpochResult& selected = trainer.selected();
  const EpochResult& last = trainer.history().back();
  Json result = {{"test_accuracy", selected.test_accuracy},
                 {"train_loss", selected.train_loss},
                 {"epoch", selected.epoch},
                 {"last_test_accuracy", last.test_accuracy}};
  if (trainer.holds_out()) result["validation_accuracy"] = selected.validation_accuracy;
  const double own = std::max(0.0, 1 - trainer.compute_seconds() / seconds);
  result.update({{"images_per_second", std::round(images_per_second * 10) / 10},
                 {"seconds", std::round(seconds * 10) / 10},
                 {"driver_share", std::round(own * 1e4) / 1e4},
                 {"epochs", static_cast<int64_t>(trainer.history().size())},
                 {"parameters", trainer.model().trainable_parameters()},
                 {"engine", engine},
                 {"arithmetic", Name(ChosenOptions().arithmetic)},
                 {"memory", Name(ChosenOptions().memory)},
                 {"model", trainer.options().model.model},
                 {"data", trainer.options().data},
                 {"seed", trainer.options().seed},
                 {"processes", SizeOf(trainer.communicator())},
                 {"out", command.out}});
  if (!command.preset.empty()) result["preset"] = command.preset;
  return result;
}

int Train(const CLI::App& app, TrainCommand* command, Communicator* communicator) {
  const bool reports = RankOf(communicator) == 0;
  if (command->list_presets) return reports ? ListPresets() : 0;
  CompleteOptions(app, command);
  Progress progress(/*silent=*/!reports);
  const Start start = FindStart(app, *command, &progress);
  if (!start.result.empty()) {
    if (reports) fmt::print("{}", start.result);
    return 0;
  }
  if (reports) RequireWritableFolder(command->out);
  const Engine& engine = *start.engine;
  const std::unique_ptr<Executor> executor =
      MakeThreadPool(command->threads > 0 ? command->threads : NumAvailableCpus());
  const DataSet data = Prepare(*command, start.options, executor.get(), &progress);

  Trainer trainer(start.options, data, engine, executor.get(), communicator);
  if (start.checkpoint) trainer.Restore(*start.checkpoint);
  const auto warn = [&](const char* when) {
    const std::string warning = StepWarning(trainer.model(), trainer.parameters());
    if (!warning.empty()) progress.Note(fmt::format("warning: {}, {}", when, warning));
  };
  if (!start.checkpoint) warn("at the start");
  std::error_code error;
  std::filesystem::create_directories(command->out, error);
  Require(std::filesystem::is_directory(command->out), "{}: cannot be made into a folder: {}",
          command->out, error.message());
  if (reports) {
    // Of an earlier training, or of fewer epochs: if this one is killed, it must not pass
    // for its result.
    std::filesystem::remove(ResultPath(*command), error);
    Require(!error, "{}: cannot be removed: {}", ResultPath(*command), error.message());
  }
  CatchInterrupts();
  const Clock::time_point begin = Clock::now();
  const bool done = RunTraining(
      {command->out, command->checkpoint_steps, [] { return interrupted != 0; }, command->text},
      &trainer, &progress);
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  if (!done) {
    progress.Note(
        fmt::format("interrupted in epoch {}, after step {} of {}; --resume --out {} "
                    "continues",
                    trainer.epoch() + 1, trainer.step(), trainer.num_steps(), command->out));
    return kInterrupted;
  }
  // A normalised iteration is rescaled in every step, whatever c lambda_max.
  if (start.options.model.normalisation == "none") warn("after training");
  if (!reports) return 0;
  WriteModels(command->out, trainer, data);
  const Json result =
      ResultOf(*command, trainer, engine.name(), progress.ImagesPerSecond(), seconds);
  WriteFile(ResultPath(*command), result.dump() + "\n");
  fmt::print("{}\n", result.dump());
  return 0;
}

}  // namespace

int RunTrainProgram(int argc, char** argv, Communicator* communicator) {
  CLI::App app("Trains convolutional sparse coding networks.", "train");
  TrainCommand command;
  command.text = CommandText(argc, argv);
  try {
    AddOptions(argc, argv, &app, &command);
  } catch (const Error& error) {
    PrintError(fmt::format("train: {}", error.what()));
    return 1;
  }
  return RunProgram(&app, argc, argv, [&] { return Train(app, &command, communicator); });
}

}  // namespace csc
