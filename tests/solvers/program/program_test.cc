#include "solvers/program/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "solvers/error.h"
#include "tests/solvers/refusal.h"

namespace csc {
namespace {

using test::ExpectRefusal;
using ::testing::HasSubstr;

class ProgramTest : public ::testing::Test {
 protected:
  ProgramTest()
      : filters_(program_.AddParameter("F", {5, 3, 3, 3})),
        vector_(program_.AddParameter("v", {3})),
        x_(program_.AddInput({3, 8, 9})) {}

  Program program_;
  const int filters_, vector_;
  const ValueId x_;
};

TEST_F(ProgramTest, NumbersValuesInTheOrderOfDefinition) {
  const ValueId y = program_.Analysis(x_, filters_, SamePadded({3, 3}));
  const ValueId z = program_.AddInput({1, 1, 1});
  EXPECT_EQ(x_, 0);
  EXPECT_EQ(y, 1);
  EXPECT_EQ(z, 2);
  EXPECT_EQ(program_.inputs(), (std::vector<ValueId>{x_, z}));
  EXPECT_EQ(program_.num_values(), 3);
}

TEST_F(ProgramTest, LaysParametersOneAfterAnother) {
  EXPECT_EQ(program_.parameters()[filters_].offset, 0);
  EXPECT_EQ(program_.parameters()[vector_].offset, 135);
  EXPECT_EQ(program_.parameter_size(), 138);
  EXPECT_EQ(program_.AddParameter("scalar", {}), 2);
  EXPECT_EQ(program_.parameter_size(), 139);
}

TEST_F(ProgramTest, GivesResultsTheirShapes) {
  const Geometry geometry = {{3, 3}, {2, 3}, {1, 1}, {1, 0, 1, 2}};
  const ValueId code = program_.Analysis(x_, filters_, geometry);
  EXPECT_EQ(program_.shape(code), (Shape{5, 4, 3}));
  // Both 7 and 8 rows have 4 windows.
  EXPECT_EQ(program_.shape(program_.Synthesis(code, filters_, geometry, 7, 9)), (Shape{3, 7, 9}));
  EXPECT_EQ(program_.shape(program_.Join({x_, x_})), (Shape{6, 8, 9}));
  EXPECT_EQ(program_.shape(program_.View(x_, 1, 2)), (Shape{2, 8, 9}));
  EXPECT_EQ(program_.shape(program_.MaxPool(x_, {{2, 2}, {3, 2}})), (Shape{3, 3, 4}));
  EXPECT_EQ(program_.shape(program_.AveragePool(x_, {{8, 9}})), (Shape{3, 1, 1}));
  EXPECT_EQ(program_.shape(program_.Shortcut(x_, {2, 2}, 4)), (Shape{4, 4, 5}));
}

TEST_F(ProgramTest, RefusesInputsAndParametersWithoutElements) {
  ExpectRefusal([&] { program_.AddInput({0, 2, 2}); }, {"[0, 2, 2]", "at least 1"});
  ExpectRefusal([&] { program_.AddInput({1, -2, 2}); }, {"[1, -2, 2]"});
  ExpectRefusal([&] { program_.AddParameter("G", {2, 0}); }, {"G", "[2, 0]"});
}

TEST_F(ProgramTest, RefusesShapesWhoseSizeOverflows) {
  const int64_t huge = int64_t{1} << 31;
  ExpectRefusal([&] { program_.AddInput({huge, huge, huge}); }, {"overflows"});
  ExpectRefusal([&] { program_.AddParameter("G", {huge, huge, huge}); }, {"overflows"});
  ExpectRefusal(
      [&] {
        program_.Shortcut(x_, {1, 1}, std::numeric_limits<int64_t>::max());
      },
      {"overflows"});
}

TEST_F(ProgramTest, RefusesAnalysisThatDoesNotFit) {
  const ValueId two = program_.AddInput({2, 8, 9});
  const Geometry three = {{3, 3}};
  ExpectRefusal([&] { program_.Analysis(two, filters_, three); }, {"F", "3 channels", "2"});
  ExpectRefusal([&] { program_.Analysis(x_, filters_, {{3, 2}}); }, {"F", "[3, 2]"});
  ExpectRefusal(
      [&] {
        program_.Analysis(x_, filters_, {{3, 3}, {1, 1}, {4, 1}});
      },
      {"F", "9 x 3", "8 x 9"});
  ExpectRefusal([&] { program_.Analysis(x_, vector_, three); }, {"v", "[3]"});
  ExpectRefusal([&] { program_.Analysis(x_, 7, three); }, {"7"});
  ExpectRefusal([&] { program_.Analysis(99, filters_, three); }, {"99"});
  ExpectRefusal([&] { program_.Analysis(x_, filters_, {{3, 3}, {0, 1}}); }, {"strides"});
}

TEST_F(ProgramTest, RefusesSynthesisOfASizeWithOtherWindows) {
  const Geometry geometry = {{3, 3}, {2, 2}};
  const ValueId code = program_.Analysis(x_, filters_, geometry);  // 3 x 4
  for (int64_t height : {6, 9}) {
    ExpectRefusal([&] { program_.Synthesis(code, filters_, geometry, height, 9); },
                  {std::to_string(height) + " x 9", "3 x 4"});
  }
  ExpectRefusal([&] { program_.Synthesis(x_, filters_, geometry, 8, 9); }, {"F", "5", "3"});
}

TEST_F(ProgramTest, RefusesSumsOfDifferentShapesAndOfNothing) {
  const ValueId other = program_.AddInput({3, 9, 8});
  ExpectRefusal([&] { program_.Combine({{x_, {}}, {other, {}}}); }, {"[3, 8, 9]", "[3, 9, 8]"});
  ExpectRefusal([&] { program_.Combine({}); }, {"at least one term"});
}

TEST_F(ProgramTest, RefusesVectorsOfAnotherLength) {
  const auto threshold = [&](const ChannelVector& b) {
    return [&, b] { program_.Pointwise({{x_, {}}}, Shrink::kSoft, b); };
  };
  ExpectRefusal(threshold({vector_, 0, 2}), {"threshold v", "2 entries", "1 or 3"});
  ExpectRefusal(threshold({vector_, 1, 3}), {"threshold v", "offset 1"});
  ExpectRefusal(threshold({vector_, -1, 1}), {"threshold v", "offset -1"});
  ExpectRefusal(threshold({9, 0, 1}), {"threshold", "9"});
  ExpectRefusal([&] { program_.Combine({{x_, {1, vector_, 3}}}); }, {"entry 3"});
  ExpectRefusal([&] { program_.Combine({{x_, {1, 9, 0}}}); }, {"parameter 9"});
}

TEST_F(ProgramTest, RefusesJoinsViewsPoolsAndShortcutsThatDoNotFit) {
  const ValueId other = program_.AddInput({3, 9, 8});
  ExpectRefusal([&] { program_.Join({x_, other}); }, {"8 x 9", "9 x 8"});
  ExpectRefusal([&] { program_.Join({}); }, {"at least one"});
  ExpectRefusal([&] { program_.View(x_, 2, 2); }, {"2..4", "3"});
  ExpectRefusal([&] { program_.View(x_, -1, 2); }, {"-1"});
  ExpectRefusal([&] { program_.View(x_, 0, 0); }, {"0..0"});
  ExpectRefusal([&] { program_.MaxPool(x_, {{9, 2}, {1, 1}}); }, {"9 x 2", "8 x 9"});
  ExpectRefusal([&] { program_.MaxPool(x_, {{2, 2}, {1, 1}, {2, 1}}); }, {"dilations"});
  ExpectRefusal(
      [&] {
        program_.AveragePool(x_, {{2, 2}, {1, 1}, {1, 1}, {1, 0, 0, 0}});
      },
      {"pads"});
  ExpectRefusal([&] { program_.Shortcut(x_, {1, 1}, 2); }, {"3", "2"});
  ExpectRefusal([&] { program_.Mask(x_, other); }, {"[3, 9, 8]", "[3, 8, 9]"});
}

TEST_F(ProgramTest, PoolsWindowsLargerThanAKernelMayBe) {
  const ValueId wide = program_.AddInput({2, 300, 400});
  EXPECT_EQ(program_.shape(program_.AveragePool(wide, {{300, 400}})), (Shape{2, 1, 1}));
}

TEST_F(ProgramTest, RefusesALossOfImages) {
  ExpectRefusal([&] { program_.SoftmaxLoss(x_); }, {"[3, 8, 9]", "[K, 1, 1]"});
}

TEST_F(ProgramTest, RefusesOutputsThatDoNotExist) {
  EXPECT_THROW(program_.MarkOutput(17), Error);
  EXPECT_THROW(program_.MarkOutput(-1), Error);
}

TEST_F(ProgramTest, LeavesOutTermsOfConstantZero) {
  const ValueId y = program_.Combine({{x_, {0}}, {x_, {2}}});
  EXPECT_EQ(program_.instructions().back().result, y);
  EXPECT_EQ(program_.instructions().back().terms.size(), 1u);
}

TEST_F(ProgramTest, DescribesEachInstructionOnALineOfItsOwn) {
  const ValueId y = program_.Analysis(x_, filters_, SamePadded({3, 3}));
  const int threshold = program_.AddParameter("b", {5});
  program_.Pointwise({{y, {}}}, Shrink::kNonnegative, {threshold, 0, 5});
  const std::string text = program_.ToString();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);
  EXPECT_THAT(text, HasSubstr("analysis %0 filters=F"));
  EXPECT_THAT(text, HasSubstr("b=b nonnegative -> [5, 8, 9]"));
}

}  // namespace
}  // namespace csc
