// What kernels are made of, for nvcc and for the host's compiler alike.
//
// A kernel is a plain struct of pointers and sizes, in one of three forms:
//
//   flat    operator()(index), called once for each index, in any order, no two
//           of them writing different values to one place;
//   blocks  Phase<p>(block, thread, shared): all threads of a block finish one
//           phase before any begins the next, and share `shared`;
//   tiles   of whole warps (warp.h), with `Registers` of each warp that last:
//           Begin, then in every round Load into shared memory and, when all
//           warps have, Compute from it; at last Keep what the registers hold in
//           shared memory and, when all warps have, End from there, so that
//           neighbours in memory are written together.
//
// The CUDA library launches them; tests run the very same code in plain loops.
// Sums run in an order that depends on sizes alone, never on the device (but for
// tensor_filter_gradient.h), and nothing is added atomically: same inputs, same
// bits. Arrays are NCHW and hold fewer than 2^31 elements, so that indices are 32
// bits wide.

#ifndef CSC_SOLVERS_ENGINES_CUDA_KERNELS_HOST_DEVICE_H_
#define CSC_SOLVERS_ENGINES_CUDA_KERNELS_HOST_DEVICE_H_

#include <cstdint>
#include <cstring>

#include "solvers/host_device.h"

// Loops over register arrays must be unrolled, or the arrays go to memory.
#ifdef __CUDA_ARCH__
#define CSC_UNROLL _Pragma("unroll")
#define CSC_NO_UNROLL _Pragma("unroll 1")
#else
#define CSC_UNROLL
#define CSC_NO_UNROLL
#endif

namespace csc::cuda {

// Division by a number known when a kernel is bound: GPUs have no instruction
// for it. With 2^(L-1) < d <= 2^L, p = 31 + L and m = ceil(2^p / d), the
// quotient of n < 2^31 is floor(n m / 2^p), because n (m d - 2^p) < 2^p.
class Divisor {
 public:
  Divisor() = default;
  // Requires 1 <= divisor < 2^31.
  explicit Divisor(int64_t divisor) : divisor_(static_cast<uint32_t>(divisor)) {
    int log = 0;
    while ((int64_t{1} << log) < divisor) ++log;
    shift_ = 31 + log;
    multiplier_ = static_cast<uint32_t>(((uint64_t{1} << shift_) + divisor_ - 1) / divisor_);
  }

  CSC_HOST_DEVICE uint32_t value() const { return divisor_; }
  CSC_HOST_DEVICE uint32_t Quotient(uint32_t n) const {
    return static_cast<uint32_t>((static_cast<uint64_t>(n) * multiplier_) >> shift_);
  }
  CSC_HOST_DEVICE uint32_t Split(uint32_t n, uint32_t* remainder) const {
    const uint32_t quotient = Quotient(n);
    *remainder = n - quotient * divisor_;
    return quotient;
  }

 private:
  uint32_t divisor_ = 1;
  uint32_t multiplier_ = uint32_t{1} << 31;
  uint32_t shift_ = 31;
};

// Reads what no other thread of the kernel writes, through the read-only cache where
// memory stays as it is for as long as a kernel runs. From compute capability 9.0 on
// a kernel begins before the one before it has ended (cuda_graph.h), and the compiler
// may move reads of the read-only cache to before it has waited for that.
template <typename T>
CSC_HOST_DEVICE inline T ReadOnly(const T* p) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900
  return __ldg(p);
#else
  return *p;
#endif
}
CSC_HOST_DEVICE inline float Read(const float* p) { return ReadOnly(p); }
CSC_HOST_DEVICE inline uint32_t Read(const uint32_t* p) { return ReadOnly(p); }

// The same for kCount floats, a multiple of 4, at an address of 16 bytes.
template <int kCount>
CSC_HOST_DEVICE inline void ReadVector(const float* p, float* values) {
  static_assert(kCount % 4 == 0, "vectors of four");
#ifdef __CUDA_ARCH__
  CSC_UNROLL
  for (int i = 0; i < kCount; i += 4) {
    const auto* const four = reinterpret_cast<const float4*>(p + i);
#if __CUDA_ARCH__ < 900
    const float4 v = ReadOnly(four);
#else
    // Of *four the compiler often makes four reads (nvcc 13.0).
    const float4 v = __ldca(four);
#endif
    values[i] = v.x;
    values[i + 1] = v.y;
    values[i + 2] = v.z;
    values[i + 3] = v.w;
  }
#else
  for (int i = 0; i < kCount; ++i) values[i] = p[i];
#endif
}

