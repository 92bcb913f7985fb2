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

// P_b(a * (start + sum of terms)) of one element: a pointwise instruction, or
// what is left of one whose first term a convolution has just computed.
struct Epilogue {
  static constexpr int kMaxTerms = 6;

  int num_terms = 0;
  const float* terms[kMaxTerms] = {};
  Scalar coefficients[kMaxTerms];
  ChannelOperand scale;
  ChannelOperand threshold;
  Shrink shrink = Shrink::kNone;

  CSC_HOST_DEVICE float Apply(float start, uint32_t element, uint32_t channel) const {
    float sum = start;
    CSC_UNROLL
    for (int t = 0; t < kMaxTerms; ++t) {
      if (t < num_terms) sum += coefficients[t].value() * terms[t][element];
    }
    if (scale.data != nullptr) sum *= scale.value(channel);
    return Shrunk(shrink, sum, threshold.data != nullptr ? threshold.value(channel) : 0.0f);
  }
};

// Which channel an element of an NCHW array belongs to.
struct ChannelOf {
  Divisor plane;
  Divisor channels;

  CSC_HOST_DEVICE uint32_t operator()(uint32_t element) const {
    uint32_t channel;
    channels.Split(plane.Quotient(element), &channel);
    return channel;
  }
};

struct PointwiseKernel {
  Epilogue epilogue;
  ChannelOf channel_of;
  float* result;  // may be one of the terms

  CSC_HOST_DEVICE void operator()(uint32_t i) const {
    result[i] = epilogue.Apply(0.0f, i, channel_of(i));
  }
};

struct MaskKernel {
  const float* source;
  const float* where;
  float* result;

  CSC_HOST_DEVICE void operator()(uint32_t i) const {
    result[i] = where[i] != 0 ? source[i] : 0.0f;
  }
};

// (x - mean) / sqrt(variance + epsilon).
struct NormaliseKernel {
  const float* source;
  const float* moments;  // [2][channels]
  float epsilon;
  ChannelOf channel_of;
  float* result;

  CSC_HOST_DEVICE void operator()(uint32_t i) const {
    const uint32_t c = channel_of(i);
    const float variance = moments[channel_of.channels.value() + c];
    result[i] = (source[i] - moments[c]) / sqrtf(variance + epsilon);
  }
};

// (dy - mean(dy) - y mean(dy y)) / sqrt(variance + epsilon).
struct NormaliseAdjointKernel {
  const float* gradient;    // dy
  const float* normalised;  // y
  const float* moments;     // [2][channels]
  const float* sums;        // [2][channels]: mean(dy), mean(dy y)
  float epsilon;
  ChannelOf channel_of;
  float* result;

  CSC_HOST_DEVICE void operator()(uint32_t i) const {
    const uint32_t c = channel_of(i);
    const uint32_t channels = channel_of.channels.value();
    const float centred = gradient[i] - sums[c] - normalised[i] * sums[channels + c];
    result[i] = centred / sqrtf(moments[channels + c] + epsilon);
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
