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

// coefficient * value; or, of a value that is not stored because it is but
// P_b(a * factor * v), coefficient * that, from v.
struct EpilogueTerm {
  Source value;
  Scalar coefficient;
  bool mapped = false;
  Scalar factor;
  ProximalMap map;

  template <int kCount>
  CSC_HOST_DEVICE void AddTo(const Element* elements, float* sums) const {
    // All reads before the first use, so that they are waited for together.
    float values[kCount];
    CSC_UNROLL
    for (int k = 0; k < kCount; ++k) {
      const Element& e = elements[k];
      values[k] = e.present ? value.At(e.sample)[e.inside] : 0.0f;
    }
    if (mapped) {
      const float inner = factor.value();
      CSC_UNROLL
      for (int k = 0; k < kCount; ++k) {
        if (elements[k].present) values[k] = map(inner * values[k], elements[k].channel);
      }
    }
    const float outer = coefficient.value();
    CSC_UNROLL
    for (int k = 0; k < kCount; ++k) sums[k] += outer * values[k];
  }
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
  Source where;   // null: no mask
  Result result;  // null: only the next stage needs it
};

// What becomes of elements that a kernel has computed: a chain of instructions. A stage
// may read what an earlier one has stored, as the same thread did.
struct Epilogue {
  static constexpr uint32_t kMaxStages = 4;
  static constexpr uint32_t kMaxTerms = 8;

  uint32_t num_stages = 0;
  Stage stages[kMaxStages];
  EpilogueTerm terms[kMaxTerms];

  // The loops over stages and terms stay loops, or the code of a tile's many elements
  // would not fit into the cache of instructions.
  template <int kCount>
  CSC_HOST_DEVICE void Finish(const Element* elements, float* values) const {
    uint32_t t = 0;
    CSC_NO_UNROLL
    for (uint32_t s = 0; s < num_stages; ++s) {
      const Stage& stage = stages[s];
      const float carried = stage.carries ? stage.carried.value() : 0.0f;
      CSC_UNROLL
      for (int k = 0; k < kCount; ++k) values[k] = stage.carries ? carried * values[k] : 0.0f;
      CSC_NO_UNROLL
      for (; t < stage.end_term; ++t) terms[t].AddTo<kCount>(elements, values);
      CSC_UNROLL
      for (int k = 0; k < kCount; ++k) {
        if (elements[k].present) values[k] = stage.map(values[k], elements[k].channel);
      }
      if (stage.where.data != nullptr) Mask<kCount>(stage.where, elements, values);
      if (stage.result.data == nullptr) continue;
      CSC_UNROLL
      for (int k = 0; k < kCount; ++k) {
        const Element& e = elements[k];
        if (e.present) stage.result.At(e.sample)[e.inside] = values[k];
      }
    }
  }

 private:
  template <int kCount>
  CSC_HOST_DEVICE static void Mask(const Source& where, const Element* elements, float* values) {
    float masks[kCount];
    CSC_UNROLL
    for (int k = 0; k < kCount; ++k) {
      const Element& e = elements[k];
      masks[k] = e.present ? where.At(e.sample)[e.inside] : 0.0f;
    }
    CSC_UNROLL
    for (int k = 0; k < kCount; ++k) values[k] = masks[k] != 0 ? values[k] : 0.0f;
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
  CSC_HOST_DEVICE void Locate(uint32_t index, Element* elements) const {
    CSC_UNROLL
    for (int k = 0; k < kCount; ++k) {
      const uint32_t i = index / kLanes * (kCount * kLanes) + k * kLanes + index % kLanes;
      Element& e = elements[k];
      e.sample = channels.Split(plane.Quotient(i), &e.channel);
      e.inside = i - e.sample * channels.value() * plane.value();
      e.present = i < size;
    }
  }
};

struct PointwiseKernel : Elementwise {
  CSC_HOST_DEVICE void operator()(uint32_t index) const {
    Element elements[kCount];
    Locate(index, elements);
    float values[kCount] = {};
    epilogue.Finish<kCount>(elements, values);
  }
};

// (x - mean) / sqrt(variance + epsilon).
struct NormaliseKernel : Elementwise {
  Source source;
  const float* moments;  // [2][channels]
  float epsilon;

  CSC_HOST_DEVICE void operator()(uint32_t index) const {
    Element elements[kCount];
    Locate(index, elements);
    float values[kCount] = {};
    CSC_UNROLL
    for (int k = 0; k < kCount; ++k) {
      const Element& e = elements[k];
      if (!e.present) continue;
      const float variance = Read(moments + channels.value() + e.channel);
      const float centred = Read(source.At(e.sample) + e.inside) - Read(moments + e.channel);
      values[k] = centred / sqrtf(variance + epsilon);
    }
    epilogue.Finish<kCount>(elements, values);
  }
};

// (dy - mean(dy) - y mean(dy y)) / sqrt(variance + epsilon).
struct NormaliseAdjointKernel : Elementwise {
  Source gradient;       // dy
  Source normalised;     // y
  const float* moments;  // [2][channels]
  const float* sums;     // [2][channels]: mean(dy), mean(dy y)
  float epsilon;

  CSC_HOST_DEVICE void operator()(uint32_t index) const {
    Element elements[kCount];
    Locate(index, elements);
    float values[kCount] = {};
    CSC_UNROLL
    for (int k = 0; k < kCount; ++k) {
      const Element& e = elements[k];
      if (!e.present) continue;
      const uint32_t second = channels.value() + e.channel;
      const float centred = Read(gradient.At(e.sample) + e.inside) - Read(sums + e.channel) -
                            Read(normalised.At(e.sample) + e.inside) * Read(sums + second);
      values[k] = centred / sqrtf(Read(moments + second) + epsilon);
    }
    epilogue.Finish<kCount>(elements, values);
  }
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
