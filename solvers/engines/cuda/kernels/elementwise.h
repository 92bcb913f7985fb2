// Flat kernels that touch each element on its own.

#ifndef CSC_SOLVERS_ENGINES_CUDA_KERNELS_ELEMENTWISE_H_
#define CSC_SOLVERS_ENGINES_CUDA_KERNELS_ELEMENTWISE_H_

#include <cmath>
#include <cstdint>

#include "solvers/engines/cuda/kernels/host_device.h"
#include "solvers/program/program.h"

namespace csc::cuda {

// P_b(z) of Shrink; a z that is not a number stays so (fmaxf would drop it).
CSC_HOST_DEVICE inline float Shrunk(Shrink shrink, float z, float b) {
  if (shrink == Shrink::kNone) return z - b;
  const float rest = (shrink == Shrink::kSoft ? fabsf(z) : z) - b;
  const float kept = rest < 0 ? 0 : rest;
  return shrink == Shrink::kSoft ? copysignf(kept, z) : kept;
}

// P_b(a z) of a pointwise instruction.
struct ProximalMap {
  ChannelOperand scale;
  ChannelOperand threshold;
  Shrink shrink = Shrink::kNone;

  CSC_HOST_DEVICE float operator()(float z, uint32_t channel) const {
    if (scale.data != nullptr) z *= scale.value(channel);
    return Shrunk(shrink, z, threshold.data != nullptr ? threshold.value(channel) : 0.0f);
  }
};

// Where an element is, in every operand alike. Nothing is read or written of one that is
// not present.
struct Element {
  uint32_t sample;
  uint32_t inside;  // the sample
  uint32_t channel;
  bool present;
};

// A value that an epilogue reads; or one that is not stored because it is but
// P_b(a * factor * v), from v.
struct EpilogueOperand {
  Source value;  // null: none
  bool mapped = false;
  Scalar factor;
  ProximalMap map;

  // All reads before the first use, so that they are waited for together.
  template <int kCount>
  CSC_HOST_DEVICE void Load(const Element* elements, float* values) const {
    CSC_UNROLL
    for (int k = 0; k < kCount; ++k) {
      const Element& e = elements[k];
      values[k] = e.present ? value.At(e.sample)[e.inside] : 0.0f;
    }
    if (!mapped) return;
    const float inner = factor.value();
    CSC_UNROLL
    for (int k = 0; k < kCount; ++k) {
      if (elements[k].present) values[k] = map(inner * values[k], elements[k].channel);
    }
  }
};

struct EpilogueTerm {
  EpilogueOperand operand;
  Scalar coefficient;
};

// One pointwise instruction, y = P_b(a * sum of terms), or mask, y = sum where `where` is
// not 0, or both.
struct Stage {
  // What has just been computed, by the stage before or, for the first, by the kernel
  // itself, is a term too, times `carried`. Otherwise it is dropped.
  bool carries = false;
  Scalar carried;
  uint32_t end_term = 0;  // of the epilogue's: from the stage before's on they are its own
  ProximalMap map;
  EpilogueOperand where;
  Result result;  // null: only what follows needs it
  // Which of its kernel's sums y is added to, and what weighs it there: none for y itself.
  int32_t sum = kNoSum;
  EpilogueOperand weight;
  bool sign_of_weight = false;

  static constexpr int32_t kNoSum = -1;
};

// For kernels that sum nothing.
struct NoSums {
  template <int kCount>
  CSC_HOST_DEVICE void Add(const Stage&, const Element*, const float*) const {}
};

// What becomes of elements that a kernel has computed: a chain of instructions. A stage
// may read what an earlier one has stored, as the same thread did.
struct Epilogue {
  static constexpr uint32_t kMaxStages = 5;
  static constexpr uint32_t kMaxTerms = 8;
  static constexpr uint32_t kMaxSums = 3;

  uint32_t num_stages = 0;
  Stage stages[kMaxStages];
  EpilogueTerm terms[kMaxTerms];

