#include "tests/training/small_models.h"

#include "training/random.h"

namespace csc::test {

namespace {

constexpr Shape kInput = {2, 8, 8};
constexpr int64_t kBatch = 5;
constexpr int64_t kClasses = 3;
constexpr uint64_t kSeed = 4;

int DepthOf(const std::string& model) {
  if (model == "ml_csc" || model == "feed_forward") return 6;  // their only one
  if (model == "plain" || model.rfind("res", 0) == 0) return 8;
  // A block of one layer, one of two.
  return model == "msd_csc_joint" ? 4 : 3;
}

}  // namespace

const std::set<std::string>& UnfoldedModels() {
  static const auto* names =
      new std::set<std::string>{"msd_csc", "msd_csc_joint", "layered_pursuit", "ml_csc"};
  return *names;
}

const std::set<std::string>& BareModels() {
  static const auto* names = new std::set<std::string>{"layered_pursuit"};
  return *names;
}

std::string NameOf(const ModelCase& c) {
  const std::string name = c.model + "_" + c.normalisation;
  if (UnfoldedModels().count(c.model) == 0) return name;
  return name + "_" + std::to_string(c.unfolding) + "_" + c.algorithm;
}

std::vector<ModelCase> AllModelCases() {
  std::vector<ModelCase> cases;
  for (const std::string& model : ModelNames()) {
    for (const char* normalisation : {"none", "batch"}) {
      if (normalisation == std::string("batch") && BareModels().count(model) > 0) continue;
      const int most = UnfoldedModels().count(model) > 0 ? 2 : 0;
      for (int unfolding = 0; unfolding <= most; ++unfolding) {
        for (const char* algorithm : {"fista", "ista"}) {
          cases.push_back({model, normalisation, unfolding, algorithm});
          if (most == 0) break;  // nothing that an algorithm would decide
        }
      }
    }
  }
  return cases;
}

SmallModel MakeSmallModel(const ModelCase& c) {
  ModelOptions options;
  options.model = c.model;
  options.normalisation = c.normalisation;
  options.unfolding = c.unfolding;
  options.algorithm = c.algorithm;
  options.depth = DepthOf(c.model);
  options.width = 2;
  options.filter_scale = 0.7;
  SmallModel small;
  small.model = MakeModel(options, kInput, kClasses);
  small.training = BuildTrainingProgram(small.model);
  small.work.batch = kBatch;
  // Away from b = 0, where ReLUs of black pixels have their kink. What is not
  // trained keeps its value: the program may count on it.
  Random random(kSeed, Stream::kParameters, {99});
  small.work.parameters = InitialParameters(small.model, kSeed);
  float* value = small.work.parameters.data();
  for (const ModelParameter& p : small.model.parameters) {
    for (int64_t i = 0; i < p.size(); ++i, ++value) {
      if (p.trainable) *value += static_cast<float>(0.1 * random.Normal());
    }
  }
  small.work.inputs.emplace_back();
  for (int64_t i = 0; i < kBatch * kInput.size(); ++i) {
    small.work.inputs[0].push_back(static_cast<float>(random.Below(1000)) / 1000);
  }
  for (int64_t n = 0; n < kBatch; ++n) {
    small.work.labels.push_back(static_cast<int32_t>(n % kClasses));
  }
  return small;
}

}  // namespace csc::test
