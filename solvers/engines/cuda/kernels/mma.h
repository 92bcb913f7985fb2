// The matrix product of a warp on tensor cores, and the formats of its factors.
//
// D (16 x 8, float32) += A (16 x K) B (K x 8), with K = 8 values in TF32 or 16 in
// bfloat16. Factors come in words of 32 bits, which hold one value of TF32 or two
// neighbours of bfloat16, so that in words A is 16 x 8 and B is 8 x 8 in either
// format. With g = lane / 4 and t = lane % 4 a lane holds (PTX ISA, fragments of
// mma.m16n8k8 and mma.m16n8k16)
//
//   of A  row g, word t;  row g + 8, word t;  row g, word t + 4;  row g + 8, word t + 4
//   of B  word t, column g;  word t + 4, column g
//   of D  row g, columns 2 t and 2 t + 1;  row g + 8, the same columns
//
// The host's form does what this table says for all 32 lanes. It adds products
// in order in float32; a tensor core adds those of one instruction in an order
// of its own, the same every time.

#ifndef CSC_SOLVERS_ENGINES_CUDA_KERNELS_MMA_H_
#define CSC_SOLVERS_ENGINES_CUDA_KERNELS_MMA_H_

#include <cmath>
#include <cstdint>

#include "solvers/engines/cuda/kernels/host_device.h"
#include "solvers/engines/cuda/kernels/warp.h"

namespace csc::cuda {

constexpr int kMmaRows = 16;
constexpr int kMmaColumns = 8;
constexpr int kMmaWords = 8;  // of K

struct FragmentA {
  uint32_t words[4];
};
struct FragmentB {
  uint32_t words[2];
};
struct FragmentD {
  float values[4];
};

// 8 bits of exponent, 10 of fraction, in the upper bits of a float32.
struct Tf32 {
  static constexpr int kPerWord = 1;
  static constexpr bool kInOrder = false;

  // Rounded to nearest, ties away from zero. What the fraction has beyond 10 bits, tensor
  // cores do not read: on the device it stays, where cvt.rna.tf32.f32 would spend one
  // instruction of three to clear it.
  CSC_HOST_DEVICE static uint32_t Word(const float* values) {
    constexpr uint32_t kDropped = 0x1FFF;
    uint32_t word = AsWord(values[0]);
#ifdef __CUDA_ARCH__
    if (fabsf(values[0]) < INFINITY) word += (kDropped + 1) / 2;
#else
    constexpr uint32_t kExponent = 0x7F800000, kQuiet = 0x00400000;
    if ((word & kExponent) != kExponent) {
      word += (kDropped + 1) / 2;
    } else if ((word & ~kExponent) << 1 != 0) {
      word |= kQuiet;  // not a number, whichever bits are dropped
    }
    word &= ~kDropped;
#endif
    return word;
  }

#ifdef __CUDA_ARCH__
  __device__ static void Multiply(const FragmentA& a, const FragmentB& b, FragmentD* d) {
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d->values[0]), "+f"(d->values[1]), "+f"(d->values[2]), "+f"(d->values[3])
        : "r"(a.words[0]), "r"(a.words[1]), "r"(a.words[2]), "r"(a.words[3]), "r"(b.words[0]),
          "r"(b.words[1]));
  }
#else
  static float Value(uint32_t word, int) { return AsFloat(word); }
#endif
};

// 8 bits of exponent, 7 of fraction; the first of two values in the lower half.
struct Bfloat16 {
  static constexpr int kPerWord = 2;
  static constexpr bool kInOrder = false;

  // Rounded to nearest, ties to even.
  CSC_HOST_DEVICE static uint32_t Word(const float* values) {
#ifdef __CUDA_ARCH__
    uint32_t word;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(values[1]), "f"(values[0]));
    return word;
#else
    return Half(values[0]) | Half(values[1]) << 16;
#endif
  }

#ifdef __CUDA_ARCH__
  __device__ static void Multiply(const FragmentA& a, const FragmentB& b, FragmentD* d) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, "
        "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d->values[0]), "+f"(d->values[1]), "+f"(d->values[2]), "+f"(d->values[3])
        : "r"(a.words[0]), "r"(a.words[1]), "r"(a.words[2]), "r"(a.words[3]), "r"(b.words[0]),
          "r"(b.words[1]));
  }
#else
  static float Value(uint32_t word, int k) { return AsFloat((k == 0 ? word : word >> 16) << 16); }

 private:
  static uint32_t Half(float value) {
    const uint32_t bits = AsWord(value);
    if (value != value) return 0x7FFF;
    return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
  }
#endif
};

// Every lane of the warp takes part.
template <typename Format>
CSC_HOST_DEVICE inline void Multiply(const PerLane<FragmentA>& a, const PerLane<FragmentB>& b,
                                     PerLane<FragmentD>* d) {
#ifdef __CUDA_ARCH__
  Format::Multiply(a[0], b[0], &(*d)[0]);
#else
  uint32_t left[kMmaRows][kMmaWords], right[kMmaColumns][kMmaWords];
  for (uint32_t lane = 0; lane < kWarpLanes; ++lane) {
    const uint32_t g = lane / 4, t = lane % 4;
    for (uint32_t i = 0; i < 4; ++i) left[g + i % 2 * 8][t + i / 2 * 4] = a[lane].words[i];
    for (uint32_t i = 0; i < 2; ++i) right[g][t + i * 4] = b[lane].words[i];
  }
  for (uint32_t lane = 0; lane < kWarpLanes; ++lane) {
    const uint32_t g = lane / 4, t = lane % 4;
    for (uint32_t i = 0; i < 4; ++i) {
      float& sum = (*d)[lane].values[i];
      for (int w = 0; w < kMmaWords; ++w) {
        for (int k = 0; k < Format::kPerWord; ++k) {
          sum +=
              Format::Value(left[g + i / 2 * 8][w], k) * Format::Value(right[2 * t + i % 2][w], k);
        }
      }
    }
  }
#endif
}

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_KERNELS_MMA_H_
