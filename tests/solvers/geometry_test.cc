#include "solvers/geometry.h"

#include <gtest/gtest.h>

#include "solvers/tensor.h"
#include "tests/solvers/random.h"
#include "tests/solvers/refusal.h"

namespace csc {
namespace {

using test::ExpectRefusal;

TEST(Geometry, CountsWindowsAsOneByOnePlacementDoes) {
  test::ForEachSeed(500, [](test::Random* random) {
    const test::Convolution c = test::RandomConvolution(random);
    for (int axis = 0; axis < 2; ++axis) {
      const Geometry& g = c.geometry;
      const int64_t size = axis == 0 ? c.image.height : c.image.width;
      int64_t windows = 0;
      for (int64_t start = -g.pads[axis]; start + g.Extent(axis) <= size + g.pads[axis + 2];
           start += g.strides[axis]) {
        ++windows;
      }
      EXPECT_EQ(g.OutputSize(axis, size), windows) << ToString(g) << " size " << size;
    }
  });
}

TEST(Geometry, HasNoWindowsWhereNoneFits) {
  const Geometry g = {{5, 3}, {1, 1}, {2, 1}, {1, 0, 1, 0}};
  EXPECT_EQ(g.OutputSize(0, 6), 0);
  EXPECT_EQ(g.OutputSize(0, 7), 1);
  EXPECT_EQ(g.OutputSize(1, 2), 0);
}

TEST(Geometry, SmallestInputGivesTheOutputAndOneLessDoesNot) {
  test::ForEachSeed(500, [](test::Random* random) {
    const Geometry g = test::RandomGeometry(random, 8, 8);
    for (int axis = 0; axis < 2; ++axis) {
      const int64_t windows = random->Int(1, 9);
      const int64_t size = g.SmallestInputSize(axis, windows);
      EXPECT_EQ(g.OutputSize(axis, size), windows) << ToString(g);
      EXPECT_EQ(g.OutputSize(axis, size - 1), windows - 1) << ToString(g);
    }
  });
}

TEST(Geometry, KeepsSizeExactlyWhenEverySizeIsKept) {
  int keeping = 0;
  const int seeds = test::ForEachSeed(300, [&](test::Random* random) {
    const Geometry g = random->Chance(0.5) ? test::RandomGeometry(random, 9, 9)
                                           : test::RandomSizeKeepingGeometry(random, 9, 9);
    bool keeps = true;
    for (int64_t size = 1; size < 30; ++size) {
      keeps = keeps && g.OutputSize(0, size) == size && g.OutputSize(1, size) == size;
    }
    EXPECT_EQ(g.KeepsSize(), keeps) << ToString(g);
    keeping += keeps;
  });
  EXPECT_GE(keeping, seeds / 3);
}

TEST(SamePadded, PadsHalfTheExtentOnEverySide) {
  EXPECT_EQ(SamePadded({3, 5}, {2, 1}, {2, 3}).pads, (std::array<int64_t, 4>{2, 6, 2, 6}));
  EXPECT_EQ(SamePadded({2, 1}, {1, 1}, {4, 1}).pads, (std::array<int64_t, 4>{2, 0, 2, 0}));
}

TEST(SamePadded, RefusesHalvesNamingTheKernel) {
  ExpectRefusal(
      [] {
        SamePadded({3, 4}, {1, 1}, {1, 3});
      },
      {"kernel of size 4", "dilation 3", "9 is odd"});
}

TEST(Geometry, IsWrittenWithWhatIsNotTheUsual) {
  EXPECT_EQ(ToString(SamePadded({3, 5})), "3x5");
  EXPECT_EQ(ToString(SamePadded({3, 3}, {2, 1}, {4, 4})), "3x3 stride 2x1 dilation 4x4");
  EXPECT_EQ(ToString(Geometry{{3, 3}, {1, 1}, {1, 1}, {0, 0, 1, 1}}), "3x3 pads [0, 0, 1, 1]");
  EXPECT_EQ(ToString(Geometry{{2, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}}), "2x1 pads [0, 0, 0, 0]");
}

TEST(Validate, AcceptsTheEndsOfEveryRange) {
  Validate({{1, 255}, {1, 1024}, {1024, 1}, {0, 16384, 16384, 0}});
}

TEST(Validate, RefusesWhatLiesOutsideNamingTheAttribute) {
  ExpectRefusal([] { Validate({{0, 3}}); }, {"kernel_shape", "0, 3", "1..255"});
  ExpectRefusal([] { Validate({{3, 256}}); }, {"kernel_shape", "256"});
  ExpectRefusal([] { Validate({{3, 3}, {0, 1}}); }, {"strides", "0, 1", "1..1024"});
  ExpectRefusal([] { Validate({{3, 3}, {1, 1025}}); }, {"strides", "1025"});
  ExpectRefusal([] { Validate({{3, 3}, {1, 1}, {-1, 1}}); }, {"dilations", "-1"});
  ExpectRefusal([] { Validate({{3, 3}, {1, 1}, {1, 1025}}); }, {"dilations", "1025"});
  ExpectRefusal([] { Validate({{3, 3}, {1, 1}, {1, 1}, {0, 0, -1, 0}}); }, {"pads", "-1"});
  ExpectRefusal(
      [] {
        Validate({{3, 3}, {1, 1}, {1, 1}, {0, 0, 0, 16385}});
      },
      {"pads", "16385", "0..16384"});
}

TEST(NumElements, MultipliesAndTakesNoneAsOne) {
  EXPECT_EQ(NumElements({}), 1);
  EXPECT_EQ(NumElements({2, 3, 5}), 30);
  EXPECT_EQ(NumElements({2, 0, 5}), 0);
}

TEST(NumElements, RefusesOverflowAndNegativeSizes) {
  ExpectRefusal(
      [] {
        NumElements({int64_t{1} << 32, int64_t{1} << 31});
      },
      {"4294967296", "overflows"});
  ExpectRefusal([] { NumElements({3, -2}); }, {"-2", "negative"});
}

}  // namespace
}  // namespace csc
