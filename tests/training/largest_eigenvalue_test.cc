#include "training/models/largest_eigenvalue.h"

#include <gtest/gtest.h>

#include "solvers/algorithms/lasso.h"
#include "tests/solvers/random.h"

namespace csc::test {
namespace {

double Lambda(const Tensor& filters, int64_t stride = 1, int64_t dilation = 1) {
  return LargestEigenvalue(
      filters, {{filters.dims[2], filters.dims[3]}, {stride, stride}, {dilation, dilation}});
}

TEST(LargestEigenvalueTest, IsKnownForSmallDictionaries) {
  EXPECT_NEAR(Lambda({{3, 3, 1, 1}, {1, 0, 0, 0, 1, 0, 0, 0, 1}}), 1, 1e-9);  // the identity
  EXPECT_NEAR(Lambda({{1, 1, 1, 1}, {3}}), 9, 1e-9);
  EXPECT_EQ(Lambda({{2, 1, 3, 3}, std::vector<float>(18)}), 0);
  EXPECT_NEAR(Lambda({{2, 2, 1, 1}, {1, 0, 0, 2}}), 4, 1e-4);
  // A constant image answers most: (1 + 1)^2.
  EXPECT_NEAR(Lambda({{1, 1, 1, 2}, {1, 1}}), 4, 1e-9);
  EXPECT_NEAR(Lambda({{1, 1, 3, 3}, std::vector<float>(9, 1.0f)}), 81, 1e-6);
  // One that all ones are blind to, over channels and over taps.
  EXPECT_NEAR(Lambda({{1, 2, 1, 1}, {1, -1}}), 2, 1e-9);
  EXPECT_NEAR(Lambda({{1, 1, 1, 2}, {1, -1}}), 4, 1e-9);
}

TEST(LargestEigenvalueTest, KnowsThatStridedAtomsMeetLess) {
  const Tensor filter = {{1, 1, 1, 4}, {1, 2, 3, 4}};
  // ||f||^2 + 2 <f, f two taps on>; apart from four taps on, ||f||^2 alone.
  EXPECT_NEAR(Lambda(filter, 2), 30 + 2 * 11, 1e-9);
  EXPECT_NEAR(Lambda(filter, 4), 30, 1e-9);
  EXPECT_NEAR(Lambda(filter, 100), 30, 1e-9);
  // Dilation cancels as much of the stride as both have in common.
  EXPECT_NEAR(Lambda(filter, 2, 2), Lambda(filter), 1e-9);
  EXPECT_NEAR(Lambda(filter, 4, 2), Lambda(filter, 2), 1e-9);
}

TEST(LargestEigenvalueTest, LiesCloseBelowTheProvenBound) {
  Random random(21);
  for (const Dims& dims : {Dims{4, 3, 3, 3}, Dims{8, 12, 3, 3}, Dims{5, 2, 4, 4}, Dims{3, 7, 1, 1},
                           Dims{2, 2, 5, 2}, Dims{6, 1, 7, 7}}) {
    SCOPED_TRACE(ToString(dims));
    const Tensor filters = {dims, random.Reals(NumElements(dims), -1, 1)};
    const double lambda = Lambda(filters);
    const double bound = DictionaryBound(filters, {{dims[2], dims[3]}});
    EXPECT_LE(lambda, bound);
    // The bound itself is up to 4 % too large at each sample between which it
    // cannot look.
    EXPECT_GE(lambda, 0.95 * bound);
  }
}

}  // namespace
}  // namespace csc::test
