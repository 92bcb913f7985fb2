// A trainer's state as a checkpoint, and back.

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "solvers/error.h"
#include "training/trainer.h"

namespace csc {

namespace {

using Json = nlohmann::ordered_json;

Json ParseDescription(const Checkpoint& checkpoint) {
  Json json = Json::parse(checkpoint.description, nullptr, false);
  Require(json.is_object(), "the checkpoint's description is no JSON object");
  return json;
}

// Copies an array of the checkpoint that must have the size of `dst`.
void Take(const Checkpoint& checkpoint, const char* name, std::vector<float>* dst) {
  const auto found = checkpoint.arrays.find(name);
  Require(found != checkpoint.arrays.end(), "the checkpoint has no {}", name);
  Require(found->second.size() == dst->size(), "the checkpoint has {} {}: {} expected",
          found->second.size(), name, dst->size());
  *dst = found->second;
}

}  // namespace

// Layers and parameters, so that a checkpoint is never poured into a network
// that only happens to have as many numbers.
std::string Trainer::ModelDescription() const {
  std::vector<LayerSpec> layers;
  for (const ModelLayer& layer : model_.layers) layers.push_back(layer.spec);
  std::string text = WriteSpec(layers);
  for (const ModelParameter& p : model_.parameters) {
    text += fmt::format("; {} {}", p.name, ToString(p.dims));
  }
  return text;
}

Checkpoint Trainer::Save() {
  Settle();
  Json history = Json::array();
  for (const EpochResult& r : history_) {
    history.push_back({r.epoch, r.learning_rate, r.train_loss, r.train_accuracy, r.test_loss,
                       r.test_accuracy, r.validation_loss, r.validation_accuracy});
  }
  const Json description = {{"options", ToJson(options_)},
                            {"engine", engine_.name()},
                            {"arithmetic", Name(ChosenOptions().arithmetic)},
                            {"memory", Name(ChosenOptions().memory)},
                            {"computed_by", ComputedBy(engine_)},
                            {"data", fingerprint_},
                            {"model", ModelDescription()},
                            {"epoch", epoch_},
                            {"step", step_},
                            {"loss_sum", loss_sum_},
                            {"correct", correct_},
                            {"seen", seen_},
                            {"history", history},
                            {"selected", selected_}};
  Checkpoint checkpoint = {
      description.dump(),
      {{"parameters", parameters_}, {"velocity", velocity_}, {"moments", moments_}}};
  if (holds_out() && !history_.empty()) {
    checkpoint.arrays["selected_parameters"] = selected_parameters_;
    checkpoint.arrays["selected_moments"] = selected_moments_;
  }
  return checkpoint;
}

void Trainer::Restore(const Checkpoint& checkpoint) {
  const Json json = ParseDescription(checkpoint);
  try {
    Require(json.at("model").get<std::string>() == ModelDescription(),
            "the checkpoint is of another model than {} with these options", options_.model.model);
    Require(json.at("data").get<std::string>() == fingerprint_,
            "the checkpoint was made with other images than those of {}: their "
            "fingerprint is {}, {} expected",
            data_.name, fingerprint_, json.at("data").get<std::string>());
    Settle();
    Take(checkpoint, "parameters", &parameters_);
    Take(checkpoint, "velocity", &velocity_);
    session_->SetState(parameters_.data(), velocity_.data());
    Take(checkpoint, "moments", &moments_);
    json.at("epoch").get_to(epoch_);
    json.at("step").get_to(step_);
    json.at("loss_sum").get_to(loss_sum_);
    json.at("correct").get_to(correct_);
    json.at("seen").get_to(seen_);
    history_.clear();
    for (const Json& row : json.at("history")) {
      history_.push_back(
          {row.at(0), row.at(1), row.at(2), row.at(3), row.at(4), row.at(5), row.at(6), row.at(7)});
    }
    json.at("selected").get_to(selected_);
    if (holds_out() && !history_.empty()) {
      Require(selected_ < history_.size(), "the checkpoint selects epoch {} of {}", selected_ + 1,
              history_.size());
      selected_parameters_.resize(parameters_.size());
      selected_moments_.resize(moments_.size());
      Take(checkpoint, "selected_parameters", &selected_parameters_);
      Take(checkpoint, "selected_moments", &selected_moments_);
    }
  } catch (const Json::exception& error) {
    Fail("the checkpoint's description is damaged: {}", error.what());
  }
}

std::string ComputedBy(const Engine& engine) {
  const PrepareOptions options = ChosenOptions();
  const std::string algorithms = engine.algorithms();
  return fmt::format("{}, {}, {} memory{}{}", engine.name(), Name(options.arithmetic),
                     Name(options.memory), algorithms.empty() ? "" : ", ", algorithms);
}

CheckpointOrigin OriginOf(const Checkpoint& checkpoint) {
  const Json json = ParseDescription(checkpoint);
  const auto is_text = [&](const char* name) {
    return !json.contains(name) || json[name].is_string();
  };
  Require(json.contains("options") && json.contains("engine") && is_text("engine") &&
              is_text("computed_by") && is_text("arithmetic") && is_text("memory"),
          "the checkpoint does not say what made it");
  Require(json.contains("epoch") && json["epoch"].is_number_integer(),
          "the checkpoint does not say how many epochs are done");
  TrainingOptions options;
  ApplyJson(json["options"], &options);
  return {ResolveOptions(options),
          json["epoch"].get<int64_t>(),
          json["engine"].get<std::string>(),
          json.value("arithmetic", std::string()),
          json.value("memory", std::string()),
          json.value("computed_by", std::string())};
}

}  // namespace csc