// A number's bits, and back.
CSC_HOST_DEVICE inline uint32_t AsWord(float value) {
  uint32_t word;
  memcpy(&word, &value, sizeof(word));
  return word;
}
CSC_HOST_DEVICE inline float AsFloat(uint32_t word) {
  float value;
  memcpy(&value, &word, sizeof(value));
  return value;
}

#ifdef __CUDA_ARCH__
// By value: by reference TiledConvolutionKernel takes 14 registers more (nvcc 13.0).
__device__ inline void SplitWords(uint4 v, uint32_t* words) {
  words[0] = v.x;
  words[1] = v.y;
  words[2] = v.z;
  words[3] = v.w;
}
#endif

// Four words at an address of 16 bytes: of shared memory, ...
CSC_HOST_DEVICE inline void ReadSharedWords(const uint32_t* p, uint32_t* words) {
#ifdef __CUDA_ARCH__
  SplitWords(*reinterpret_cast<const uint4*>(p), words);
#else
  for (int i = 0; i < 4; ++i) words[i] = p[i];
#endif
}

// ... and as by Read.
CSC_HOST_DEVICE inline void ReadWords(const uint32_t* p, uint32_t* words) {
#ifdef __CUDA_ARCH__
  SplitWords(ReadOnly(reinterpret_cast<const uint4*>(p)), words);
#else
  ReadSharedWords(p, words);
#endif
}
// Two words to an address of 8 bytes, four to one of 16.
CSC_HOST_DEVICE inline void WritePair(uint32_t first, uint32_t second, uint32_t* p) {
#ifdef __CUDA_ARCH__
  *reinterpret_cast<uint2*>(p) = make_uint2(first, second);
#else
  p[0] = first;
  p[1] = second;
#endif
}
CSC_HOST_DEVICE inline void WriteWords(const uint32_t* words, uint32_t* p) {
#ifdef __CUDA_ARCH__
  *reinterpret_cast<uint4*>(p) = make_uint4(words[0], words[1], words[2], words[3]);
#else
  for (int i = 0; i < 4; ++i) p[i] = words[i];
#endif
}

// Of several gradients whose second passes are one launch, that of a block.
template <typename Gradient>
CSC_HOST_DEVICE inline const Gradient& GradientOf(const Gradient* gradients, uint32_t size,
                                                  uint32_t block) {
  uint32_t i = 0;
  while (i + 1 < size && gradients[i + 1].first_block <= block) ++i;
  return gradients[i];
}

// Where a value is: the floats of a sample together, those of the next `stride` further
// on. A part of a joined value lies in it, so that the stride is that of the whole. With
// `pairs`, the words of pairs.h in place of floats.
struct Source {
  const float* data = nullptr;
  uint32_t stride = 0;
  bool pairs = false;

  CSC_HOST_DEVICE const float* At(uint32_t sample) const { return data + sample * stride; }
  // The same and so much further, counted in 32 bits at once.
  CSC_HOST_DEVICE const float* At(uint32_t sample, uint32_t inside) const {
    return data + (sample * stride + inside);
  }
};
struct Result {
  float* data = nullptr;
  uint32_t stride = 0;
  bool pairs = false;

  operator Source() const { return {data, stride, pairs}; }
  CSC_HOST_DEVICE float* At(uint32_t sample) const { return data + sample * stride; }
  CSC_HOST_DEVICE float* At(uint32_t sample, uint32_t inside) const {
    return data + (sample * stride + inside);
  }
};

// csc::Coefficient with its parameter found: read on the device, so that
// launches stay valid when parameters change.
struct Scalar {
  float constant = 1;
  const float* parameter = nullptr;

  CSC_HOST_DEVICE float value() const {
    return parameter != nullptr ? constant * Read(parameter) : constant;
  }
};

// csc::ChannelVector likewise; absent without data.
struct ChannelOperand {
  const float* data = nullptr;
  uint32_t stride = 0;  // 0: one entry for all channels
  float constant = 1;

  CSC_HOST_DEVICE float value(uint32_t channel) const {
    return constant * Read(data + channel * stride);
  }
};

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_KERNELS_HOST_DEVICE_H_
