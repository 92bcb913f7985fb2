#include "training/report/coherence.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "solvers/program/program.h"
#include "tests/solvers/random.h"
#include "tests/solvers/run.h"

namespace csc::test {
namespace {

Geometry Of(const Tensor& filters, int64_t stride = 1, int64_t dilation = 1) {
  return {{filters.dims[2], filters.dims[3]}, {stride, stride}, {dilation, dilation}};
}

double Mu(const Tensor& filters, bool identity = false, int64_t stride = 1, int64_t dilation = 1) {
  return MutualCoherence(filters, Of(filters, stride, dilation), identity);
}

TEST(CoherenceTest, IsOneOfEqualAndOppositeAtomsAndZeroOfOrthogonalOnes) {
  EXPECT_NEAR(Mu({{2, 2, 1, 1}, {1, 2, 1, 2}}), 1, 1e-12);
  EXPECT_NEAR(Mu({{2, 2, 1, 1}, {1, 2, -3, -6}}), 1, 1e-12);
  EXPECT_EQ(Mu({{2, 2, 1, 1}, {1, 2, -2, 1}}), 0);
  EXPECT_NEAR(Mu({{3, 2, 1, 1}, {1, 0, 0, 1, 3, 4}}), 0.8, 1e-12);
}

TEST(CoherenceTest, TakesShiftsAsAtomsOfTheirOwn) {
  // The two filters are orthogonal where they lie, and one is the other's shift.
  EXPECT_EQ(Mu({{2, 1, 1, 2}, {1, 0, 0, 1}}), 1);
  // A filter against its own shifts: 14 to the side, 11 down, 4 and 6 across.
  EXPECT_NEAR(Mu({{1, 1, 2, 2}, {1, 2, 3, 4}}), 14 / 30.0, 1e-12);
  EXPECT_NEAR(Mu({{1, 1, 2, 2}, {1, 3, 2, 4}}), 14 / 30.0, 1e-12);
  // Down to the left is another product than down to the right.
  EXPECT_NEAR(Mu({{1, 1, 2, 2}, {0, 1, 1, 0}}), 1 / 2.0, 1e-12);
}

TEST(CoherenceTest, ShiftsOnlyByStridesAndBetweenTapsThatMeet) {
  const Tensor pair = {{1, 1, 1, 2}, {1, 1}};
  EXPECT_NEAR(Mu(pair), 0.5, 1e-12);
  EXPECT_EQ(Mu(pair, false, 2), 0);
  EXPECT_NEAR(Mu(pair, false, 1, 2), 0.5, 1e-12);
  // Two taps two pixels apart, shifted by two: one tap, as without either.
  EXPECT_NEAR(Mu(pair, false, 2, 2), 0.5, 1e-12);
  // Shifts by two meet taps three apart at every sixth pixel: two taps on.
  EXPECT_EQ(Mu(pair, false, 2, 3), 0);
}

TEST(CoherenceTest, MeetsAtomsOfTheIdentityInOneWeight) {
  const Tensor filter = {{1, 2, 1, 1}, {3, -4}};
  EXPECT_EQ(Mu(filter), 0);
  EXPECT_NEAR(Mu(filter, true), 0.8, 1e-12);
}

TEST(CoherenceTest, LeavesZeroFiltersOut) {
  EXPECT_EQ(Mu({{2, 1, 1, 2}, {0, 0, 0, 0}}), 0);
  EXPECT_EQ(Mu({{2, 1, 1, 2}, {0, 0, 0, 0}}, true), 0);
  EXPECT_NEAR(Mu({{2, 1, 1, 2}, {0, 0, 1, 1}}), 0.5, 1e-12);
}

// All atoms of a dictionary on an image, as its columns: F^T of unit codes.
std::vector<std::vector<double>> Columns(const Tensor& filters, const Geometry& geometry,
                                         const Shape& image) {
  Program program;
  const int f = program.AddParameter("F", filters.dims);
  const Shape codes = {filters.dims[0], geometry.OutputSize(0, image.height),
                       geometry.OutputSize(1, image.width)};
  const ValueId g = program.AddInput(codes);
  program.MarkOutput(program.Synthesis(g, f, geometry, image.height, image.width));
  const std::vector<double> parameters(filters.data.begin(), filters.data.end());
  std::vector<std::vector<double>> columns;
  for (int64_t i = 0; i < codes.size(); ++i) {
    std::vector<double> unit(codes.size());
    unit[i] = 1;
    columns.push_back(RunReference<double>(program, 1, {unit}, parameters).outputs[0]);
  }
  return columns;
}

double LargestInnerProduct(std::vector<std::vector<double>> columns) {
  double largest = 0;
  for (auto& column : columns) {
    double squares = 0;
    for (double v : column) squares += v * v;
    for (double& v : column) v /= std::sqrt(squares);
  }
  for (size_t i = 0; i < columns.size(); ++i) {
    for (size_t j = i + 1; j < columns.size(); ++j) {
      double sum = 0;
      for (size_t p = 0; p < columns[i].size(); ++p) sum += columns[i][p] * columns[j][p];
      largest = std::max(largest, std::abs(sum));
    }
  }
  return largest;
}

TEST(CoherenceTest, AgreesWithTheDictionaryWrittenOutAsAMatrix) {
  Random random(11);
  for (const auto& [stride, dilation] :
       std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {1, 2}, {2, 1}, {2, 2}, {2, 3}, {3, 2}}) {
    SCOPED_TRACE(::testing::Message() << "stride " << stride << ", dilation " << dilation);
    const Dims dims = {2, 2, 2, 3};
    const Tensor filters = {dims, random.Reals(NumElements(dims), -1, 1)};
    const Geometry geometry = Of(filters, stride, dilation);
    // No pads, so that no atom is cut; large enough for all shifts that meet.
    auto columns = Columns(filters, geometry, {2, 3 * dilation + 4, 5 * dilation + 4});
    EXPECT_NEAR(MutualCoherence(filters, geometry, false), LargestInnerProduct(columns), 1e-6);
    if (stride > 1) continue;
    const size_t pixels = columns[0].size();
    for (size_t p = 0; p < pixels; ++p) {
      columns.emplace_back(pixels);
      columns.back()[p] = 1;
    }
    EXPECT_NEAR(MutualCoherence(filters, geometry, true), LargestInnerProduct(columns), 1e-6);
  }
}

TEST(CoherenceTest, IsTheSameOnAnyExecutor) {
  Random random(12);
  const Dims dims = {9, 4, 3, 3};
  const Tensor filters = {dims, random.Reals(NumElements(dims), -1, 1)};
  const auto pool = MakeThreadPool(3);
  EXPECT_EQ(MutualCoherence(filters, Of(filters), true, pool.get()), Mu(filters, true));
}

}  // namespace
}  // namespace csc::test
