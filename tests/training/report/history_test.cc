#include "training/report/history.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "solvers/error.h"
#include "tests/training/temporary_folder.h"
#include "training/trainer.h"

namespace csc::test {
namespace {

TEST(HistoryTest, ReadsWhatMetricsCsvHolds) {
  const History history =
      ParseHistory(MetricsCsv({{1, 0.05, 2.5, 0.25, 2, 0.5}, {2, 0.005}}, false));
  EXPECT_EQ(history.size(), 2u);
  ASSERT_NE(history.Find("train_loss"), nullptr);
  EXPECT_EQ(history.Find("train_loss")->values, (std::vector<double>{2.5, 0}));
  EXPECT_EQ(history.Find("learning_rate")->values, (std::vector<double>{0.05, 0.005}));
  EXPECT_EQ(history.Find("validation_loss"), nullptr);
  EXPECT_EQ(ParseHistory(MetricsCsv({}, true)).size(), 0u);
}

TEST(HistoryTest, AnEmptyCellIsNoNumber) {
  const History history = ParseHistory("epoch,validation_loss\n1,\n2,0.5\n3,inf\n");
  const std::vector<double>& values = history.Find("validation_loss")->values;
  EXPECT_TRUE(std::isnan(values.at(0)));
  EXPECT_EQ(values.at(1), 0.5);
  EXPECT_EQ(values.at(2), INFINITY);
}

TEST(HistoryTest, TagsGroupWhatBelongsToOneSet) {
  using Scalars = std::vector<std::pair<std::string, double>>;
  const History history = ParseHistory(
      "epoch,learning_rate,train_loss,validation_accuracy,test_loss,seconds\n"
      "1,0.5,0.25,,2,3\n"
      "2,0.5,0.125,1,1,4\n");
  EXPECT_EQ(
      ScalarsOf(history, 0),
      (Scalars{{"learning_rate", 0.5}, {"train/loss", 0.25}, {"test/loss", 2}, {"seconds", 3}}));
  EXPECT_EQ(ScalarsOf(history, 1)[2], std::make_pair(std::string("validation/accuracy"), 1.0));
}

TEST(HistoryTest, NamesTheLineThatIsWrong) {
  CSC_EXPECT_ERROR(ParseHistory(""), "header");
  CSC_EXPECT_ERROR(ParseHistory("epoch,a\n1,2\n2\n"), "line 3", "1 cells", "2");
  CSC_EXPECT_ERROR(ParseHistory("epoch,a\n1,2x\n"), "line 2", "2x");
}

}  // namespace
}  // namespace csc::test
