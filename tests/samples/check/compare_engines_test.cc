#include "samples/check/compare_engines.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "solvers/engines/registry.h"
#include "solvers/error.h"
#include "tests/training/onnx/test_networks.h"

namespace csc {
namespace {

TEST(CompareTest, DifferencesAreSharesOfTheLargestMagnitude) {
  std::vector<float> expected(101, 1.0f), found(101, 1.0f);
  expected[7] = found[7] = -4;
  found[3] = 1.5f;   // the largest difference
  found[4] = 1.25f;  // the 99th percentile: the largest but one
  const Difference d = Compare(expected, found);
  EXPECT_EQ(d.magnitude, 4);
  EXPECT_EQ(d.median, 0);
  EXPECT_EQ(d.percentile99, 0.0625);
  EXPECT_EQ(d.largest, 0.125);
}

TEST(CompareTest, NothingThatIsNotFinitePasses) {
  for (float bad : {NAN, INFINITY, -INFINITY}) {
    EXPECT_EQ(Compare({1, 2}, {1, bad}).largest, HUGE_VAL);
    EXPECT_EQ(Compare({1, bad}, {1, 2}).largest, HUGE_VAL);
    EXPECT_EQ(Compare({bad}, {bad}).largest, HUGE_VAL);
  }
  EXPECT_THROW(Compare({1}, {1, 2}), Error);
  EXPECT_THROW(Compare({}, {}), Error);
}

TEST(CompareTest, ZerosAreCompared) {
  EXPECT_EQ(Compare({0, 0}, {0, 0}).largest, 0);
  EXPECT_EQ(Compare({0, 0}, {0, 0.5f}).largest, 0.5);
}

TEST(CompareEnginesTest, AllEnginesPresentAgree) {
  for (const EngineInfo& info : KnownEngines()) {
    if (!info.present) continue;
    for (const TestNetwork& test : TestNetworks()) {
      const Tensor images = TestImages(test.input, 3, 11);
      const auto rows =
          CompareEngines(test.network, images, FindEngine("reference"), FindEngine(info.name));
      ASSERT_EQ(rows.size(), test.network.layers.size() + 1);
      for (const Comparison& row : rows) {
        SCOPED_TRACE(fmt::format("{}, {}, {}", info.name, test.name, row.what));
        EXPECT_EQ(row.declined, "");
        EXPECT_LE(row.difference.largest, kParityTolerance);
        EXPECT_GT(row.difference.magnitude, 0);
      }
    }
  }
}

// A flipped bit of an exponent, say: the file is well-formed, what it computes is not.
TEST(CompareEnginesTest, AWeightThatOverflowsNeverPasses) {
  TestNetwork test = SmallClassifier();
  test.network.parameters[0].data[0] = 1e38f;
  const Engine& engine = FindEngine("reference");
  const Tensor images = TestImages(test.input, 2, 14);
  EXPECT_EQ(CompareEngines(test.network, images, engine, engine).back().difference.largest,
            HUGE_VAL);
}

TEST(CompareEnginesTest, ScoresNameClasses) {
  const TestNetwork test = SmallClassifier();
  const Tensor images = TestImages(test.input, 5, 12);
  const Engine& engine = FindEngine("reference");
  const auto rows = CompareEngines(test.network, images, engine, engine);
  EXPECT_EQ(rows.front().same_class, -1);
  EXPECT_EQ(rows.back().same_class, 5);
}

TEST(CompareEnginesTest, ALassoIsComparedByItself) {
  const TestNetwork test =
      OneLayer("lasso", "Lasso", {{"max_iterations", int64_t{50}}}, {{4, 2, 3, 3}, {4}}, {2, 6, 6});
  const Tensor images = TestImages(test.input, 2, 13);
  const auto rows =
      CompareEngines(test.network, images, FindEngine("reference"), FindEngine("reference"));
  ASSERT_EQ(rows.size(), 1);
  EXPECT_EQ(rows[0].difference.largest, 0);
  EXPECT_GT(rows[0].difference.magnitude, 0);
}

}  // namespace
}  // namespace csc
