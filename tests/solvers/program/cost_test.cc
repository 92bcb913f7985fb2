#include "solvers/program/cost.h"

#include <gtest/gtest.h>

#include <string>

#include "solvers/algorithms/msd_csc.h"
#include "solvers/program/adjoint.h"
#include "solvers/program/program.h"

namespace csc {
namespace {

// The paper's MSD-CSC network: `depth` layers of 32 new channels on 32 x 32 x 3
// images, dilation (i mod 3) + 1, pools after each third of them.
Program MsdCscNetwork(int depth, int unfolding, int64_t width = 32) {
  Program program;
  ValueId value = program.AddInput({3, 32, 32});
  for (int i = 0; i < depth; ++i) {
    const int64_t channels = program.shape(value).channels;
    EXPECT_EQ(channels, 3 + width * i);
    const std::string name = std::to_string(i);
    UnrolledParameters p;
    p.filters = program.AddParameter("F" + name, {width, channels, 3, 3});
    p.threshold = program.AddParameter("b" + name, {channels + width});
    p.step = program.AddParameter("c" + name, {1});
    MsdCscOptions options;
    const int64_t dilation = i % 3 + 1;
    options.unrolled.geometry = SamePadded({3, 3}, {1, 1}, {dilation, dilation});
    options.unrolled.unfolding = unfolding;
    value = MsdCsc(&program, value, p, options);
    if (3 * (i + 1) == depth || 3 * (i + 1) == 2 * depth) {
      value = program.MaxPool(value, {{2, 2}, {2, 2}});
    }
  }
  const Shape last = program.shape(value);
  value = program.AveragePool(value, {{last.height, last.width}});
  const int weights = program.AddParameter("W", {10, last.channels, 1, 1});
  const int bias = program.AddParameter("bias", {10});
  const ValueId product = program.Analysis(value, weights, {});
  program.MarkOutput(program.Pointwise({{product, {}}}, Shrink::kNone, {bias, 0, 10, -1}));
  return program;
}

TEST(CostOf, TheTwelveLayerMsdCscNetworkIsThePapers) {
  const Cost cost = CostOf(MsdCscNetwork(12, 2));
  // 135.6 M multiply-adds a pass, (1 + 2 u) passes, 2 operations each.
  EXPECT_NEAR(static_cast<double>(cost.linear_flops), 1.356e9, 0.0005e9);
  EXPECT_EQ(cost.convolutions, 12 * 5 + 1);
}

TEST(CostOf, OnePassOfItMatchesTheSumOverItsLayers) {
  int64_t multiply_adds = 10 * (3 + 32 * 12);
  for (int i = 0; i < 12; ++i) {
    const int64_t size = i < 4 ? 32 : i < 8 ? 16 : 8;
    multiply_adds += size * size * 32 * 9 * (3 + 32 * i);
  }
  EXPECT_EQ(CostOf(MsdCscNetwork(12, 0)).linear_flops, 2 * multiply_adds);
}

TEST(CostOf, EachIterationAddsOneSynthesisAndOneAnalysisALayer) {
  for (int unfolding = 0; unfolding <= 4; ++unfolding) {
    const Cost cost = CostOf(MsdCscNetwork(6, unfolding, 8));
    EXPECT_EQ(cost.convolutions, 6 * (1 + 2 * unfolding) + 1);
  }
}

TEST(CostOf, LinearMapsCountsEveryMultiplyAddTwice) {
  Program program;
  const int filters = program.AddParameter("F", {5, 3, 3, 2});
  const Geometry geometry = {{3, 2}, {2, 1}, {1, 1}, {1, 0, 1, 0}};
  const ValueId x = program.AddInput({3, 8, 9});
  const ValueId y = program.Analysis(x, filters, geometry);  // [5, 4, 8]
  EXPECT_EQ(CostOf(program).linear_flops, 2 * (5 * 4 * 8) * (3 * 3 * 2));
  program.Synthesis(y, filters, geometry, 8, 9);
  EXPECT_EQ(CostOf(program).linear_flops, 2 * 2 * (5 * 4 * 8) * (3 * 3 * 2));
  EXPECT_EQ(CostOf(program).convolutions, 2);
  const ValueId gradient = program.AddInput(program.shape(y));
  Differentiate(&program, {{y, gradient}});
  EXPECT_EQ(CostOf(program).convolutions, 3);
  EXPECT_EQ(CostOf(program).linear_flops, 3 * 2 * (5 * 4 * 8) * (3 * 3 * 2));
}

TEST(CostOf, PointwiseCountsAdditionsProductsAndTheThreshold) {
  Program program;
  const int vector = program.AddParameter("v", {4});
  const ValueId x = program.AddInput({4, 5, 6});
  const ValueId y = program.Combine({{x, {}}, {x, {-1}}});  // a product, an addition
  EXPECT_EQ(CostOf(program).other_flops, 2 * 120);
  program.Pointwise({{y, {}}}, Shrink::kNonnegative, {vector, 0, 4}, {vector, 0, 4});
  EXPECT_EQ(CostOf(program).other_flops, (2 + 3) * 120);
  EXPECT_EQ(CostOf(program).linear_flops, 0);
}

TEST(CostOf, PoolsCountTheirWindowsAndCopiesNothing) {
  Program program;
  const ValueId x = program.AddInput({4, 6, 6});
  program.MaxPool(x, {{2, 3}, {2, 3}});  // [4, 3, 2]
  EXPECT_EQ(CostOf(program).other_flops, 4 * 3 * 2 * 6);
  program.Join({x, x});
  program.View(x, 1, 2);
  program.Shortcut(x, {2, 2}, 9);
  EXPECT_EQ(CostOf(program).other_flops, 4 * 3 * 2 * 6);
}

TEST(CostOf, SumsTheBytesOfAllValues) {
  Program program;
  const ValueId x = program.AddInput({3, 4, 5});
  program.Join({x, x});
  EXPECT_EQ(CostOf(program).value_bytes, (60 + 120) * 4);
}

}  // namespace
}  // namespace csc
