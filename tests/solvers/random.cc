#include "tests/solvers/random.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>

namespace csc::test {

namespace {

constexpr char kSeedVariable[] = "CSC_TEST_SEED";
constexpr int kFailingSeedsShown = 3;

std::string TestName() {
  const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
  return fmt::format("{}.{}", info->test_suite_name(), info->name());
}

std::string RepeatCommand(int seed) {
  const char* target = std::getenv("TEST_TARGET");  // set by Bazel
  return fmt::format("bazel test {} --test_env={}={} --test_filter={}", target ? target : "TARGET",
                     kSeedVariable, seed, TestName());
}

// Another test sees other data: FNV-1a of its name.
uint64_t Mixed(int seed) {
  uint64_t hash = 14695981039346656037u;
  for (unsigned char c : TestName()) hash = (hash ^ c) * 1099511628211u;
  return hash + static_cast<uint64_t>(seed);
}

// How many entries of the current test's result are failures.
int NumFailures() {
  const auto& result = *::testing::UnitTest::GetInstance()->current_test_info()->result();
  int failures = 0;
  for (int i = 0; i < result.total_part_count(); ++i) {
    failures += result.GetTestPartResult(i).failed() ? 1 : 0;
  }
  return failures;
}

}  // namespace

int64_t Random::Int(int64_t low, int64_t high) {
  const uint64_t range = static_cast<uint64_t>(high) - static_cast<uint64_t>(low) + 1;
  return low + static_cast<int64_t>(engine_() % range);
}

double Random::Real(double low, double high) {
  return low + (high - low) * static_cast<double>(engine_() >> 11) * 0x1p-53;
}

std::vector<float> Random::Reals(int64_t count, double low, double high) {
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(Real(low, high));
  return values;
}

std::vector<float> Random::Integers(int64_t count, int64_t low, int64_t high, double density) {
  std::vector<float> values(count);
  for (float& value : values) {
    value = Chance(density) ? static_cast<float>(Int(low, high)) : 0.0f;
  }
  return values;
}

int ForEachSeed(int count, const std::function<void(Random*)>& body) {
  int first = 0;
  if (const char* only = std::getenv(kSeedVariable)) {
    first = std::atoi(only);
    const char* dash = std::strchr(only, '-');
    count = (dash != nullptr ? std::atoi(dash + 1) : first) + 1;
  }
  int failing = 0, runs = 0;
  for (int seed = first; seed < count; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}; repeat with\n  {}", seed, RepeatCommand(seed)));
    const int before = NumFailures();
    Random random(Mixed(seed));
    try {
      body(&random);
    } catch (const std::exception& error) {
      ADD_FAILURE() << "exception: " << error.what();
    }
    ++runs;
    if (::testing::Test::IsSkipped()) break;
    if (NumFailures() > before && ++failing == kFailingSeedsShown) {
      ADD_FAILURE() << "stopped after " << failing << " failing seeds";
      break;
    }
  }
  return runs;
}

namespace {

// Kernel, dilation and stride along one axis.
void RandomAxis(Random* random, int axis, int64_t size, bool strided, Geometry* geometry) {
  geometry->kernel[axis] = random->Int(1, 7);
  geometry->strides[axis] = strided && random->Chance(0.4) ? random->Int(2, 3) : 1;
  geometry->dilations[axis] = random->Chance(0.1)    ? random->Int(size, size + 3)
                              : random->Chance(0.35) ? random->Int(2, 3)
                                                     : 1;
}

void SplitPads(Random* random, int axis, int64_t total, Geometry* geometry) {
  const bool even = total % 2 == 0 && random->Chance(0.5);
  geometry->pads[axis] = even ? total / 2 : random->Int(0, total);
  geometry->pads[axis + 2] = total - geometry->pads[axis];
}

}  // namespace

Geometry RandomGeometry(Random* random, int64_t height, int64_t width) {
  Geometry geometry;
  for (int axis = 0; axis < 2; ++axis) {
    const int64_t size = axis == 0 ? height : width;
    RandomAxis(random, axis, size, /*strided=*/true, &geometry);
    const int64_t extent = geometry.Extent(axis);
    const int64_t least = std::max<int64_t>(0, extent - size);
    const int64_t total =
        random->Chance(0.4) ? std::max(least, extent - 1) : least + random->Int(0, 4);
    SplitPads(random, axis, total, &geometry);
  }
  return geometry;
}

Geometry RandomSizeKeepingGeometry(Random* random, int64_t height, int64_t width) {
  Geometry geometry;
  for (int axis = 0; axis < 2; ++axis) {
    RandomAxis(random, axis, axis == 0 ? height : width, /*strided=*/false, &geometry);
    SplitPads(random, axis, geometry.Extent(axis) - 1, &geometry);
  }
  return geometry;
}

Convolution RandomConvolution(Random* random) {
  Convolution c;
  c.image = {random->Int(1, 9), random->Int(1, 12), random->Int(1, 12)};
  c.filters = random->Chance(0.2) ? random->Int(15, 34) : random->Int(1, 9);
  c.geometry = RandomGeometry(random, c.image.height, c.image.width);
  return c;
}

}  // namespace csc::test