  // The loops over stages and terms stay loops, or the code of a tile's many elements
  // would not fit into the cache of instructions.
  template <int kCount, typename Sums = NoSums>
  CSC_HOST_DEVICE void Finish(const Element* elements, float* values,
                              const Sums& sums = Sums()) const {
    uint32_t t = 0;
    CSC_NO_UNROLL
    for (uint32_t s = 0; s < num_stages; ++s) {
      const Stage& stage = stages[s];
      const float carried = stage.carries ? stage.carried.value() : 0.0f;
      CSC_UNROLL
      for (int k = 0; k < kCount; ++k) values[k] = stage.carries ? carried * values[k] : 0.0f;
      CSC_NO_UNROLL
      for (; t < stage.end_term; ++t) {
        float term[kCount];
        terms[t].operand.Load<kCount>(elements, term);
        const float coefficient = terms[t].coefficient.value();
        CSC_UNROLL
        for (int k = 0; k < kCount; ++k) values[k] += coefficient * term[k];
      }
      CSC_UNROLL
      for (int k = 0; k < kCount; ++k) {
        if (elements[k].present) values[k] = stage.map(values[k], elements[k].channel);
      }
      if (stage.where.value.data != nullptr) {
        float where[kCount];
        stage.where.Load<kCount>(elements, where);
        CSC_UNROLL
        for (int k = 0; k < kCount; ++k) values[k] = where[k] != 0 ? values[k] : 0.0f;
      }
      sums.template Add<kCount>(stage, elements, values);
      if (stage.result.data == nullptr) continue;
      CSC_UNROLL
      for (int k = 0; k < kCount; ++k) {
        const Element& e = elements[k];
        if (e.present) stage.result.At(e.sample)[e.inside] = values[k];
      }
    }
  }
};

// What flat kernels over the elements of an NCHW array share. An index stands for kCount
// elements 32 apart: a warp reads neighbours, and each thread waits for several at once.
struct Elementwise {
  static constexpr int kCount = 4;
  static constexpr uint32_t kLanes = 32;

  Divisor plane;
  Divisor channels;
  uint32_t size;  // elements
  Epilogue epilogue;

  static int64_t Indices(int64_t size) {
    constexpr int64_t kElements = kCount * int64_t{kLanes};
    return (size + kElements - 1) / kElements * kLanes;
  }
  // Where `kernel`, of this base, computes elements from memory, and its epilogue goes on.
  template <typename K>
  CSC_HOST_DEVICE static void Run(const K& kernel, uint32_t index) {
    Element elements[kCount];
    CSC_UNROLL
    for (int k = 0; k < kCount; ++k) {
      const uint32_t i = index / kLanes * (kCount * kLanes) + k * kLanes + index % kLanes;
      Element& e = elements[k];
      e.sample = kernel.channels.Split(kernel.plane.Quotient(i), &e.channel);
      e.inside = i - e.sample * kernel.channels.value() * kernel.plane.value();
      e.present = i < kernel.size;
    }
    float values[kCount];
    kernel.Compute(elements, values);
    kernel.epilogue.template Finish<kCount>(elements, values);
  }
};

struct PointwiseKernel : Elementwise {
  CSC_HOST_DEVICE void Compute(const Element*, float* values) const {
    CSC_UNROLL
    for (int k = 0; k < kCount; ++k) values[k] = 0;
  }
  CSC_HOST_DEVICE void operator()(uint32_t index) const { Run(*this, index); }
};

struct FillKernel {
  uint32_t* words;
  uint32_t value;

  CSC_HOST_DEVICE void operator()(uint32_t i) const { words[i] = value; }
};

// Gradients leave in float.
struct RoundKernel {
  const double* source;
  float* result;

  CSC_HOST_DEVICE void operator()(uint32_t i) const { result[i] = static_cast<float>(source[i]); }
};

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_KERNELS_ELEMENTWISE_H_
