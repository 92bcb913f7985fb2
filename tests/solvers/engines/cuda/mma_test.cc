// Formats of tensor cores' factors and who holds which of them, against values
// and products worked out here on their own.

#include "solvers/engines/cuda/kernels/mma.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "solvers/engines/cuda/kernels/tensor_convolution.h"
#include "tests/solvers/random.h"

namespace csc::test {
namespace {

using cuda::Bfloat16;
using cuda::PerLane;
using cuda::Tf32;

// `value` with `bits` bits of fraction, the explicit ones; ties away from zero or to even.
float Rounded(float value, int bits, bool ties_to_even) {
  if (value == 0) return value;
  int exponent;
  const double fraction = std::frexp(static_cast<double>(value), &exponent);  // in [1/2, 1)
  const double scaled = std::ldexp(fraction, bits + 1);
  // nearbyint rounds ties to even, round away from zero.
  const double whole = ties_to_even ? std::nearbyint(scaled) : std::round(scaled);
  return static_cast<float>(std::ldexp(whole, exponent - bits - 1));
}

template <typename Format>
float Back(float value, int k = 0) {
  float values[2] = {k == 0 ? value : 3.0f, k == 0 ? 3.0f : value};
  return Format::Value(Format::Word(values), k);
}

TEST(Formats, RoundToNearest) {
  ForEachSeed(2000, [](Random* random) {
    float value = static_cast<float>(std::ldexp(random->Real(-2, 2), random->Int(-90, 90)));
    if (random->Chance(0.5)) {
      // Few bits: ties, and numbers that need no rounding.
      value = static_cast<float>(random->Int(-8192, 8192)) * (1.0f / 64);
    }
    EXPECT_EQ(Back<Tf32>(value), Rounded(value, 10, /*ties_to_even=*/false)) << value;
    for (int k : {0, 1}) {
      EXPECT_EQ(Back<Bfloat16>(value, k), Rounded(value, 7, /*ties_to_even=*/true)) << value;
    }
  });
}

TEST(Formats, KeepWhatIsNoNumber) {
  const float infinity = std::numeric_limits<float>::infinity();
  uint32_t bits = 0x7F800001;  // would be infinite without its last bits
  float nan;
  std::memcpy(&nan, &bits, sizeof(nan));
  EXPECT_TRUE(std::isnan(Back<Tf32>(nan)));
  EXPECT_TRUE(std::isnan(Back<Bfloat16>(nan)));
  EXPECT_EQ(Back<Tf32>(-infinity), -infinity);
  EXPECT_EQ(Back<Bfloat16>(-infinity), -infinity);
  // Rounded past the largest number.
  const float largest = std::numeric_limits<float>::max();
  EXPECT_EQ(Back<Tf32>(largest), infinity);
  EXPECT_EQ(Back<Bfloat16>(largest), infinity);
}

// The tables of the PTX ISA for matrix fragments, by row and column of single
// values: of A value i of a lane is at (row, k), and so on.
struct At {
  int row, column;
};
At OfA(const Tf32*, int lane, int i) {
  return {lane / 4 + (i == 1 || i == 3 ? 8 : 0), lane % 4 + (i >= 2 ? 4 : 0)};
}
At OfB(const Tf32*, int lane, int i) { return {lane % 4 + 4 * i, lane / 4}; }
At OfA(const Bfloat16*, int lane, int i) {
  const bool lower = (i >= 2 && i < 4) || i >= 6;
  return {lane / 4 + (lower ? 8 : 0), lane % 4 * 2 + i % 2 + (i >= 4 ? 8 : 0)};
}
At OfB(const Bfloat16*, int lane, int i) {
  return {lane % 4 * 2 + i % 2 + (i >= 2 ? 8 : 0), lane / 4};
}
At OfD(int lane, int i) { return {lane / 4 + (i >= 2 ? 8 : 0), lane % 4 * 2 + i % 2}; }

template <typename Format>
void ExpectProducts(Random* random) {
  constexpr int kDepth = 8 * Format::kPerWord;
  const std::vector<float> a = random->Integers(16 * kDepth, -9, 9);
  const std::vector<float> b = random->Integers(kDepth * 8, -9, 9);
  const std::vector<float> before = random->Integers(16 * 8, -9, 9);
  PerLane<cuda::FragmentA> left;
  PerLane<cuda::FragmentB> right;
  PerLane<cuda::FragmentD> sums;
  const Format* format = nullptr;
  for (int lane = 0; lane < 32; ++lane) {
    float values[8];
    for (int i = 0; i < 4 * Format::kPerWord; ++i) {
      const At at = OfA(format, lane, i);
      values[i] = a[at.row * kDepth + at.column];
    }
    for (int w = 0; w < 4; ++w) left[lane].words[w] = Format::Word(values + w * Format::kPerWord);
    for (int i = 0; i < 2 * Format::kPerWord; ++i) {
      const At at = OfB(format, lane, i);
      values[i] = b[at.row * 8 + at.column];
    }
    for (int w = 0; w < 2; ++w) right[lane].words[w] = Format::Word(values + w * Format::kPerWord);
    for (int i = 0; i < 4; ++i) {
      sums[lane].values[i] = before[OfD(lane, i).row * 8 + OfD(lane, i).column];
    }
  }
  cuda::Multiply<Format>(left, right, &sums);
  for (int lane = 0; lane < 32; ++lane) {
    for (int i = 0; i < 4; ++i) {
      const At at = OfD(lane, i);
      float expected = before[at.row * 8 + at.column];
      for (int k = 0; k < kDepth; ++k) expected += a[at.row * kDepth + k] * b[k * 8 + at.column];
      EXPECT_EQ(sums[lane].values[i], expected) << "lane " << lane << ", value " << i;
    }
  }
}

TEST(Multiply, IsAMatrixProductInFragmentsOfPtx) {
  ForEachSeed(20, [](Random* random) {
    ExpectProducts<Tf32>(random);
    ExpectProducts<Bfloat16>(random);
  });
}

// Every channel of a chunk in one place, the first half in the first product.
template <typename Format>
void ExpectEveryChannelOnce() {
  std::set<uint32_t> seen;
  constexpr uint32_t kHalf = cuda::kMmaWords * Format::kPerWord;
  for (uint32_t t = 0; t < 4; ++t) {
    for (uint32_t i = 0; i < 4; ++i) {
      for (uint32_t k = 0; k < Format::kPerWord; ++k) {
        const uint32_t channel = cuda::TensorChannel<Format>(t, i, k);
        EXPECT_TRUE(seen.insert(channel).second);
        EXPECT_EQ(channel >= kHalf, i >= 2);
      }
    }
  }
  EXPECT_EQ(*seen.rbegin(), 2 * kHalf - 1);
}

TEST(SharedMemory, HoldsEveryChannelOnce) {
  ExpectEveryChannelOnce<Tf32>();
  ExpectEveryChannelOnce<Bfloat16>();
}

// Eight lanes read or write 16 bytes each at a time, and must meet all 32 banks.
void ExpectAllBanks(const std::vector<uint32_t>& quads) {
  std::set<uint32_t> banks;
  for (uint32_t quad : quads) banks.insert(quad % 8);
  EXPECT_EQ(banks.size(), 8u);
}

TEST(SharedMemory, MeetsAllBanksAtOnce) {
  for (uint32_t first = 0; first < 100; ++first) {
    for (uint32_t t = 0; t < 4; ++t) {
      std::vector<uint32_t> written;
      for (uint32_t i = 0; i < 8; ++i) written.push_back(cuda::TensorQuad(8 * first + i, t));
      ExpectAllBanks(written);
    }
    std::vector<uint32_t> read;
    for (uint32_t lane = 0; lane < 8; ++lane) {
      read.push_back(cuda::TensorQuad(first + lane / 4, lane % 4));
    }
    ExpectAllBanks(read);
  }
}

}  // namespace
}  // namespace csc::test
