#include "training/options.h"

#include "solvers/error.h"
#include "training/optimiser/sgd.h"

namespace csc {

namespace {

using Json = nlohmann::ordered_json;

bool IsResidual(const std::string& model) { return model == "plain" || model.rfind("res", 0) == 0; }

}  // namespace

TrainingOptions ResolveOptions(const TrainingOptions& options) {
  TrainingOptions o = options;
  o.model = ResolveOptions(options.model);
  const bool residual = IsResidual(o.model.model);
  Require(1 <= o.epochs && o.epochs <= 1000000, "{} epochs: at least 1 expected", o.epochs);
  Require(1 <= o.batch_size && o.batch_size <= 1000000, "a batch size of {}: at least 1 expected",
          o.batch_size);
  Require(o.limit_train >= 0 && o.limit_test >= 0,
          "a limit of {}: at least 1, or 0 for all images expected",
          o.limit_train < 0 ? o.limit_train : o.limit_test);
  if (!o.learning_rate) o.learning_rate = residual ? 0.1 : 0.02;
  if (!o.weight_decay) o.weight_decay = residual ? 1e-4 : 0;
  if (!o.milestones) {
    o.milestones.emplace();
    if (o.epochs >= 4) o.milestones = {{o.epochs / 2, o.epochs * 3 / 4}};
  }
  CheckOptions({*o.learning_rate, *o.milestones, o.momentum, o.nesterov, *o.weight_decay});
  return o;
}

Json ToJson(const TrainingOptions& options) {
  const ModelOptions& model = options.model;
  return {{"model", model.model},
          {"depth", *model.depth},
          {"width", *model.width},
          {"unfolding", *model.unfolding},
          {"algorithm", model.algorithm},
          {"normalisation", model.normalisation},
          {"step", *model.step},
          {"learn-step", *model.learn_step},
          {"threshold-identity", model.threshold_identity},
          {"filter-scale", *model.filter_scale},
          {"data", options.data},
          {"epochs", options.epochs},
          {"batch-size", options.batch_size},
          {"learning-rate", *options.learning_rate},
          {"lr-milestones", *options.milestones},
          {"momentum", options.momentum},
          {"nesterov", options.nesterov},
          {"weight-decay", *options.weight_decay},
          {"augment", options.augment},
          {"seed", options.seed},
          {"limit-train", options.limit_train},
          {"limit-test", options.limit_test}};
}

TrainingOptions TrainingOptionsFromJson(const Json& json) {
  TrainingOptions options;
  ModelOptions& model = options.model;
  try {
    const auto read = [&](const char* name, auto* value) {
      *value = json.at(name).get<std::decay_t<decltype(*value)>>();
    };
    const auto read_optional = [&](const char* name, auto* value) {
      value->emplace();
      read(name, &**value);
    };
    read("model", &model.model);
    read_optional("depth", &model.depth);
    read_optional("width", &model.width);
    read_optional("unfolding", &model.unfolding);
    read("algorithm", &model.algorithm);
    read("normalisation", &model.normalisation);
    read_optional("step", &model.step);
    read_optional("learn-step", &model.learn_step);
    read("threshold-identity", &model.threshold_identity);
    read_optional("filter-scale", &model.filter_scale);
    read("data", &options.data);
    read("epochs", &options.epochs);
    read("batch-size", &options.batch_size);
    read_optional("learning-rate", &options.learning_rate);
    read_optional("lr-milestones", &options.milestones);
    read("momentum", &options.momentum);
    read("nesterov", &options.nesterov);
    read_optional("weight-decay", &options.weight_decay);
    read("augment", &options.augment);
    read("seed", &options.seed);
    read("limit-train", &options.limit_train);
    read("limit-test", &options.limit_test);
  } catch (const Json::exception& error) {
    Fail("options of a checkpoint: {}", error.what());
  }
  return ResolveOptions(options);
}

}  // namespace csc
