#include "training/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace csc {
namespace {

TEST(RandomTest, GivesTheNumbersWrittenHereOnEveryMachine) {
  // From first_steps.py's own generator.
  Random random(7, Stream::kParameters, {3});
  EXPECT_EQ(random.Next(), 746384585109428344u);
  EXPECT_EQ(random.Below(1000), 667u);
  EXPECT_EQ(random.Normal(), -0x1.2cec9ccd00000p+0);
  EXPECT_EQ(Permutation(7, 0, 6), (std::vector<uint32_t>{5, 3, 1, 0, 4, 2}));
}

TEST(RandomTest, NormalNumbersHaveMeanZeroAndVarianceOne) {
  Random random(1, Stream::kParameters, {});
  constexpr int kCount = 100000;
  double sum = 0, squares = 0;
  for (int i = 0; i < kCount; ++i) {
    const double x = random.Normal();
    ASSERT_LT(std::abs(x), 6);
    sum += x;
    squares += x * x;
  }
  // Four standard errors.
  EXPECT_NEAR(sum / kCount, 0, 4 / std::sqrt(kCount));
  EXPECT_NEAR(squares / kCount, 1, 4 * std::sqrt(2.0 / kCount));
}

TEST(RandomTest, StreamsAndKeysDiffer) {
  const uint64_t first = Random(1, Stream::kOrder, {0}).Next();
  EXPECT_NE(first, Random(2, Stream::kOrder, {0}).Next());
  EXPECT_NE(first, Random(1, Stream::kAugmentation, {0}).Next());
  EXPECT_NE(first, Random(1, Stream::kOrder, {1}).Next());
  EXPECT_NE(first, Random(1, Stream::kOrder, {0, 0}).Next());
}

TEST(RandomTest, PermutationsHoldEveryIndexOnceAndChangeWithTheEpoch) {
  std::vector<uint32_t> order = Permutation(3, 0, 1000);
  EXPECT_NE(order, Permutation(3, 1, 1000));
  EXPECT_NE(order, Permutation(4, 0, 1000));
  EXPECT_EQ(order, Permutation(3, 0, 1000));
  std::sort(order.begin(), order.end());
  for (uint32_t i = 0; i < 1000; ++i) ASSERT_EQ(order[i], i);
}

TEST(RandomTest, NothingAndOneSampleAreInOrderAnyway) {
  EXPECT_TRUE(Permutation(1, 0, 0).empty());
  EXPECT_EQ(Permutation(1, 0, 1), std::vector<uint32_t>{0});
}

}  // namespace
}  // namespace csc
