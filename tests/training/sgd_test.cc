#include "training/optimiser/sgd.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "solvers/error.h"
#include "tests/training/temporary_folder.h"

namespace csc::test {
namespace {

using Floats = std::vector<float>;

TEST(SgdTest, MomentumIsPyTorchs) {
  SgdOptions options;
  options.momentum = 0.5;
  Floats p = {1, -2};
  Floats v = {0, 0};
  const Floats g = {2, 4};
  const std::vector<SgdGroup> groups = {{2}};
  // v = g, then 0.5 v + g: exact in binary.
  EXPECT_TRUE(SgdStep(options, 0.25, groups, g.data(), &p, &v));
  EXPECT_EQ(p, (Floats{0.5f, -3}));
  EXPECT_TRUE(SgdStep(options, 0.25, groups, g.data(), &p, &v));
  EXPECT_EQ(v, (Floats{3, 6}));
  EXPECT_EQ(p, (Floats{-0.25f, -4.5f}));
}

TEST(SgdTest, NesterovLooksAhead) {
  SgdOptions options;
  options.momentum = 0.5;
  options.nesterov = true;
  Floats p = {1};
  Floats v = {0};
  const Floats g = {2};
  // d + 0.5 v with v = 2, then 3.
  SgdStep(options, 0.25, {{1}}, g.data(), &p, &v);
  EXPECT_EQ(p, Floats{0.25f});
  SgdStep(options, 0.25, {{1}}, g.data(), &p, &v);
  EXPECT_EQ(p, Floats{-0.625f});
}

TEST(SgdTest, DecayTouchesOnlyItsGroups) {
  SgdOptions options;
  options.momentum = 0;
  options.weight_decay = 0.5;
  Floats p = {4, 4, 4};
  Floats v(3);
  const Floats g(3);
  const std::vector<SgdGroup> groups = {{1}, {1, true, /*decay=*/false}, {1, /*trainable=*/false}};
  SgdStep(options, 1, groups, g.data(), &p, &v);
  EXPECT_EQ(p, (Floats{2, 4, 4}));
}

TEST(SgdTest, FixedParametersNeverMove) {
  Floats p = {1};
  Floats v = {0};
  const Floats g = {5};
  SgdStep({}, 1, {{1, /*trainable=*/false}}, g.data(), &p, &v);
  EXPECT_EQ(p, Floats{1});
  EXPECT_EQ(v, Floats{0});
}

TEST(SgdTest, TwoSidedThresholdsStayNonnegative) {
  SgdOptions options;
  options.momentum = 0;
  Floats p = {0.5f, 0.5f};
  Floats v(2);
  const Floats g = {1, 1};
  const std::vector<SgdGroup> groups = {{1, true, false, /*nonnegative=*/true},
                                        {1, true, false, false}};
  SgdStep(options, 1, groups, g.data(), &p, &v);
  EXPECT_EQ(p, (Floats{0, -0.5f}));
}

TEST(SgdTest, TellsWhenParametersStopBeingFinite) {
  for (float bad :
       {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    Floats p(40);
    Floats v(40);
    Floats g(40);
    EXPECT_TRUE(SgdStep({}, 1, {{40}}, g.data(), &p, &v));
    g[33] = bad;
    EXPECT_FALSE(SgdStep({}, 1, {{40}}, g.data(), &p, &v));
  }
}

TEST(SgdTest, AClipScalesAllGradientsTogether) {
  SgdOptions options;
  options.momentum = 0;
  options.gradient_clip = 2.5;
  const std::vector<SgdGroup> groups = {{1}, {1, /*trainable=*/false}, {1}};
  const Floats g = {3, 100, 4};  // norm 5: what does not train does not count
  Floats p = {0, 0, 0};
  Floats v(3);
  SgdStep(options, 1, groups, g.data(), &p, &v);
  EXPECT_EQ(p, (Floats{-1.5f, 0, -2}));
  options.gradient_clip = 6;  // far enough: the same bits as without
  p = {0, 0, 0};
  SgdStep(options, 1, groups, g.data(), &p, &v);
  EXPECT_EQ(p, (Floats{-3, 0, -4}));
}

TEST(SgdTest, RefusesOptionsOutOfRange) {
  const auto check = [](auto change) {
    SgdOptions options;
    change(&options);
    CheckOptions(options);
  };
  check([](SgdOptions*) {});
  CSC_EXPECT_ERROR(check([](auto* o) { o->momentum = 1; }), "momentum of 1");
  CSC_EXPECT_ERROR(check([](auto* o) { o->weight_decay = -2; }), "-2");
  CSC_EXPECT_ERROR(check([](auto* o) { o->gradient_clip = -3; }), "-3");
}

}  // namespace
}  // namespace csc::test
