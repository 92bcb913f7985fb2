// DictionaryBound is never below lambda_max, and not far above it.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>
#include <vector>

#include "solvers/algorithms/lasso.h"
#include "solvers/error.h"
#include "solvers/program/program.h"
#include "tests/solvers/random.h"
#include "tests/solvers/run.h"

namespace csc::test {
namespace {

using Complex = std::complex<double>;
using Doubles = std::vector<double>;

Tensor RandomFilters(Random* random, const Dims& dims, double low = -1) {
  return {dims, random->Reals(NumElements(dims), low, 1)};
}

double Norm(const Doubles& v) {
  double squares = 0;
  for (double value : v) squares += value * value;
  return std::sqrt(squares);
}

// lambda_max of F^T F on images of this shape, from below, by power iteration.
double LambdaMax(const Tensor& filters, const Convolution& c, int iterations) {
  Program program;
  const int f = program.AddParameter("F", filters.dims);
  const ValueId x = program.AddInput(c.image);
  const ValueId code = program.Analysis(x, f, c.geometry);
  program.MarkOutput(program.Synthesis(code, f, c.geometry, c.image.height, c.image.width));
  const Doubles parameters(filters.data.begin(), filters.data.end());
  Random random(7);
  const auto start = random.Reals(c.image.size(), -1, 1);
  Doubles v(start.begin(), start.end());
  double lambda = 0;
  for (int i = 0; i < iterations; ++i) {
    const double norm = Norm(v);
    if (norm == 0) return 0;
    for (double& value : v) value /= norm;
    v = RunReference<double>(program, 1, {v}, parameters).outputs[0];
    lambda = Norm(v);
  }
  return lambda;
}

// The largest squared singular value of the frequency response on a grid, by
// power iteration: lambda_max for images without end, from below.
double LargestResponse(const Tensor& filters, int grid) {
  const Dims& d = filters.dims;
  Random random(7);
  double largest = 0;
  for (int i = 0; i <= grid / 2; ++i) {
    for (int j = 0; j < grid; ++j) {
      std::vector<Complex> response(d[0] * d[1]);
      for (int64_t kh = 0; kh < d[2]; ++kh) {
        for (int64_t kw = 0; kw < d[3]; ++kw) {
          const Complex wave = std::polar(1.0, 2 * M_PI * (i * kh + j * kw) / grid);
          for (int64_t p = 0; p < d[0] * d[1]; ++p) {
            response[p] += wave * double{filters.data[(p * d[2] + kh) * d[3] + kw]};
          }
        }
      }
      std::vector<Complex> v(d[1]);
      for (Complex& value : v) value = {random.Real(-1, 1), random.Real(-1, 1)};
      double lambda = 0;
      for (int iteration = 0; iteration < 60; ++iteration) {
        std::vector<Complex> next(d[1]);
        for (int64_t k = 0; k < d[0]; ++k) {
          Complex sum = 0;
          for (int64_t c = 0; c < d[1]; ++c) sum += response[k * d[1] + c] * v[c];
          for (int64_t c = 0; c < d[1]; ++c) next[c] += std::conj(response[k * d[1] + c]) * sum;
        }
        double before = 0, after = 0;
        for (const Complex& value : v) before += std::norm(value);
        for (const Complex& value : next) after += std::norm(value);
        if (before == 0) break;
        lambda = std::sqrt(after / before);
        v = next;
        for (Complex& value : v) value /= std::max(std::sqrt(after), 1e-300);
      }
      largest = std::max(largest, lambda);
    }
  }
  return largest;
}

TEST(DictionaryBound, IsNeverBelowLambdaMaxOfAnyImage) {
  ForEachSeed(150, [](Random* random) {
    Convolution c = RandomConvolution(random);
    c.filters = random->Int(1, 8);
    // All of one sign: the largest response is at frequency 0, as in averages.
    const Tensor filters = RandomFilters(random, c.filter_dims(), random->Pick({-1.0, 0.0}));
    EXPECT_GE(DictionaryBound(filters, c.geometry), LambdaMax(filters, c, 60))
        << ToString(c.geometry);
  });
}

TEST(DictionaryBound, IsNeverBelowLambdaMaxOfLargeImages) {
  ForEachSeed(6, [](Random* random) {
    Convolution c = {{random->Int(1, 3), 40, 41}, random->Int(1, 4), {}};
    const int64_t dilation = random->Int(1, 4);
    c.geometry = SamePadded({3, 5}, {random->Int(1, 2), 1}, {dilation, 1});
    const Tensor filters = RandomFilters(random, c.filter_dims());
    EXPECT_GE(DictionaryBound(filters, c.geometry), LambdaMax(filters, c, 60));
  });
}

TEST(DictionaryBound, IsWithinAFewPercentAtStrideOne) {
  ForEachSeed(25, [](Random* random) {
    const Dims dims = {random->Int(1, 6), random->Int(1, 6), random->Int(1, 5), random->Int(1, 5)};
    const Tensor filters = RandomFilters(random, dims);
    const int64_t dilation = random->Int(1, 3);
    const Geometry geometry = {{dims[2], dims[3]}, {1, 1}, {dilation, 1}};
    const double bound = DictionaryBound(filters, geometry);
    const double lambda = LargestResponse(filters, 40);
    EXPECT_GE(bound, lambda) << ToString(dims);
    EXPECT_LE(bound, lambda * 1.06) << ToString(dims);
  });
}

TEST(DictionaryBound, IsWithinAFewPercentWithStrides) {
  ForEachSeed(12, [](Random* random) {
    Convolution c = {{random->Int(1, 3), 72, 75}, random->Int(1, 4), {}};
    c.geometry = SamePadded({3, 5}, {random->Int(1, 4), random->Int(2, 4)},
                            {random->Int(1, 4), random->Int(1, 4)});
    const Tensor filters = RandomFilters(random, c.filter_dims());
    const double bound = DictionaryBound(filters, c.geometry);
    const double lambda = LambdaMax(filters, c, 200);
    EXPECT_GE(bound, lambda) << ToString(c.geometry);
    EXPECT_LE(bound, lambda * 1.1) << ToString(c.geometry);
  });
}

TEST(DictionaryBound, OfWindowsThatDoNotOverlapIsThatOfOneWindow) {
  const Tensor sum = {{1, 1, 2, 1}, {1, 1}};
  const auto bound = [&](int64_t stride, int64_t dilation) {
    return DictionaryBound(sum, {{2, 1}, {stride, 1}, {dilation, 1}});
  };
  EXPECT_NEAR(bound(1, 1), 4, 0.2);  // at frequency 0, where windows add up
  EXPECT_NEAR(bound(2, 1), 2, 1e-4);
  EXPECT_NEAR(bound(2, 3), 2, 1e-4);  // pixels 2n and 2n + 3
  EXPECT_NEAR(bound(2, 2), 4, 0.2);   // only even pixels are touched, at stride 1
  EXPECT_NEAR(bound(4, 2), 2, 1e-4);
}

TEST(DictionaryBound, StaysCloseForManyChannels) {
  for (const Dims& dims :
       {Dims{64, 64, 3, 3}, Dims{128, 3, 7, 7}, Dims{128, 128, 3, 3}, Dims{32, 195, 3, 3}}) {
    Random random(1);
    const Tensor filters = RandomFilters(&random, dims);
    const double bound = DictionaryBound(filters, SamePadded({dims[2], dims[3]}));
    const double lambda = LargestResponse(filters, 8);
    EXPECT_GE(bound, lambda) << ToString(dims);
    EXPECT_LE(bound, lambda * 1.3) << ToString(dims);
  }
}

TEST(DictionaryBound, OfOneNumberIsItsSquare) {
  EXPECT_NEAR(DictionaryBound({{1, 1, 1, 1}, {-3}}, {}), 9, 1e-4);
}

TEST(DictionaryBound, OfFiltersOfZerosIsZero) {
  EXPECT_EQ(DictionaryBound({{2, 3, 3, 3}, std::vector<float>(54, 0)}, SamePadded({3, 3})), 0);
}

TEST(DictionaryBound, ScalesWithTheSquareOfTheFilters) {
  Random random(1);
  const Tensor filters = RandomFilters(&random, {3, 2, 3, 3});
  const double bound = DictionaryBound(filters, SamePadded({3, 3}));
  for (double scale : {1e-6, 1e6}) {
    Tensor scaled = filters;
    for (float& value : scaled.data) value *= static_cast<float>(scale);
    EXPECT_NEAR(DictionaryBound(scaled, SamePadded({3, 3})) / (scale * scale), bound, 1e-4 * bound);
  }
}

TEST(DictionaryBound, RefusesFiltersThatAreNoFilters) {
  EXPECT_THROW(DictionaryBound({{3}, {1, 2, 3}}, {}), Error);
}

}  // namespace
}  // namespace csc::test
