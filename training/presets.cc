#include "training/presets.h"

#include <fmt/format.h>

#include <array>

#include "solvers/error.h"

namespace csc {

namespace {

using Json = nlohmann::ordered_json;

struct PaperDataSet {
  const char* name;
  int64_t classes;
};
constexpr std::array<PaperDataSet, 3> kDataSets = {
    {{"cifar10", 10}, {"cifar100", 100}, {"svhn", 10}}};

// A row: the name's middle, what sets it apart, and the accuracies printed for
// the three data sets, in their order.
struct Row {
  std::string name;
  Json options;
  std::array<double, 3> accuracies;
};

Row Residual(const char* model, int depth, const std::array<double, 3>& accuracies) {
  return {fmt::format("{}-{}", model, depth), {{"model", model}, {"depth", depth}}, accuracies};
}

std::vector<Row> TableTwo() {
  return {
      Residual("plain", 20, {90.74, 66.02, 96.67}),
      Residual("plain", 32, {90.34, 64.31, 96.55}),
      Residual("plain", 44, {89.41, 61.54, 96.36}),
      Residual("plain", 56, {87.04, 59.28, 96.09}),
      Residual("res_csc_simplified", 20, {91.86, 66.33, 96.70}),
      Residual("res_csc_simplified", 32, {90.95, 65.35, 96.63}),
      Residual("res_csc_simplified", 44, {90.19, 63.24, 96.51}),
      Residual("res_csc_simplified", 56, {88.75, 60.58, 96.38}),
      Residual("resnet", 20, {91.30, 67.81, 96.57}),
      Residual("resnet", 32, {92.52, 69.79, 96.63}),
      Residual("resnet", 44, {92.92, 70.59, 96.74}),
      Residual("resnet", 56, {93.15, 71.09, 96.88}),
      Residual("resnet", 110, {93.41, 72.47, 96.96}),
      Residual("resnet", 218, {94.02, 73.28, 97.05}),
      Residual("res_csc", 20, {91.82, 68.55, 96.81}),
      Residual("res_csc", 32, {93.31, 69.35, 96.83}),
      Residual("res_csc", 44, {92.89, 70.68, 96.91}),
      Residual("res_csc", 56, {93.55, 71.40, 97.01}),
      Residual("res_csc", 110, {93.56, 73.13, 97.11}),
      Residual("res_csc", 218, {94.28, 73.50, 97.22}),
  };
}

// The paper counts unfoldings as we do: steps after the first.
Row MultiLayer(const char* algorithm, int unfolding, const std::array<double, 3>& accuracies) {
  return {fmt::format("ml_csc-{}-u{}", algorithm, unfolding),
          {{"model", "ml_csc"}, {"algorithm", algorithm}, {"unfolding", unfolding}},
          accuracies};
}

Row Dense(int depth, const std::array<double, 3>& accuracies) {
  return {fmt::format("msdnet-{}", depth),
          {{"model", "msdnet"}, {"depth", depth}, {"width", 32}},
          accuracies};
}

Row DensePursuit(int depth, const char* algorithm, int unfolding,
                 const std::array<double, 3>& accuracies) {
  return {fmt::format("msd_csc-{}-{}-u{}", depth, algorithm, unfolding),
          {{"model", "msd_csc"},
           {"depth", depth},
           {"width", 32},
           {"algorithm", algorithm},
           {"unfolding", unfolding}},
          accuracies};
}

std::vector<Row> TableThree() {
  return {
      {"feed_forward", {{"model", "feed_forward"}}, {82.16, 43.93, 94.68}},
      MultiLayer("ista", 1, {83.26, 50.23, 94.98}),
      MultiLayer("ista", 2, {83.59, 50.61, 95.01}),
      MultiLayer("fista", 2, {84.06, 51.66, 95.29}),
      Dense(6, {87.22, 60.23, 94.72}),
      Dense(9, {89.42, 63.22, 95.42}),
      Dense(12, {90.35, 66.18, 95.73}),
      DensePursuit(6, "ista", 1, {88.79, 62.08, 94.87}),
      DensePursuit(9, "ista", 1, {90.23, 64.15, 95.98}),
      DensePursuit(12, "ista", 1, {90.81, 67.31, 96.14}),
      DensePursuit(6, "ista", 2, {88.85, 62.24, 95.75}),
      DensePursuit(9, "ista", 2, {90.52, 65.21, 96.10}),
      DensePursuit(12, "ista", 2, {91.76, 68.14, 96.36}),
      DensePursuit(6, "fista", 2, {89.21, 62.53, 95.50}),
      DensePursuit(9, "fista", 2, {90.91, 65.22, 95.84}),
      DensePursuit(12, "fista", 2, {91.63, 69.23, 96.35}),
  };
}

const Json& RecipeA() {
  static const auto* recipe = new Json{{"epochs", 150},
                                       {"batch-size", 128},
                                       {"learning-rate", 0.05},
                                       {"lr-milestones", {75, 115}},
                                       {"momentum", 0.9}};
  return *recipe;
}

const Json& RecipeB() {
  static const auto* recipe = new Json{
      {"epochs", 200},   {"batch-size", 128}, {"learning-rate", 0.1}, {"lr-milestones", {100, 150}},
      {"momentum", 0.9}, {"nesterov", true},  {"augment", true}};
  return *recipe;
}

void AddTable(const char* table, const std::vector<Row>& rows, const Json& recipe,
              std::vector<Preset>* presets) {
  for (size_t d = 0; d < kDataSets.size(); ++d) {
    for (const Row& row : rows) {
      Json options = row.options;
      options.update(recipe);
      presets->push_back({fmt::format("paper-{}-{}-{}", table, row.name, kDataSets[d].name),
                          kDataSets[d].classes, row.accuracies[d], std::move(options)});
    }
  }
}

}  // namespace

const std::vector<Preset>& Presets() {
  static const auto* presets = [] {
    auto* list = new std::vector<Preset>;
    AddTable("table2", TableTwo(), RecipeB(), list);
    AddTable("table3", TableThree(), RecipeA(), list);
    return list;
  }();
  return *presets;
}

const Preset& FindPreset(const std::string& name) {
  for (const Preset& preset : Presets()) {
    if (preset.name == name) return preset;
  }
  Fail("preset \"{}\" is unknown: --list-presets shows all {}", name, Presets().size());
}

}  // namespace csc
