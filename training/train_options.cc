#include "training/train_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "solvers/engines/registry.h"
#include "solvers/error.h"
#include "solvers/executor.h"
#include "training/data/open.h"
#include "training/presets.h"

namespace csc {

namespace {

using Json = nlohmann::ordered_json;

constexpr char kFooter[] =
    "Writes OUT/report.html, OUT/metrics.csv, OUT/events (for TensorBoard), OUT/checkpoint.csc, "
    "OUT/model.onnx (one fused node), OUT/model_layered.onnx, OUT/model_portable.onnx, "
    "OUT/labels.txt and OUT/result.json, and prints the last as one line. Ctrl-C saves a "
    "checkpoint; "
    "--resume continues from it, to the same bits.\n\n"
    "Example: train --model msd_csc --depth 12 --width 32 --unfolding 2 \\\n"
    "    --data folder:cifar10 --augment --epochs 150 --batch-size 128 --learning-rate 0.05 \\\n"
    "    --lr-milestones 75,115 --out cifar10-model";

void AddModelOptions(CLI::App* app, TrainCommand* command) {
  ModelOptions& model = command->training.model;
  app->add_option("--model", model.model, fmt::format("{}", fmt::join(ModelNames(), ", ")))
      ->capture_default_str();
  app->add_option("--depth", model.depth, "layers [6; residual networks, which have 6n+2: 20]");
  app->add_option("--width", model.width,
                  "filters of a layer, or of the first [ml_csc, "
                  "feed_forward: 32; others: 16]");
  app->add_option("--unfolding", model.unfolding,
                  "pursuit steps after the first [1; msdnet, feed_forward, residual networks: "
                  "none]");
  app->add_option("--algorithm", model.algorithm, "ista or fista")->capture_default_str();
  app->add_option("--normalisation", model.normalisation,
                  "before thresholds: none or batch [batch; layered_pursuit: none]");
  app->add_option("--step", model.step, "where the step c starts [1; res_csc: -0.1]");
  app->add_option("--learn-step", model.learn_step,
                  "whether c is trained [true where there is a pursuit]");
  app->add_option("--threshold-identity", model.threshold_identity,
                  "msd_csc: threshold the identity channels too")
      ->capture_default_str();
  app->add_option("--filter-scale", model.filter_scale,
                  "filters start with this over sqrt(fan-in) as standard "
                  "deviation [msd_csc, msd_csc_joint: 0.1, 0.2 without normalisation; ml_csc, "
                  "feed_forward: 0.5, 1; layered_pursuit: 0.7, unfolded further 0.5; others: "
                  "sqrt(2)]");
}

void AddTrainingOptions(CLI::App* app, TrainCommand* command) {
  TrainingOptions& o = command->training;
  app->add_option("--data", o.data, DataSetNames())->capture_default_str();
  app->add_option("--epochs", o.epochs, "passes over the training images")->capture_default_str();
  app->add_option("--batch-size", o.batch_size, "images a step")->capture_default_str();
  app->add_option("--learning-rate", o.learning_rate,
                  "[residual networks: 0.1; layered_pursuit: 0.005; others: 0.02]");
  app->add_option("--lr-schedule", o.schedule, "step (milestones) or cosine (to 0)")
      ->capture_default_str();
  app->add_option("--lr-milestones", command->milestones,
                  "epochs after which the rate is divided by 10, as in "
                  "75,115, or none [a half and three quarters of the epochs]");
  app->add_option("--warmup-epochs", o.warmup_epochs, "over these the rate grows from 0, linearly")
      ->capture_default_str();
  app->add_option("--momentum", o.momentum, "of gradient descent")->capture_default_str();
  app->add_flag("--nesterov,!--no-nesterov", o.nesterov, "Nesterov's momentum");
  app->add_option("--weight-decay", o.weight_decay,
                  "of filters only [residual networks: 0.0001; others: 0]");
  app->add_flag("--decay-all", o.decay_all, "weight decay of thresholds, steps and scales as well");
  app->add_option("--gradient-clip", o.gradient_clip,
                  "largest norm of all gradients together; 0 for none")
      ->capture_default_str();
  app->add_option("--label-smoothing", o.label_smoothing,
                  "share of the target that is spread over all classes")
      ->capture_default_str();
  app->add_flag("--augment,!--no-augment", o.augment,
                "random translations by up to an eighth, and mirror images "
                "except for digits and svhn");
  app->add_option("--validation", o.validation,
                  "hold out so many training images, evenly spaced; the models written are then "
                  "those of the epoch that is best on them, else those of the last")
      ->capture_default_str();
  app->add_option("--seed", o.seed, "of filters, order and augmentation")
      ->check(CLI::Range(int64_t{0}, std::numeric_limits<int64_t>::max()))
      ->capture_default_str();
  app->add_option("--limit-train", o.limit_train,
                  "use so many training images, evenly spaced [all]");
  app->add_option("--limit-test", o.limit_test, "use so many test images, evenly spaced [all]");
}

void AddRunOptions(CLI::App* app, TrainCommand* command) {
  std::vector<std::string> engines;
  for (const EngineInfo& info : KnownEngines()) {
    engines.push_back(info.present ? info.name : info.name + " (absent)");
  }
  app->add_option(
      "--engine", command->engine,
      fmt::format("{} [$CSC_ENGINE, else the first present]", fmt::join(engines, ", ")));
  app->add_option("--arithmetic", command->arithmetic,
                  "what engines may do: float32 (any algorithm), direct (sums as written), tf32, "
                  "bf16 [$CSC_ARITHMETIC, else float32; to resume: the checkpoint's]");
  app->add_option("--memory", command->memory,
                  "fast, or small: less for batch normalisation, but more time [$CSC_MEMORY, else "
                  "fast; to resume: the checkpoint's]");
  app->add_option("--threads", command->threads,
                  fmt::format("0 for all processors, {} here", NumAvailableCpus()))
      ->capture_default_str();
  app->add_option("--out", command->out, "folder for what is written")->capture_default_str();
  app->add_option("--checkpoint-steps", command->checkpoint_steps,
                  "steps between two checkpoints within an epoch; 0 for none")
      ->capture_default_str();
  app->add_flag("--resume", command->resume, "continue from OUT/checkpoint.csc, with its options");
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

}  // namespace

void AddOptions(int argc, const char* const* argv, CLI::App* app, TrainCommand* command) {
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const std::string option = "--preset";
    std::string name;
    if (word == option && i + 1 < argc) name = argv[i + 1];
    if (word.rfind(option + "=", 0) == 0) name = word.substr(option.size() + 1);
    if (!name.empty()) ApplyJson(FindPreset(name).options, &command->training);
  }
  app->add_option("--preset", command->preset,
                  "options of a cell of the paper's tables, as in paper-table2-res_csc-20-cifar10; "
                  "others given override them");
  app->add_flag("--list-presets", command->list_presets,
                "print the presets, one line of JSON each, and end");
  AddModelOptions(app, command);
  AddTrainingOptions(app, command);
  AddRunOptions(app, command);
  app->footer(kFooter);
}

void CompleteOptions(const CLI::App& app, TrainCommand* command) {
  Require(!command->out.empty(), "--out is empty: a folder expected");
  Require(command->threads >= 0, "{} threads: at least 0 expected", command->threads);
  Require(command->checkpoint_steps >= 0, "--checkpoint-steps is {}: at least 0 expected",
          command->checkpoint_steps);
  Require(command->preset.empty() || app.count("--data") > 0 || command->resume,
          "--preset {} needs --data", command->preset);
  ParseMilestones(command->milestones, &command->training);
}

// The options of a checkpoint, with what may change between two runs taken
// from the command line; anything else given there must agree.
TrainingOptions Reconcile(const CLI::App& app, const TrainCommand& command,
                          const TrainingOptions& stored) {
  TrainingOptions options = stored;
  if (app.count("--epochs") > 0) options.epochs = command.training.epochs;
  Require(options.schedule == "step" || options.epochs == stored.epochs,
          "--epochs is {}, but the rate of schedule {} was planned for {}", options.epochs,
          options.schedule, stored.epochs);
  const Json was = ToJson(options);
  const Json now = ToJson(command.training);
  const Json preset = command.preset.empty() ? Json::object() : FindPreset(command.preset).options;
  for (const auto& [name, value] : was.items()) {
    const bool given = app.count("--" + name) > 0 || (name != "epochs" && preset.contains(name));
    if (!given || now.at(name) == value) continue;
    Fail(
        "--{} is {}, but the checkpoint to resume was made with {}; leave it "
        "out, or start anew in another --out",
        name, now.at(name).dump(), value.dump());
  }
  return ResolveOptions(options);
}

}  // namespace csc
