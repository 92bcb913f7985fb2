// Random test data that can be had again: every case has a seed, and a failure
// prints the command that repeats it alone.

#ifndef CSC_TESTS_SOLVERS_RANDOM_H_
#define CSC_TESTS_SOLVERS_RANDOM_H_

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <random>
#include <vector>

#include "solvers/geometry.h"
#include "solvers/tensor.h"

namespace csc::test {

// The same numbers for the same seed on every machine.
class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}

  int64_t Int(int64_t low, int64_t high);  // both inclusive
  double Real(double low, double high);
  bool Chance(double probability) { return Real(0, 1) < probability; }
  template <typename T>
  T Pick(std::initializer_list<T> choices) {
    return choices.begin()[Int(0, static_cast<int64_t>(choices.size()) - 1)];
  }

  std::vector<float> Reals(int64_t count, double low, double high);
  // Small integers, most of them zero where `density` is small, so that sums
  // of their products are exact in float.
  std::vector<float> Integers(int64_t count, int64_t low, int64_t high, double density = 1);

 private:
  std::mt19937_64 engine_;
};

// Calls body(random) for `count` seeds of this test's own. Failures and
// exceptions name the seed and how to run it alone; after a few failing seeds
// the rest are left out. CSC_TEST_SEED=7 in the environment runs that seed only,
// CSC_TEST_SEED=1000-9999 others and as many as one likes.
// Returns how many seeds have run.
int ForEachSeed(int count, const std::function<void(Random*)>& body);

// An analysis that fits: at least one window along each axis.
struct Convolution {
  Shape image;
  int64_t filters;
  Geometry geometry;

  Dims filter_dims() const {
    return {filters, image.channels, geometry.kernel[0], geometry.kernel[1]};
  }
  Shape code() const {
    return {filters, geometry.OutputSize(0, image.height), geometry.OutputSize(1, image.width)};
  }
};

// Kernels of 1 to 7, rectangular ones among them, strides to 3, dilations also
// larger than the image, uneven pads also larger than the kernel.
Convolution RandomConvolution(Random* random);

// A geometry as above for images of this size.
Geometry RandomGeometry(Random* random, int64_t height, int64_t width);

// One of stride 1 whose output has its input's size, pads uneven or not.
Geometry RandomSizeKeepingGeometry(Random* random, int64_t height, int64_t width);

}  // namespace csc::test

#endif  // CSC_TESTS_SOLVERS_RANDOM_H_
