// The tests' own tools: a comparison that cannot fail proves nothing.

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <new>

#include "tests/solvers/compare.h"
#include "tests/solvers/random.h"
#include "tests/solvers/random_layer.h"

namespace csc::test {
namespace {

using Floats = std::vector<float>;
const float kNaN = std::numeric_limits<float>::quiet_NaN();
const float kInfinity = std::numeric_limits<float>::infinity();

TEST(CloseTo, MeasuresErrorsAgainstTheLargestMagnitude) {
  EXPECT_TRUE(CloseTo(Floats{100, 1e-4f}, Floats{100, 0}, 1e-5));
  EXPECT_FALSE(CloseTo(Floats{1, 1e-4f}, Floats{1, 0}, 1e-5));
  EXPECT_FALSE(CloseTo(Floats{1, 2}, Floats{1, 2.1f}, 1e-2));
}

TEST(CloseTo, NeverAcceptsNotANumberOrInfinity) {
  EXPECT_FALSE(CloseTo(Floats{kNaN}, Floats{1}, 1e9));
  EXPECT_FALSE(CloseTo(Floats{1}, Floats{kNaN}, 1e9));
  EXPECT_FALSE(CloseTo(Floats{kNaN}, Floats{kNaN}, 1e9));
  EXPECT_FALSE(CloseTo(Floats{kInfinity, 1}, Floats{kInfinity, 1}, 1e9));
  EXPECT_FALSE(CloseTo(Floats{1}, Floats{kInfinity}, 1e9));
}

TEST(CloseTo, RefusesAnotherNumberOfValues) {
  EXPECT_FALSE(CloseTo(Floats{1, 2}, Floats{1}, 1e9));
  EXPECT_FALSE(SameBits(Floats{1, 2}, Floats{1}));
}

TEST(CloseTo, NeedsEqualityWhereTheToleranceIsZero) {
  EXPECT_TRUE(Equal(Floats{3, -0.0f}, Floats{3, 0}));
  EXPECT_FALSE(Equal(Floats{3, 1e-30f}, Floats{3, 0}));
}

TEST(SameBits, TellsZeroFromMinusZero) {
  EXPECT_TRUE(SameBits(Floats{0, 1}, Floats{0, 1}));
  EXPECT_FALSE(SameBits(Floats{-0.0f}, Floats{0}));
}

TEST(Random, GivesTheSameNumbersEverywhere) {
  Random random(5489);
  // std::mt19937_64's first number is fixed by the standard.
  EXPECT_EQ(random.Int(0, std::numeric_limits<int64_t>::max()),
            static_cast<int64_t>(14514284786278117030u % (1ull << 63)));
}

TEST(ForEachSeed, NamesTheSeedAndTheCommandOfAFailure) {
  EXPECT_NONFATAL_FAILURE(ForEachSeed(1, [](Random*) { throw std::bad_alloc(); }),
                          "CSC_TEST_SEED=0 --test_filter=ForEachSeed.NamesTheSeed");
}

TEST(RandomConvolution, ReachesTheCornersOfItsRanges) {
  int strided = 0, wide_dilation = 0, uneven = 0, rectangular = 0, all_padding = 0;
  const int seeds = ForEachSeed(300, [&](Random* random) {
    const Convolution c = RandomConvolution(random);
    const Geometry& g = c.geometry;
    ASSERT_GE(c.code().height, 1);
    ASSERT_GE(c.code().width, 1);
    strided += g.strides[0] > 1;
    wide_dilation += g.dilations[1] >= c.image.width;
    uneven += g.pads[0] != g.pads[2];
    rectangular += g.kernel[0] != g.kernel[1];
    all_padding += g.pads[0] >= g.Extent(0);  // windows that see no pixel
  });
  EXPECT_GE(strided, seeds / 6);
  EXPECT_GE(wide_dilation, seeds / 15);
  EXPECT_GE(uneven, seeds / 6);
  EXPECT_GE(rectangular, seeds / 3);
  EXPECT_GE(all_padding, seeds / 60);
}

TEST(RandomLayer, CanBeBuiltForEveryOperator) {
  for (const std::string& op : ProgramOperators()) {
    ForEachSeed(50, [&](Random* random) {
      SCOPED_TRACE(op);
      const LayerCase layer = RandomLayer(random, op, RandomInputShape(random));
      const Program program = LayerProgram(layer);
      EXPECT_EQ(program.outputs().size(), 1u);
      EXPECT_EQ(program.parameter_size(), static_cast<int64_t>(Flatten({layer}).size()));
    });
  }
}

TEST(RandomNetwork, EndsInLogits) {
  ForEachSeed(100, [&](Random* random) {
    const Program program = NetworkProgram(RandomNetwork(random));
    const Shape& logits = program.shape(program.outputs().at(0));
    EXPECT_EQ(logits.height, 1);
    EXPECT_EQ(logits.width, 1);
    EXPECT_GE(logits.channels, 2);
  });
}

}  // namespace
}  // namespace csc::test
