#include "training/presets.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "solvers/error.h"
#include "tests/training/temporary_folder.h"
#include "training/models/model.h"
#include "training/options.h"

namespace csc::test {
namespace {

TrainingOptions OptionsOf(const Preset& preset) {
  TrainingOptions options;
  ApplyJson(preset.options, &options);
  return ResolveOptions(options);
}

TEST(PresetsTest, AreAllCellsOfBothTables) {
  std::set<std::string> names;
  for (const Preset& preset : Presets()) {
    SCOPED_TRACE(preset.name);
    EXPECT_TRUE(names.insert(preset.name).second);
    EXPECT_GT(preset.accuracy, 40);
    EXPECT_LT(preset.accuracy, 98);
    const TrainingOptions options = OptionsOf(preset);
    EXPECT_GT(MakeModel(options.model, {3, 32, 32}, preset.classes).trainable_parameters(), 0);
  }
  // 4 + 4 + 6 + 6 networks in Table II, 1 + 3 + 3 + 9 in Table III.
  EXPECT_EQ(names.size(), 3u * (20 + 16));
}

TEST(PresetsTest, AreThePapersNetworksAndRecipes) {
  const Preset& residual = FindPreset("paper-table2-res_csc-110-cifar100");
  EXPECT_EQ(residual.accuracy, 73.13);
  EXPECT_EQ(residual.classes, 100);
  const TrainingOptions b = OptionsOf(residual);
  EXPECT_EQ(b.model.model, "res_csc");
  EXPECT_EQ(*b.model.depth, 110);
  EXPECT_EQ(b.epochs, 200);
  EXPECT_EQ(*b.milestones, (std::vector<int64_t>{100, 150}));
  EXPECT_EQ(*b.learning_rate, 0.1);
  EXPECT_EQ(b.batch_size, 128);
  EXPECT_TRUE(b.nesterov);
  EXPECT_TRUE(b.augment);

  const Preset& dense = FindPreset("paper-table3-msd_csc-12-fista-u2-svhn");
  EXPECT_EQ(dense.accuracy, 96.35);
  const TrainingOptions a = OptionsOf(dense);
  EXPECT_EQ(*a.model.width, 32);
  EXPECT_EQ(*a.model.unfolding, 2);
  EXPECT_EQ(a.model.algorithm, "fista");
  EXPECT_EQ(a.epochs, 150);
  EXPECT_EQ(*a.milestones, (std::vector<int64_t>{75, 115}));
  EXPECT_EQ(*a.learning_rate, 0.05);
  EXPECT_FALSE(a.nesterov);
  CSC_EXPECT_ERROR(FindPreset("paper-table4"), "paper-table4", "--list-presets");
}

TEST(OptionsTest, JsonGoesBothWaysAndRefusesWhatItDoesNotKnow) {
  TrainingOptions options;
  options.label_smoothing = 0.25;
  options.schedule = "cosine";
  options = ResolveOptions(options);
  TrainingOptions read;
  ApplyJson(ToJson(options), &read);
  EXPECT_EQ(ToJson(read), ToJson(options));
  CSC_EXPECT_ERROR(ApplyJson({{"epochz", 3}}, &read), "epochz", "unknown");
  CSC_EXPECT_ERROR(ApplyJson({{"epochs", "many"}}, &read), "epochs", "many");
}

}  // namespace
}  // namespace csc::test
