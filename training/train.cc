// The training driver: a data set and options in, a trained network out.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>

#include "solvers/engines/registry.h"
#include "solvers/error.h"
#include "solvers/executor.h"
#include "training/command_line.h"
#include "training/data/open.h"
#include "training/options.h"
#include "training/progress.h"
#include "training/run_training.h"
#include "training/trainer.h"

namespace csc {

namespace {

using Json = nlohmann::ordered_json;

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

struct CommandLine {
  TrainingOptions training;
  std::string milestones;  // "75,115" or "none"
  std::string engine;
  int threads = 0;
  std::string out = "trained";
  int64_t checkpoint_steps = 100;
  bool resume = false;
};

constexpr char kFooter[] =
    "Writes OUT/metrics.csv, OUT/checkpoint.csc, OUT/model.onnx (one fused "
    "node), OUT/model_layered.onnx, OUT/model_portable.onnx and "
    "OUT/labels.txt, and prints one line of JSON. Ctrl-C saves a checkpoint; "
    "--resume continues from it, to the same bits.\n\n"
    "Example: train --model msd_csc --depth 12 --width 32 --unfolding 2 \\\n"
    "    --data folder:cifar10 --augment --epochs 150 --batch-size 128 --learning-rate 0.05 \\\n"
    "    --lr-milestones 75,115 --out cifar10-model";

void AddModelOptions(CLI::App* app, CommandLine* line) {
  ModelOptions& model = line->training.model;
  app->add_option("--model", model.model, fmt::format("{}", fmt::join(ModelNames(), ", ")))
      ->capture_default_str();
  app->add_option("--depth", model.depth,
                  "layers [msd_csc, msdnet: 6; residual networks, which have "
                  "6n+2: 20; ml_csc, feed_forward: 6]");
  app->add_option("--width", model.width,
                  "filters of a layer, or of the first [ml_csc, "
                  "feed_forward: 32; others: 16]");
  app->add_option("--unfolding", model.unfolding,
                  "pursuit steps after the first [msd_csc, ml_csc: 1]");
  app->add_option("--algorithm", model.algorithm, "ista or fista")->capture_default_str();
  app->add_option("--normalisation", model.normalisation,
                  "before thresholds: none or batch [batch]");
  app->add_option("--step", model.step,
                  "where the step c starts [msd_csc, ml_csc: 1; res_csc: "
                  "-0.1]");
  app->add_option("--learn-step", model.learn_step,
                  "whether c is trained [msd_csc, ml_csc, res_csc: true]");
  app->add_option("--threshold-identity", model.threshold_identity,
                  "msd_csc: threshold the identity channels too")
      ->capture_default_str();
  app->add_option("--filter-scale", model.filter_scale,
                  "filters start with this over sqrt(fan-in) as standard "
                  "deviation [msd_csc: 0.1, 0.2 without normalisation; ml_csc, feed_forward: 0.5, "
                  "1; others: sqrt(2)]");
}

void AddTrainingOptions(CLI::App* app, CommandLine* line) {
  TrainingOptions& o = line->training;
  app->add_option("--data", o.data,
                  "digits, folder:DIR (DIR/train/CLASS/*, DIR/test/CLASS/*) "
                  "or cifar10:DIR (the binary files)")
      ->capture_default_str();
  app->add_option("--epochs", o.epochs, "passes over the training images")->capture_default_str();
  app->add_option("--batch-size", o.batch_size, "images a step")->capture_default_str();
  app->add_option("--learning-rate", o.learning_rate, "[residual networks: 0.1; others: 0.02]");
  app->add_option("--lr-milestones", line->milestones,
                  "epochs after which the rate is divided by 10, as in "
                  "75,115, or none [a half and three quarters of the epochs]");
  app->add_option("--momentum", o.momentum, "of gradient descent")->capture_default_str();
  app->add_flag("--nesterov", o.nesterov, "Nesterov's momentum");
  app->add_option("--weight-decay", o.weight_decay,
                  "of filters only [residual networks: 0.0001; others: 0]");
  app->add_flag("--augment", o.augment,
                "random translations by up to an eighth, and mirror images "
                "except for digits");
  app->add_option("--seed", o.seed, "of filters, order and augmentation")->capture_default_str();
  app->add_option("--limit-train", o.limit_train,
                  "use so many training images, evenly spaced [all]");
  app->add_option("--limit-test", o.limit_test, "use so many test images, evenly spaced [all]");
}

void AddRunOptions(CLI::App* app, CommandLine* line) {
  std::vector<std::string> engines;
  for (const EngineInfo& info : KnownEngines()) {
    engines.push_back(info.present ? info.name : info.name + " (absent)");
  }
  app->add_option("--engine", line->engine,
                  fmt::format("{} [$CSC_ENGINE, else the first]", fmt::join(engines, ", ")));
  app->add_option("--threads", line->threads,
                  fmt::format("0 for all processors, {} here", NumAvailableCpus()))
      ->capture_default_str();
  app->add_option("--out", line->out, "folder for what is written")->capture_default_str();
  app->add_option("--checkpoint-steps", line->checkpoint_steps,
                  "steps between two checkpoints within an epoch; 0 for none")
      ->capture_default_str();
  app->add_flag("--resume", line->resume, "continue from OUT/checkpoint.csc, with its options");
}

void ParseMilestones(const std::string& text, TrainingOptions* options) {
  if (text.empty()) return;
  options->milestones.emplace();
  if (text == "none") return;
  std::string part;
  std::istringstream stream(text + ",");
  while (std::getline(stream, part, ',')) {
    int64_t epoch = 0;
    Require(CLI::detail::lexical_cast(part, epoch),
            "--lr-milestones is \"{}\": epochs as in 75,115 or none expected", text);
    options->milestones->push_back(epoch);
  }
}

// The options of a checkpoint, with what may change between two runs taken
// from the command line; anything else given there must agree.
TrainingOptions Reconcile(const CLI::App& app, const TrainingOptions& stored,
                          const TrainingOptions& given) {
  TrainingOptions options = stored;
  if (app.count("--epochs") > 0) options.epochs = given.epochs;
  // Unset options of the command line take the stored values, so that what
  // was given is compared and nothing else.
  const Json was = ToJson(options);
  TrainingOptions filled = given;
  const auto fill = [](const auto& from, auto* to) {
    if (!*to) *to = from;
  };
  fill(stored.model.depth, &filled.model.depth);
  fill(stored.model.width, &filled.model.width);
  fill(stored.model.unfolding, &filled.model.unfolding);
  fill(stored.model.step, &filled.model.step);
  fill(stored.model.learn_step, &filled.model.learn_step);
  fill(stored.model.filter_scale, &filled.model.filter_scale);
  fill(stored.learning_rate, &filled.learning_rate);
  fill(stored.milestones, &filled.milestones);
  fill(stored.weight_decay, &filled.weight_decay);
  const Json now = ToJson(filled);
  for (const auto& [name, value] : was.items()) {
    if (app.count("--" + name) == 0 || now.at(name) == value) continue;
    Fail(
        "--{} is {}, but the checkpoint to resume was made with {}; leave it "
        "out, or start anew in another --out",
        name, now.at(name).dump(), value.dump());
  }
  return ResolveOptions(options);
}

int Train(const CLI::App& app, CommandLine* line) {
  Require(line->threads >= 0, "{} threads: at least 0 expected", line->threads);
  Require(line->checkpoint_steps >= 0, "--checkpoint-steps is {}: at least 0 expected",
          line->checkpoint_steps);
  ParseMilestones(line->milestones, &line->training);
  Progress progress;
  const std::string path = CheckpointPath(line->out);
  const bool exists = std::filesystem::exists(path);
  // Neither a forgotten --resume nor a mistyped --out may cost a night's work.
  Require(!exists || line->resume,
          "{} holds a training: --resume continues it, another --out starts anew", line->out);
  Require(exists || !line->resume, "{} is not there, so there is nothing to resume", path);
  std::optional<Checkpoint> checkpoint;
  TrainingOptions options;
  std::string engine_name = line->engine;
  if (line->resume) {
    checkpoint = ReadCheckpoint(path);
    const CheckpointOrigin origin = OriginOf(*checkpoint);
    options = Reconcile(app, origin.options, line->training);
    if (engine_name.empty()) engine_name = origin.engine;
    if (engine_name != origin.engine) {
      progress.Note(fmt::format("note: begun on engine {}, continued on {}: not to the same bits",
                                origin.engine, engine_name));
    }
  } else {
    options = ResolveOptions(line->training);
  }

  const Engine& engine = FindEngine(engine_name);
  const std::unique_ptr<Executor> executor =
      MakeThreadPool(line->threads > 0 ? line->threads : NumAvailableCpus());
  DataSet data = OpenDataSet(options.data, executor.get());
  Limit(&data.train, options.limit_train);
  Limit(&data.test, options.limit_test);

  Trainer trainer(options, data, engine, executor.get());
  if (checkpoint) trainer.Restore(*checkpoint);
  const auto warn = [&](const char* when) {
    const std::string warning = StepWarning(trainer.model(), trainer.parameters());
    if (!warning.empty()) {
      progress.Note(fmt::format("warning: {}, {}", when, warning));
    }
  };
  if (!checkpoint) warn("at the start");
  std::error_code error;
  std::filesystem::create_directories(line->out, error);
  Require(std::filesystem::is_directory(line->out), "{}: cannot be made into a folder: {}",
          line->out, error.message());
  CatchInterrupts();
  const bool done = RunTraining(
      {line->out, line->checkpoint_steps, [] { return interrupted != 0; }}, &trainer, &progress);
  if (!done) {
    progress.Note(
        fmt::format("interrupted in epoch {}, after step {} of {}; --resume --out {} "
                    "continues",
                    trainer.epoch() + 1, trainer.step(), trainer.num_steps(), line->out));
    return kInterrupted;
  }
  // A normalised iteration is rescaled in every step, whatever c lambda_max.
  if (options.model.normalisation == "none") warn("after training");
  WriteModels(line->out, trainer, data);

  const EpochResult& last = trainer.history().back();
  const Json report = {{"test_accuracy", last.test_accuracy},
                       {"train_loss", last.train_loss},
                       {"images_per_second", std::round(progress.ImagesPerSecond() * 10) / 10},
                       {"epochs", static_cast<int64_t>(trainer.history().size())},
                       {"parameters", trainer.model().trainable_parameters()},
                       {"engine", engine.name()},
                       {"model", options.model.model},
                       {"data", options.data},
                       {"out", line->out}};
  fmt::print("{}\n", report.dump());
  return 0;
}

}  // namespace

}  // namespace csc

int main(int argc, char** argv) {
  CLI::App app("Trains convolutional sparse coding networks.", "train");
  csc::CommandLine line;
  csc::AddModelOptions(&app, &line);
  csc::AddTrainingOptions(&app, &line);
  csc::AddRunOptions(&app, &line);
  app.footer(csc::kFooter);
  return csc::RunProgram(&app, argc, argv, [&] { return csc::Train(app, &line); });
}
