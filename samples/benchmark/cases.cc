#include "samples/benchmark/cases.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "solvers/error.h"

namespace csc {

namespace {

using Cases = std::vector<Case>;
using Batches = std::vector<int64_t>;

ModelOptions Plain(const std::string& model) {
  ModelOptions options;
  options.model = model;
  return options;
}

ModelOptions Residual(const std::string& model, int depth) {
  ModelOptions options = Plain(model);
  options.depth = depth;
  return options;
}

ModelOptions Dense(const std::string& model, int depth) {
  ModelOptions options = Residual(model, depth);
  options.width = 32;
  return options;
}

ModelOptions Pursuit(const std::string& model, int depth, const std::string& algorithm,
                     int unfolding) {
  ModelOptions options = Dense(model, depth);
  options.algorithm = algorithm;
  options.unfolding = unfolding;
  return options;
}

ModelOptions MultiLayer(const std::string& algorithm, int unfolding) {
  ModelOptions options = Plain("ml_csc");
  options.algorithm = algorithm;
  options.unfolding = unfolding;
  return options;
}

// Every kind of network at the sizes of the paper's tables.
std::vector<ModelOptions> PaperNetworks() {
  return {
      Pursuit("msd_csc", 12, "fista", 2),
      Pursuit("msd_csc", 12, "ista", 2),
      Pursuit("msd_csc", 12, "ista", 1),
      Pursuit("msd_csc", 9, "fista", 2),
      Pursuit("msd_csc", 6, "fista", 2),
      Pursuit("msd_csc_joint", 12, "fista", 2),
      Pursuit("layered_pursuit", 6, "fista", 2),
      Dense("msdnet", 12),
      Dense("msdnet", 9),
      Dense("msdnet", 6),
      Residual("res_csc", 20),
      Residual("res_csc_simplified", 20),
      Residual("resnet", 20),
      Residual("plain", 20),
      MultiLayer("fista", 2),
      MultiLayer("ista", 1),
      Plain("feed_forward"),
  };
}

Cases ForAll(const std::vector<ModelOptions>& networks, Phase phase, const Batches& batches) {
  Cases cases;
  for (const ModelOptions& network : networks) cases.push_back({network, phase, 32, batches});
  return cases;
}

Cases Quick(const ModelOptions& network) { return {{network, Phase::kInference, 32, {1, 128}}}; }

Cases Inference(const ModelOptions&) {
  return ForAll(PaperNetworks(), Phase::kInference, {1, 128});
}

// With batch normalisation where the model has it, and without.
Cases Training(const ModelOptions&) {
  Cases cases = ForAll(PaperNetworks(), Phase::kTraining, {128});
  const size_t count = cases.size();
  for (size_t i = 0; i < count; ++i) {
    if (ResolveOptions(cases[i].model).normalisation == "none") continue;
    cases.push_back(cases[i]);
    cases.back().model.normalisation = "none";
  }
  return cases;
}

Cases Batch(const ModelOptions& network) {
  return {{network, Phase::kInference, 32, {1, 2, 4, 8, 16, 32, 64, 128, 256}},
          {network, Phase::kTraining, 32, {16, 32, 64, 128, 256}}};
}

// As many pixels in each run, so that only the side differs; then one image.
Cases Side(const ModelOptions& network) {
  Cases cases;
  for (int64_t side : {32, 64, 128, 256, 512}) {
    cases.push_back({network, Phase::kInference, side, {512 * 512 / (side * side)}});
  }
  for (int64_t side : {32, 64, 128, 256}) {
    cases.push_back({network, Phase::kInference, side, {1}});
  }
  return cases;
}

Cases Unfolding(const ModelOptions& network) {
  Cases cases;
  for (Phase phase : {Phase::kInference, Phase::kTraining}) {
    for (int unfolding : {0, 1, 2, 4, 8}) {
      ModelOptions model = network;
      model.unfolding = unfolding;
      cases.push_back({model, phase, 32, {phase == Phase::kInference ? 128 : 32}});
    }
  }
  return cases;
}

Cases Depth(const ModelOptions&) {
  Cases cases;
  for (Phase phase : {Phase::kInference, Phase::kTraining}) {
    for (int depth : {3, 6, 9, 12}) {
      cases.push_back({Pursuit("msd_csc", depth, "fista", 2), phase, 32, {128}});
    }
    for (const char* model : {"resnet", "res_csc"}) {
      for (int depth : {20, 32, 44, 56, 110}) {
        cases.push_back({Residual(model, depth), phase, 32, {128}});
      }
    }
  }
  return cases;
}

// All ten models, tiny: shows that everything runs, says nothing of speed.
Cases Smoke(const ModelOptions&) {
  Cases cases;
  for (const std::string& name : ModelNames()) {
    ModelOptions model = Plain(name);
    model.width = 2;
    const bool residual = ResolveOptions(model).depth == 20;
    const bool multi_layer = name == "ml_csc" || name == "feed_forward";
    if (!multi_layer) model.depth = residual ? 8 : 3;
    for (Phase phase : {Phase::kInference, Phase::kTraining}) {
      cases.push_back({model, phase, multi_layer ? 32 : 8, {1, 3}});
    }
  }
  return cases;
}

Cases All(const ModelOptions& network) {
  Cases cases;
  for (auto make : {Inference, Training, Batch, Side, Unfolding, Depth}) {
    for (Case& one : make(network)) cases.push_back(std::move(one));
  }
  return cases;
}

struct Entry {
  Suite suite;
  Cases (*make)(const ModelOptions& network);
};

const std::vector<Entry>& Entries() {
  static const auto* entries = new std::vector<Entry>{
      {{"quick", "one network, one image and 128", true}, Quick},
      {{"inference", "every network of the paper, one image and 128", false}, Inference},
      {{"training", "every network's training step of 128 images, normalised and bare", false},
       Training},
      {{"batch", "one network, 1 to 256 images; training 16 to 256", true}, Batch},
      {{"side", "one network, 32 x 32 to 512 x 512 pixels", true}, Side},
      {{"unfolding", "one network, 0 to 8 steps after the first", true}, Unfolding},
      {{"depth", "MSD-CSC of 3 to 12 layers, ResNet and Res-CSC of 20 to 110", false}, Depth},
      {{"all", "all of the above; takes an hour or more", true}, All},
      {{"smoke", "every model, tiny, in a minute or two: says nothing of speed", false}, Smoke},
  };
  return *entries;
}

}  // namespace

Phase PhaseByName(const std::string& name) {
  for (Phase phase : {Phase::kInference, Phase::kTraining}) {
    if (name == Name(phase)) return phase;
  }
  Fail("phase \"{}\" is unknown: inference or training expected", name);
}

const char* Name(Phase phase) { return phase == Phase::kInference ? "inference" : "training"; }

std::string NetworkName(const ModelOptions& model) {
  const ModelOptions options = ResolveOptions(model);
  ModelOptions defaults;
  defaults.model = options.model;
  defaults = ResolveOptions(defaults);
  std::string name = fmt::format("{} d={} w={}", options.model, *options.depth, *options.width);
  if (*defaults.unfolding > 0)
    name += fmt::format(" u={} {}", *options.unfolding, options.algorithm);
  if (options.normalisation != defaults.normalisation) name += " bare";
  return name;
}

const std::vector<Suite>& Suites() {
  static const auto* suites = [] {
    auto* list = new std::vector<Suite>;
    for (const Entry& entry : Entries()) list->push_back(entry.suite);
    return list;
  }();
  return *suites;
}

std::vector<Case> CasesOf(const std::string& suite, const ModelOptions& network) {
  std::vector<std::string> names;
  for (const Entry& entry : Entries()) {
    if (entry.suite.name == suite) return entry.make(network);
    names.push_back(entry.suite.name);
  }
  Fail("suite \"{}\" is unknown: one of {} expected", suite, fmt::join(names, ", "));
}

ModelOptions DefaultNetwork() { return Pursuit("msd_csc", 12, "fista", 2); }

}  // namespace csc
