// The first ten steps against numbers that PyTorch computed in double.

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "solvers/engines/registry.h"
#include "tests/training/small_training.h"
#include "training/trainer.h"

namespace csc::test {
namespace {

constexpr int kSteps = 10;

// Float against double: a step's relative error of about 1e-6 grows over ten
// steps as the networks do, by up to two digits; one that was wrong in any
// way is off by percents. The test losses after epochs see the statistics of
// their normalisations too.
constexpr double kTolerance = 2e-4;

TrainingOptions CaseOptions(const std::string& name) {
  TrainingOptions o;
  o.batch_size = 16;
  o.limit_train = 40;
  o.limit_test = 20;
  o.seed = 7;
  o.epochs = 5;
  o.milestones.emplace();
  o.weight_decay = 0;
  o.learning_rate = 0.05;
  o.model.normalisation = "batch";
  if (name.rfind("msd", 0) == 0) o.model.filter_scale = 0.1;
  if (name == "msd_csc_none") {
    o.model.depth = 9;  // all dilations before the first pool
    o.model.width = 2;
    o.model.unfolding = 2;
    o.model.normalisation = "none";
  } else if (name == "msd_csc_batch") {
    o.model.depth = 3;
    o.model.width = 3;
    o.model.unfolding = 3;
    o.weight_decay = 0.01;
    o.augment = true;
  } else if (name == "res_csc_batch") {
    o.model.model = "res_csc";
    o.model.depth = 8;
    o.model.width = 4;
    o.learning_rate = 0.1;
    o.nesterov = true;
    o.weight_decay = 1e-4;
    o.augment = true;
  } else if (name == "ml_csc_none") {
    o.model.model = "ml_csc";
    o.model.width = 2;
    o.model.unfolding = 2;
    o.model.filter_scale = 1.0;
    o.model.normalisation = "none";
    o.nesterov = true;
  } else if (name == "msd_csc_joint_batch") {
    o.model.model = "msd_csc_joint";
    o.model.depth = 6;
    o.model.width = 2;
    o.model.unfolding = 3;
  } else if (name == "layered_pursuit_none") {
    o.model.model = "layered_pursuit";
    o.model.depth = 3;
    o.model.width = 8;
    o.model.unfolding = 2;
    o.model.filter_scale = 0.6;
    o.model.normalisation = "none";
    o.learning_rate = 0.02;
    o.augment = true;
  } else {
    ADD_FAILURE() << "case " << name << " has no options here";
  }
  return ResolveOptions(o);
}

std::map<std::string, std::map<std::string, double>> ReadGolden() {
  std::ifstream file("tests/golden/training/first_steps.csv");
  std::map<std::string, std::map<std::string, double>> golden;
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    std::istringstream stream(line);
    std::string name, step, loss;
    std::getline(stream, name, ',');
    std::getline(stream, step, ',');
    std::getline(stream, loss, ',');
    golden[name][step] = std::stod(loss);
  }
  return golden;
}

void ExpectClose(double found, double expected, const std::string& what) {
  EXPECT_TRUE(std::abs(found - expected) <= kTolerance * std::abs(expected))
      << what << " is " << found << ", " << expected << " expected";
}

class GoldenTest : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenTest, FirstTenStepsAreThoseOfAnIndependentProgram) {
  const auto golden = ReadGolden();
  ASSERT_EQ(golden.size(), 6u);
  for (const auto& [name, losses] : golden) {
    SCOPED_TRACE(name);
    const TrainingOptions options = CaseOptions(name);
    const DataSet data = DataOf(options);
    Trainer trainer(options, data, FindEngine(GetParam()), nullptr);
    for (int step = 1; step <= kSteps; ++step) {
      const std::string key = std::to_string(step);
      trainer.Step();
      trainer.Settle();
      ExpectClose(trainer.last_loss(), losses.at(key), "the loss of step " + key);
      if (!trainer.EpochTrained()) continue;
      ASSERT_TRUE(trainer.EndEpoch());
      const EpochResult& result = trainer.history().back();
      const std::string test = "test" + std::to_string(result.epoch);
      ExpectClose(result.test_loss, losses.at(test), test);
    }
    EXPECT_EQ(trainer.history().size(), 3u);
  }
}

std::vector<std::string> Engines() {
  std::vector<std::string> names;
  for (const EngineInfo& info : KnownEngines()) {
    if (info.present) names.push_back(info.name);
  }
  return names;
}

INSTANTIATE_TEST_SUITE_P(, GoldenTest, ::testing::ValuesIn(Engines()),
                         [](const auto& engine) { return engine.param; });

}  // namespace
}  // namespace csc::test
