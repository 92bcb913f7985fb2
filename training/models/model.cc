#include "training/models/model.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "solvers/error.h"
#include "training/models/builder.h"
#include "training/random.h"

namespace csc {

namespace {

// A kind of model: how to build it, and its defaults.
struct Kind {
  std::string name;
  void (*build)(ModelBuilder*);
  int depth;
  int width;
  int unfolding;  // -1: it has none
  const char* normalisation;
  double step;
  bool learn_step;
  // With batch normalisation, and without.
  double filter_scale;
  double bare_filter_scale;
};

const double kKaiming = std::sqrt(2.0);

// At 0.1 (the published choice) lambda_max of [I, F^T] is about 1.1, so that
// c = 1 contracts; Kaiming's scale makes it 7 to 41, and the first unfolded
// step diverges. Without normalisation 0.1 leaves the new channels so weak
// that 20 epochs of the digits end at 28 % where 0.2, which still contracts,
// ends at 96 %; three ML-CSC layers in a row need more for the same reason.
// Layers of plain pursuit have no normalisation at all: at one step 0.6 to 0.9
// end above 97 % with seeds 1 to 5, 0.4 never leaves the start and 1.4 diverges;
// more steps diverge from 0.7 on and want 0.5.
const std::vector<Kind>& Kinds() {
  static const auto* kinds = new std::vector<Kind>{
      {"msd_csc", BuildMsdCsc, 6, 16, 1, "batch", 1, true, 0.1, 0.2},
      {"msd_csc_joint", BuildMsdCscJoint, 6, 16, 1, "batch", 1, true, 0.1, 0.2},
      {"layered_pursuit", BuildLayeredPursuit, 6, 16, 1, "none", 1, true, 0.7, 0.7},
      {"msdnet", BuildMsdCsc, 6, 16, -1, "batch", 1, false, kKaiming, kKaiming},
      {"res_csc", BuildResidual, 20, 16, -1, "batch", -0.1, true, kKaiming, kKaiming},
      {"res_csc_simplified", BuildResidual, 20, 16, -1, "batch", -0.1, true, kKaiming, kKaiming},
      {"resnet", BuildResidual, 20, 16, -1, "batch", 0, false, kKaiming, kKaiming},
      {"plain", BuildResidual, 20, 16, -1, "batch", 0, false, kKaiming, kKaiming},
      {"ml_csc", BuildMultiLayer, 6, 32, 1, "batch", 1, true, 0.5, 1},
      {"feed_forward", BuildMultiLayer, 6, 32, -1, "batch", 1, false, 0.5, 1},
  };
  return *kinds;
}

const Kind& FindKind(const std::string& name) {
  for (const Kind& kind : Kinds()) {
    if (kind.name == name) return kind;
  }
  Fail("model \"{}\" is unknown: one of {} expected", name, fmt::join(ModelNames(), ", "));
}

void CheckDepth(const Kind& kind, int depth) {
  if (kind.build == BuildResidual) {
    Require(depth >= 8 && depth <= 1202 && depth % 6 == 2,
            "a depth of {}: 6 n + 2 expected by model {}, as in 20, 32, 44", depth, kind.name);
  } else if (kind.build == BuildMultiLayer) {
    Require(depth == kind.depth, "a depth of {}: model {} has {} layers", depth, kind.name,
            kind.depth);
  } else {
    Require(1 <= depth && depth <= 200, "a depth of {}: 1..200 expected", depth);
  }
}

}  // namespace

const std::vector<std::string>& ModelNames() {
  static const auto* names = [] {
    auto* list = new std::vector<std::string>;
    for (const Kind& kind : Kinds()) list->push_back(kind.name);
    return list;
  }();
  return *names;
}

ModelOptions ResolveOptions(const ModelOptions& options) {
  const Kind& kind = FindKind(options.model);
  ModelOptions o = options;
  if (!o.depth) o.depth = kind.depth;
  CheckDepth(kind, *o.depth);
  if (!o.width) o.width = kind.width;
  Require(1 <= *o.width && *o.width <= 4096, "a width of {}: 1..4096 expected", *o.width);
  if (!o.unfolding) o.unfolding = std::max(kind.unfolding, 0);
  Require(0 <= *o.unfolding && *o.unfolding <= 1000, "an unfolding of {}: 0..1000 expected",
          *o.unfolding);
  Require(kind.unfolding >= 0 || *o.unfolding == 0, "an unfolding of {}: model {} has none",
          *o.unfolding, kind.name);
  Require(o.algorithm == "ista" || o.algorithm == "fista",
          "algorithm is \"{}\": \"ista\" or \"fista\" expected", o.algorithm);
  if (o.normalisation.empty()) o.normalisation = kind.normalisation;
  Require(o.normalisation == "none" || o.normalisation == "batch",
          "normalisation is \"{}\": \"none\" or \"batch\" expected", o.normalisation);
  // A frozen normalisation scales u in P_b(u), u = z - c F(F^T z - x), channel by
  // channel and step by step. csc.LayeredPursuit has no such scale, and filters
  // cannot take it over, because z reaches u without passing through them.
  Require(kind.build != BuildLayeredPursuit || o.normalisation == "none",
          "normalisation is \"{}\": model {} takes \"none\" only, since csc.LayeredPursuit has no "
          "scale that a trained normalisation could become",
          o.normalisation, kind.name);
  if (!o.step) o.step = kind.step;
  if (!o.learn_step) o.learn_step = kind.learn_step;
  Require(std::isfinite(*o.step), "a step of {}: a number expected", *o.step);
  Require(kind.learn_step || (*o.step == kind.step && !*o.learn_step),
          "model {} has c = {}, not trained: msd_csc and res_csc have a free "
          "one",
          kind.name, kind.step);
  // An MSDNet layer has no threshold on what it passes on.
  if (kind.name == "msdnet") o.threshold_identity = false;
  Require(o.threshold_identity || kind.build == BuildMsdCsc,
          "threshold-identity is false: model {} has no such choice, msd_csc has", kind.name);
  if (!o.filter_scale) {
    const bool bare = o.normalisation == "none";
    o.filter_scale = bare ? kind.bare_filter_scale : kind.filter_scale;
    // Without an iteration nothing can diverge.
    const bool one_by_one = kind.build != BuildMultiLayer && kind.unfolding >= 0;
    if (one_by_one && *o.unfolding == 0) o.filter_scale = kKaiming;
    if (kind.build == BuildLayeredPursuit && *o.unfolding > 1) o.filter_scale = 0.5;
  }
  Require(*o.filter_scale > 0 && std::isfinite(*o.filter_scale),
          "a filter scale of {}: more than 0 expected", *o.filter_scale);
  return o;
}

Model MakeModel(const ModelOptions& options, const Shape& input, int64_t classes) {
  Require(classes >= 2, "{} classes found: at least 2 expected", classes);
  const ModelOptions resolved = ResolveOptions(options);
  ModelBuilder builder(resolved, input, classes);
  FindKind(resolved.model).build(&builder);
  return builder.Finish();
}

int64_t Model::parameter_size() const {
  int64_t size = 0;
  for (const ModelParameter& p : parameters) size += p.size();
  return size;
}

int64_t Model::trainable_parameters() const {
  int64_t size = 0;
  for (const ModelParameter& p : parameters) size += p.trainable ? p.size() : 0;
  return size;
}

std::vector<float> InitialParameters(const Model& model, uint64_t seed) {
  std::vector<float> values;
  values.reserve(model.parameter_size());
  for (size_t i = 0; i < model.parameters.size(); ++i) {
    const ModelParameter& p = model.parameters[i];
    Random random(seed, Stream::kParameters, {i});
    for (int64_t k = 0; k < p.size(); ++k) {
      values.push_back(
          static_cast<float>(p.deviation > 0 ? p.deviation * random.Normal() : p.constant));
    }
  }
  return values;
}

}  // namespace csc
