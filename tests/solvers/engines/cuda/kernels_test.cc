// The parts of the kernels that larger tests meet only at small sizes.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "solvers/engines/cuda/kernels/launch.h"
#include "tests/solvers/engines/cuda/host_backend.h"
#include "tests/solvers/random.h"

namespace csc::test {
namespace {

using cuda::Divisor;

constexpr uint32_t kMax = std::numeric_limits<int32_t>::max();

void ExpectDivides(uint32_t n, uint32_t d) {
  uint32_t remainder;
  EXPECT_EQ(Divisor(d).Split(n, &remainder), n / d) << n << " / " << d;
  EXPECT_EQ(remainder, n % d) << n << " / " << d;
}

TEST(Divisor, DividesSmallNumbers) {
  for (uint32_t d = 1; d < 300; ++d) {
    for (uint32_t n = 0; n < 1000; ++n) ExpectDivides(n, d);
  }
}

TEST(Divisor, DividesAroundMultiplesUpToTheLargestIndex) {
  ForEachSeed(50000, [&](Random* random) {
    const int64_t bits = random->Int(1, 31);
    const uint32_t d = static_cast<uint32_t>(random->Int(1, (int64_t{1} << bits) - 1));
    const int64_t multiple = random->Int(1, kMax / d) * d;
    for (int64_t n : {multiple - 1, multiple, multiple + 1, int64_t{kMax} - 1, int64_t{kMax}}) {
      if (n <= kMax) ExpectDivides(static_cast<uint32_t>(n), d);
    }
  });
}

TEST(ProximalMap, KeepsNotANumberAndSigns) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto shrunk = [](Shrink shrink, float z, float threshold) {
    cuda::ProximalMap map;
    map.threshold.data = &threshold;
    map.shrink = shrink;
    const cuda::Element element = {0, 0, 0, true};
    map.Apply<1, 1>(&element, &z);
    return z;
  };
  for (Shrink shrink : {Shrink::kNone, Shrink::kSoft, Shrink::kNonnegative}) {
    EXPECT_TRUE(std::isnan(shrunk(shrink, nan, 1)));
    EXPECT_EQ(shrunk(shrink, 3, 1), 2);
  }
  EXPECT_EQ(shrunk(Shrink::kNone, -3, 1), -4);
  EXPECT_EQ(shrunk(Shrink::kSoft, -3, 1), -2);
  EXPECT_EQ(shrunk(Shrink::kSoft, -1, 1), 0);
  EXPECT_EQ(shrunk(Shrink::kSoft, 0.5f, 1), 0);
  EXPECT_EQ(shrunk(Shrink::kNonnegative, -3, 1), 0);
}

// Every window that holds a position, and no other.
TEST(Window, FindsTheWindowsOfAPosition) {
  ForEachSeed(2000, [&](Random* random) {
    const int32_t size = static_cast<int32_t>(random->Int(1, 40));
    const int32_t kernel = static_cast<int32_t>(random->Int(1, size));
    const int32_t stride = static_cast<int32_t>(random->Int(1, 9));
    const int32_t windows = (size - kernel) / stride + 1;
    cuda::Window window;
    window.large[1] = Divisor(size);
    window.small[1] = Divisor(windows);
    window.kernel[1] = kernel;
    window.strides[1] = Divisor(stride);
    for (int32_t position = 0; position < size; ++position) {
      for (int32_t w = 0; w < windows; ++w) {
        const bool holds = w * stride <= position && position < w * stride + kernel;
        EXPECT_EQ(window.FirstWindow(1, position) <= w && w <= window.LastWindow(1, position),
                  holds);
      }
    }
  });
}

// Sums of more partial sums than a block has threads, of one gradient and of others beside.
TEST(GradientSums, AddEveryPartialSumOnce) {
  for (uint32_t count : {1u, 15u, 16u, 255u, 256u, 257u, 1000u}) {
    std::vector<double> partials(2 * 3 * count), target = {10, 20, 30, 40};
    std::vector<double> expected = target;
    for (size_t i = 0; i < partials.size(); ++i) {
      partials[i] = static_cast<double>(i * i % 101);
      if (i % 2 == 1) expected[i / 2 / count] += 3 * partials[i];
      if (i % 2 == 0) expected[3] -= partials[i];
    }
    cuda::GradientSumsKernel kernel = {};
    kernel.size = 2;
    kernel.gradients[0] = {partials.data(), target.data(), 3, 1, count, 0};
    kernel.gradients[1] = {partials.data(), target.data() + 3, -1, 0, 3 * count, 3};
    const auto backend = MakeHostBackend();
    backend->Run(*backend->MakeGraph({{kernel, 4}}));
    EXPECT_EQ(target, expected) << count;
  }
}

// Of two gradients in one launch, which end and begin within a block's entries.
TEST(FilterGradientSums, AddEveryRangeOnce) {
  for (uint32_t ranges : {1u, 16u, 40u}) {
    const uint32_t entries[] = {33, 64};
    std::vector<float> partials(ranges * 97);
    std::vector<double> target(97, 5), expected(97, 5);
    for (size_t i = 0; i < partials.size(); ++i) {
      partials[i] = static_cast<float>(i * i % 101);
      const bool first = i < 33 * ranges;
      const size_t entry = first ? i % 33 : 33 + (i - 33 * ranges) % 64;
      expected[entry] += (first ? 6 : -2) * static_cast<double>(partials[i]);
    }
    cuda::FilterGradientSumsKernel kernel = {};
    kernel.size = 2;
    kernel.gradients[0] = {partials.data(), target.data(), entries[0], ranges, {{2}, {3}}, 0};
    kernel.gradients[1] = {
        partials.data() + 33 * ranges, target.data() + 33, entries[1], ranges, {{-2}, {1}}, 2};
    const auto backend = MakeHostBackend();
    backend->Run(*backend->MakeGraph({{kernel, 4}}));
    EXPECT_EQ(target, expected) << ranges;
  }
}

TEST(Several, DoesWhatEachKernelOfItDoes) {
  const uint32_t sizes[] = {1, 7, 64, 2};
  std::vector<float> filters(74), packed(74, -1);
  for (size_t i = 0; i < filters.size(); ++i) filters[i] = static_cast<float>(i);
  cuda::Several<cuda::PackFiltersKernel> several;
  uint32_t first = 0;
  for (uint32_t size : sizes) {
    // So many filters of one tap and channel, which packing leaves in their order.
    several.kernels[several.size] = {
        filters.data() + first, 1, 1, false, size, Divisor(1), Divisor(size),
        packed.data() + first};
    several.first[several.size++] = first;
    first += size;
  }
  const auto backend = MakeHostBackend();
  backend->Run(*backend->MakeGraph({{several, first}}));
  EXPECT_EQ(packed, filters);
}

}  // namespace
}  // namespace csc::test
