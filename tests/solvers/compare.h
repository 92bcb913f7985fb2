// Comparisons that NaN never passes.

#ifndef CSC_TESTS_SOLVERS_COMPARE_H_
#define CSC_TESTS_SOLVERS_COMPARE_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>
#include <vector>

namespace csc::test {

// What engines owe each other: 2e-5 of the largest magnitude. Float carries
// 6e-8; sums of up to a few thousand products and ten layers in a row lose two
// decimal digits of it, a Winograd transform half a digit more.
constexpr double kEngineTolerance = 2e-5;

template <typename T>
double LargestMagnitude(const std::vector<T>& values) {
  double largest = 0;
  for (T value : values) largest = std::max(largest, std::abs(double{value}));
  return largest;
}

// Whether every |actual - expected| is at most `tolerance` times the largest
// |expected|, or times `least_scale` where that is larger. A NaN or infinity on
// either side fails.
template <typename T, typename U>
::testing::AssertionResult CloseTo(const std::vector<T>& actual, const std::vector<U>& expected,
                                   double tolerance = kEngineTolerance, double least_scale = 0) {
  if (actual.size() != expected.size()) {
    return ::testing::AssertionFailure()
           << actual.size() << " values, " << expected.size() << " expected";
  }
  const double scale = std::max(LargestMagnitude(expected), least_scale);
  double largest_error = 0;
  size_t worst = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    const double error = std::abs(double{actual[i]} - double{expected[i]});
    if (!std::isfinite(error)) {
      return ::testing::AssertionFailure()
             << "value " << i << " is " << actual[i] << ", " << expected[i] << " expected";
    }
    if (error > largest_error) {
      largest_error = error;
      worst = i;
    }
  }
  if (largest_error <= tolerance * scale) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << "value " << worst << " of " << actual.size() << " is " << actual[worst] << ", "
         << expected[worst] << " expected: an error of " << largest_error / scale
         << " of the largest magnitude " << scale << ", at most " << tolerance << " allowed";
}

// Whether both hold the same numbers, zero of either sign being one number.
template <typename T, typename U>
::testing::AssertionResult Equal(const std::vector<T>& actual, const std::vector<U>& expected) {
  return CloseTo(actual, expected, 0);
}

// Whether both hold the same bits.
template <typename T>
::testing::AssertionResult SameBits(const std::vector<T>& actual, const std::vector<T>& expected) {
  static_assert(std::is_arithmetic_v<T>, "compared byte by byte");
  if (actual.size() != expected.size()) {
    return ::testing::AssertionFailure()
           << actual.size() << " values, " << expected.size() << " expected";
  }
  for (size_t i = 0; i < actual.size(); ++i) {
    if (std::memcmp(&actual[i], &expected[i], sizeof(T)) != 0) {
      return ::testing::AssertionFailure()
             << "value " << i << " is " << actual[i] << ", expected the bits of " << expected[i];
    }
  }
  return ::testing::AssertionSuccess();
}

}  // namespace csc::test

#endif  // CSC_TESTS_SOLVERS_COMPARE_H_
