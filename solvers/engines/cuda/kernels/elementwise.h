// Flat kernels that touch each element on its own.

#ifndef CSC_SOLVERS_ENGINES_CUDA_KERNELS_ELEMENTWISE_H_
#define CSC_SOLVERS_ENGINES_CUDA_KERNELS_ELEMENTWISE_H_

#include <cmath>
#include <cstdint>

#include "solvers/engines/cuda/kernels/host_device.h"
#include "solvers/engines/cuda/kernels/pairs.h"
#include "solvers/program/program.h"

namespace csc::cuda {

// Where an element is, in every operand alike. Nothing is read or written of one that is
// not present, but its channel is one that there is.
struct Element {
  uint32_t sample;
  uint32_t inside;  // the sample
  uint32_t channel;
  bool present;
};

// P_b(a z) of a pointwise instruction.
struct ProximalMap {
  ChannelOperand scale;
  ChannelOperand threshold;
  Shrink shrink = Shrink::kNone;

  // Of elements, present or not, whose values are `z`; kRun neighbours have one channel.
  // What to do is asked once for all, and reads come before the first use. A z that is not
  // a number stays so (fmaxf would drop it).
  template <int kCount, int kRun>
  CSC_HOST_DEVICE void Apply(const Element* elements, float* z) const {
    float operand[kCount / kRun];
    if (scale.data != nullptr) {
      ReadOperand<kCount, kRun>(scale, elements, operand);
      CSC_UNROLL
      for (int k = 0; k < kCount; ++k) z[k] *= operand[k / kRun];
    }
    CSC_UNROLL
    for (int k = 0; k < kCount / kRun; ++k) operand[k] = 0;
    if (threshold.data != nullptr) ReadOperand<kCount, kRun>(threshold, elements, operand);
    if (shrink == Shrink::kSoft) {
      CSC_UNROLL
      for (int k = 0; k < kCount; ++k) {
        z[k] = copysignf(Nonnegative(fabsf(z[k]) - operand[k / kRun]), z[k]);
      }
      return;
    }
    CSC_UNROLL
    for (int k = 0; k < kCount; ++k) z[k] -= operand[k / kRun];
    if (shrink == Shrink::kNone) return;
    CSC_UNROLL
    for (int k = 0; k < kCount; ++k) z[k] = Nonnegative(z[k]);
  }

 private:
  CSC_HOST_DEVICE static float Nonnegative(float rest) { return rest < 0 ? 0 : rest; }

  template <int kCount, int kRun>
  CSC_HOST_DEVICE static void ReadOperand(const ChannelOperand& operand, const Element* elements,
                                          float* values) {
    CSC_UNROLL
    for (int k = 0; k < kCount / kRun; ++k) {
      values[k] = operand.value(elements[k * kRun].channel);
    }
  }
};

// A value that an epilogue reads; or one that is not stored because it is but
// P_b(a * factor * v), from v.
struct EpilogueOperand {
  Source value;  // null: none
  bool mapped = false;
  Scalar factor;
  ProximalMap map;

  // All reads before the first use, so that they are waited for together.
  template <int kCount, int kRun>
  CSC_HOST_DEVICE void Load(const Element* elements, float* values) const {
    CSC_UNROLL
    for (int k = 0; k < kCount; ++k) {
      const Element& e = elements[k];
      values[k] = e.present ? *value.At(e.sample, e.inside) : 0.0f;
    }
    if (!mapped) return;
    const float inner = factor.value();
    CSC_UNROLL
    for (int k = 0; k < kCount; ++k) values[k] *= inner;
    map.Apply<kCount, kRun>(elements, values);
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
  template <int kCount, int kRun>
  CSC_HOST_DEVICE void Add(const Stage&, const Element*, const float*) const {}
};

// What becomes of elements that a kernel has computed: a chain of instructions. A stage
// may read what an earlier one has stored, as the same thread did.
struct Epilogue {
  static constexpr uint32_t kMaxStages = 5;
  static constexpr uint32_t kMaxTerms = 8;
  static constexpr uint32_t kMaxSums = 3;

  uint32_t num_stages = 0;
  uint32_t plane = 0;  // of results that are pairs
  Stage stages[kMaxStages];
  EpilogueTerm terms[kMaxTerms];

