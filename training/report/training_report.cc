#include "training/report/training_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "solvers/error.h"
#include "training/evaluation.h"
#include "training/report/history.h"
#include "training/report/html_report.h"

namespace csc {

namespace {

constexpr int64_t kSample = 32;     // images to look into the layers with
constexpr double kCheapEnough = 1;  // seconds an epoch may wait for that
constexpr int64_t kEvaluationBatch = 64;

double Now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

History HistoryOf(const Trainer& trainer) {
  return ParseHistory(MetricsCsv(trainer.history(), trainer.holds_out()));
}

std::string Spaced(std::string name) {
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

bool EndsWith(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// The last epoch's figures, and what it took.
ReportInput::Pairs Figures(const Trainer& trainer, const History& history,
                           double images_per_second) {
  ReportInput::Pairs pairs;
  for (const char* kind : {"_accuracy", "_loss"}) {
    for (const Column& column : history.columns) {
      if (!EndsWith(column.name, kind) || column.values.empty()) continue;
      const double last = column.values.back();
      pairs.emplace_back(Spaced(column.name), EndsWith(column.name, "_accuracy")
                                                  ? fmt::format("{:.2f} %", 100 * last)
                                                  : fmt::format("{:.4g}", last));
    }
  }
  pairs.emplace_back("parameters", fmt::format("{}", trainer.model().trainable_parameters()));
  if (images_per_second > 0) {
    pairs.emplace_back("images per second", fmt::format("{:.0f}", images_per_second));
  }
  pairs.emplace_back("engine", trainer.engine().name());
  pairs.emplace_back("arithmetic", Name(ChosenOptions().arithmetic));
  pairs.emplace_back("memory", Name(ChosenOptions().memory));
  return pairs;
}

ReportInput::Pairs OptionPairs(const TrainingOptions& options) {
  ReportInput::Pairs pairs;
  const nlohmann::ordered_json json = ToJson(options);
  for (const auto& [name, value] : json.items()) {
    pairs.emplace_back(name, value.is_string() ? value.get<std::string>() : value.dump());
  }
  return pairs;
}

// Of the network as it is, where the trainer has not just made one: a training
// that was over when it was resumed.
std::vector<int64_t> ConfusionOf(const Trainer& trainer, const Network& network) {
  if (!trainer.last_evaluation().confusion.empty()) return trainer.last_evaluation().confusion;
  const DataSet& data = trainer.data();
  Evaluator evaluator(trainer.engine(), trainer.executor(), network, data.test.shape,
                      std::min(kEvaluationBatch, data.test.size()));
  return evaluator.Evaluate(network, data, data.test).confusion;
}

}  // namespace

TrainingReport::TrainingReport(const std::string& out, const std::string& command,
                               const Trainer& trainer)
    : out_(out), command_(command), trainer_(trainer) {
  if (trainer.Finished()) return;
  const int64_t done = trainer.epoch() * trainer.num_steps() + trainer.step();
  events_ = std::make_unique<EventFile>(out + "/events", done + 1, Now());
}

void TrainingReport::LogEpoch(double images_per_second) {
  Require(events_ != nullptr, "an epoch after the end of the training");
  const History history = HistoryOf(trainer_);
  auto scalars = ScalarsOf(history, history.size() - 1);
  if (images_per_second > 0) scalars.emplace_back("images_per_second", images_per_second);
  events_->AddScalars(trainer_.epoch() * trainer_.num_steps(), Now(), scalars);
}

void TrainingReport::MeasureLayers(const Network& network) {
  const auto start = std::chrono::steady_clock::now();
  const DataSet& data = trainer_.data();
  const int64_t count = std::min(kSample, data.test.size());
  std::vector<uint32_t> indices;
  for (int64_t i = 0; i < count; ++i) {
    indices.push_back(static_cast<uint32_t>(i * data.test.size() / count));
  }
  std::vector<float> images(count * data.test.shape.size());
  ToFloat(data, data.test, indices.data(), count, nullptr, images.data());
  white_box_note_ =
      fmt::format("Measured after epoch {} on {} test images.", trainer_.epoch(), count);
  try {
    white_box_ = MeasureWhiteBox(trainer_.engine(), trainer_.executor(), network, data.test.shape,
                                 images.data(), count);
  } catch (const EngineDeclined& error) {
    // No reason to end a training that the engine can run.
    white_box_.clear();
    white_box_note_ = fmt::format("Not measured: {}", error.what());
  }
  white_box_seconds_ =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void TrainingReport::Write(double images_per_second) {
  const TrainingOptions& options = trainer_.options();
  const Network network = trainer_.Frozen();
  if (white_box_seconds_ < kCheapEnough || trainer_.Finished()) MeasureLayers(network);

  ReportInput input;
  input.title = fmt::format("{} on {}", options.model.model, options.data);
  input.subtitle = fmt::format("after epoch {} of {}", trainer_.epoch(), options.epochs);
  input.history = HistoryOf(trainer_);
  input.figures = Figures(trainer_, input.history, images_per_second);
  input.classes = trainer_.data().classes;
  input.confusion = ConfusionOf(trainer_, network);
  input.network = &network;
  input.white_box = white_box_;
  input.white_box_note = white_box_note_;
  input.options = OptionPairs(options);
  input.command = command_;
  WriteReport(out_, input);
}

}  // namespace csc
