#include "training/optimiser/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

#include "solvers/error.h"
#include "tests/training/temporary_folder.h"

namespace csc::test {
namespace {

TEST(ScheduleTest, TheRateDropsAtMilestones) {
  ScheduleOptions options;
  options.learning_rate = 0.05;
  options.milestones = {75, 115};
  options.epochs = 150;
  EXPECT_EQ(LearningRate(options, 0, 0, 391), 0.05);
  EXPECT_EQ(LearningRate(options, 74, 390, 391), 0.05);
  EXPECT_EQ(LearningRate(options, 75, 0, 391), 0.05 / 10);
  EXPECT_EQ(LearningRate(options, 114, 390, 391), 0.05 / 10);
  EXPECT_EQ(LearningRate(options, 149, 0, 391), 0.05 / 10 / 10);
}

TEST(ScheduleTest, ACosineFallsFromTheRateToZero) {
  ScheduleOptions options;
  options.learning_rate = 0.2;
  options.kind = "cosine";
  options.epochs = 4;
  EXPECT_EQ(LearningRate(options, 0, 0, 10), 0.2);
  EXPECT_NEAR(LearningRate(options, 1, 0, 10), 0.2 * (1 + std::sqrt(0.5)) / 2, 1e-15);
  EXPECT_NEAR(LearningRate(options, 2, 0, 10), 0.1, 1e-15);
  EXPECT_NEAR(LearningRate(options, 3, 9, 10), 0.2 * (1 + std::cos(M_PI * 39 / 40)) / 2, 1e-15);
  double before = 1;
  for (int step = 0; step < 40; ++step) {
    const double rate = LearningRate(options, step / 10, step % 10, 10);
    EXPECT_LT(rate, before);
    EXPECT_GT(rate, 0);
    before = rate;
  }
}

TEST(ScheduleTest, WarmUpGrowsStepByStepToTheRate) {
  ScheduleOptions options;
  options.learning_rate = 0.8;
  options.warmup_epochs = 0.5;
  options.epochs = 2;
  for (int step = 0; step < 8; ++step) {
    EXPECT_DOUBLE_EQ(LearningRate(options, 0, step, 16), 0.1 * (step + 1));
  }
  EXPECT_EQ(LearningRate(options, 0, 8, 16), 0.8);
  // Half a cosine over what is left.
  options.kind = "cosine";
  EXPECT_EQ(LearningRate(options, 0, 8, 16), 0.8);
  EXPECT_NEAR(LearningRate(options, 1, 4, 16), 0.4, 1e-15);
}

TEST(ScheduleTest, RefusesOptionsOutOfRange) {
  const auto check = [](auto change) {
    ScheduleOptions options;
    change(&options);
    CheckOptions(options);
  };
  check([](ScheduleOptions*) {});
  CSC_EXPECT_ERROR(check([](auto* o) { o->learning_rate = -1; }), "-1");
  CSC_EXPECT_ERROR(check([](auto* o) { o->learning_rate = 0.0 / 0.0; }), "nan");
  CSC_EXPECT_ERROR(check([](auto* o) { o->milestones = {5, 5}; }), "5");
  CSC_EXPECT_ERROR(check([](auto* o) { o->milestones = {0}; }), "epoch 0");
  CSC_EXPECT_ERROR(check([](auto* o) { o->kind = "linear"; }), "linear");
  CSC_EXPECT_ERROR(check([](auto* o) { o->warmup_epochs = -1; }), "warm-up of -1");
  CSC_EXPECT_ERROR(check([](auto* o) { o->warmup_epochs = 1.5; }), "warm-up of 1.5", "0 to 1");
  CSC_EXPECT_ERROR(check([](auto* o) {
                     o->kind = "cosine";
                     o->milestones = {3};
                   }),
                   "milestones", "cosine");
}

}  // namespace
}  // namespace csc::test