  // The loops over stages and terms stay loops, or the code of a tile's many elements
  // would not fit into the cache of instructions. kRun neighbours have one channel. Only
  // with kApart may results be pairs, whose second channels are elements too, each so many
  // after its first.
  template <int kCount, int kRun = 1, int kApart = 0, typename Sums = NoSums>
  CSC_HOST_DEVICE void Finish(const Element* elements, float* values,
                              const Sums& sums = Sums()) const {
    uint32_t t = 0;
    CSC_NO_UNROLL
    for (uint32_t s = 0; s < num_stages; ++s) {
      const Stage& stage = stages[s];
      if (stage.carries) {
        const float carried = stage.carried.value();
        CSC_UNROLL
        for (int k = 0; k < kCount; ++k) values[k] *= carried;
      } else {
        CSC_UNROLL
        for (int k = 0; k < kCount; ++k) values[k] = 0;
      }
      CSC_NO_UNROLL
      for (; t < stage.end_term; ++t) {
        float term[kCount];
        terms[t].operand.template Load<kCount, kRun>(elements, term);
        const float coefficient = terms[t].coefficient.value();
        CSC_UNROLL
        for (int k = 0; k < kCount; ++k) values[k] += coefficient * term[k];
      }
      stage.map.template Apply<kCount, kRun>(elements, values);
      if (stage.where.value.data != nullptr) {
        float where[kCount];
        stage.where.template Load<kCount, kRun>(elements, where);
        CSC_UNROLL
        for (int k = 0; k < kCount; ++k) values[k] = where[k] != 0 ? values[k] : 0.0f;
      }
      sums.template Add<kCount, kRun>(stage, elements, values);
      if (stage.result.data == nullptr) continue;
      if constexpr (kApart > 0) {
        if (stage.result.pairs) {
          StorePairs<kCount, kApart>(stage.result, elements, values);
          continue;
        }
      }
      CSC_UNROLL
      for (int k = 0; k < kCount; ++k) {
        const Element& e = elements[k];
        if (e.present) *stage.result.At(e.sample, e.inside) = values[k];
      }
    }
  }

  template <int kCount, int kApart>
  CSC_HOST_DEVICE void StorePairs(const Result& result, const Element* elements,
                                  const float* values) const {
    CSC_UNROLL
    for (int k = 0; k < kCount; ++k) {
      const Element& e = elements[k];
      if (k / kApart % 2 == 1 || !e.present) continue;
      const float second = elements[k + kApart].present ? values[k + kApart] : 0.0f;
      float* const at = result.At(e.sample, e.inside - PairsSkipped(e.channel) * plane);
      *reinterpret_cast<uint32_t*>(at) = PairWord(values[k], second);
    }
  }
};

// What flat kernels over the elements of an NCHW array share. An index stands for the
// elements of kCount / 2 pairs (pairs.h) 32 apart: a warp reads neighbours, and each thread
// waits for several at once.
struct Elementwise {
  static constexpr int kCount = 4;
  static constexpr int kPairs = kCount / 2;
  static constexpr uint32_t kLanes = 32;

  Divisor plane;
  Divisor pair_planes;
  uint32_t channels;
  uint32_t size;  // pairs
  Epilogue epilogue;

  static int64_t Indices(int64_t size) {
    constexpr int64_t kOfWarp = kPairs * int64_t{kLanes};
    return (size + kOfWarp - 1) / kOfWarp * kLanes;
  }
  // Where `kernel`, of this base, computes elements from memory, and its epilogue goes on.
  template <typename K>
  CSC_HOST_DEVICE static void Run(const K& kernel, uint32_t index) {
    Element elements[kCount];
    CSC_UNROLL
    for (int k = 0; k < kPairs; ++k) {
      const uint32_t i = index / kLanes * (kPairs * kLanes) + k * kLanes + index % kLanes;
      uint32_t position, pair_plane;
      Element& first = elements[k];
      first.sample = kernel.pair_planes.Split(kernel.plane.Split(i, &position), &pair_plane);
      first.channel = FirstOfPair(pair_plane);
      first.inside = first.channel * kernel.plane.value() + position;
      first.present = i < kernel.size;
      Element& second = elements[k + kPairs];
      second = first;
      if (first.channel + kPairApart < kernel.channels) {
        second.channel += kPairApart;
        second.inside += kPairApart * kernel.plane.value();
      } else {
        second.present = false;
      }
    }
    float values[kCount];
    kernel.Compute(elements, values);
    kernel.epilogue.template Finish<kCount, 1, /*kApart=*/kPairs>(elements, values);
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
