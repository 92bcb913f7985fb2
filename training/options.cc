#include "training/options.h"

#include "solvers/error.h"

namespace csc {

namespace {

using Json = nlohmann::ordered_json;

bool IsResidual(const std::string& model) { return model == "plain" || model.rfind("res", 0) == 0; }

// Calls visit(name, &member) for every option, by its name on the command line.
// The one list that writing, reading and checking share.
template <typename Options, typename Visit>
void ForEachOption(Options* o, const Visit& visit) {
  auto& model = o->model;
  visit("model", &model.model);
  visit("depth", &model.depth);
  visit("width", &model.width);
  visit("unfolding", &model.unfolding);
  visit("algorithm", &model.algorithm);
  visit("normalisation", &model.normalisation);
  visit("step", &model.step);
  visit("learn-step", &model.learn_step);
  visit("threshold-identity", &model.threshold_identity);
  visit("filter-scale", &model.filter_scale);
  visit("data", &o->data);
  visit("epochs", &o->epochs);
  visit("batch-size", &o->batch_size);
  visit("learning-rate", &o->learning_rate);
  visit("lr-schedule", &o->schedule);
  visit("lr-milestones", &o->milestones);
  visit("warmup-epochs", &o->warmup_epochs);
  visit("momentum", &o->momentum);
  visit("nesterov", &o->nesterov);
  visit("weight-decay", &o->weight_decay);
  visit("decay-all", &o->decay_all);
  visit("gradient-clip", &o->gradient_clip);
  visit("label-smoothing", &o->label_smoothing);
  visit("augment", &o->augment);
  visit("validation", &o->validation);
  visit("seed", &o->seed);
  visit("limit-train", &o->limit_train);
  visit("limit-test", &o->limit_test);
}

template <typename T>
Json Value(const T& value) {
  return value;
}
template <typename T>
Json Value(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

template <typename T>
void Read(const Json& json, T* value) {
  *value = json.get<T>();
}
template <typename T>
void Read(const Json& json, std::optional<T>* value) {
  *value = json.get<T>();
}

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
  Require(o.validation >= 0, "{} images for validation: at least 0 expected", o.validation);
  Require(0 <= o.label_smoothing && o.label_smoothing < 1,
          "a label smoothing of {}: at least 0 and less than 1 expected", o.label_smoothing);
  const bool bare = o.model.model == "layered_pursuit";
  if (!o.learning_rate) o.learning_rate = residual ? 0.1 : bare ? 0.005 : 0.02;
  if (!o.weight_decay) o.weight_decay = residual ? 1e-4 : 0;
  if (!o.milestones) {
    o.milestones.emplace();
    if (o.epochs >= 4 && o.schedule == "step") o.milestones = {{o.epochs / 2, o.epochs * 3 / 4}};
  }
  CheckOptions(ScheduleOf(o));
  CheckOptions(SgdOf(o));
  return o;
}

ScheduleOptions ScheduleOf(const TrainingOptions& o) {
  return {*o.learning_rate, o.schedule, *o.milestones, o.warmup_epochs, o.epochs};
}

SgdOptions SgdOf(const TrainingOptions& o) {
  return {o.momentum, o.nesterov, *o.weight_decay, o.gradient_clip};
}

Json ToJson(const TrainingOptions& options) {
  Json json;
  ForEachOption(&options, [&](const char* name, const auto* value) { json[name] = Value(*value); });
  return json;
}

void ApplyJson(const Json& json, TrainingOptions* options) {
  size_t known = 0;
  ForEachOption(options, [&](const char* name, auto* value) {
    const auto found = json.find(name);
    if (found == json.end()) return;
    ++known;
    try {
      Read(*found, value);
    } catch (const Json::exception&) {
      Fail("option {} has the value {}, which is not of its type", name, found->dump());
    }
  });
  if (known == json.size()) return;
  Json names = json;
  ForEachOption(options, [&](const char* name, const auto*) { names.erase(name); });
  Fail("option {} is unknown", names.begin().key());
}

}  // namespace csc
