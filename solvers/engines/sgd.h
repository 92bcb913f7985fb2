// Stochastic gradient descent with momentum, on one flat array of parameters: what
// it is told, and its arithmetic for hosts and devices alike, so that a step has the
// same bits wherever it is taken.
//
// A step: d = gradient + decay p; v = momentum v + d; p -= rate (d + momentum v) with
// Nesterov's momentum, else rate v (PyTorch's formulas). With a clip the gradients of
// what trains are first scaled down to that norm. At last some are projected on >= 0.

#ifndef CSC_SOLVERS_ENGINES_SGD_H_
#define CSC_SOLVERS_ENGINES_SGD_H_

#include <cmath>
#include <cstdint>

#include "solvers/block_sum.h"
#include "solvers/host_device.h"

namespace csc {

struct SgdOptions {
  double momentum = 0.9;
  bool nesterov = false;
  double weight_decay = 0;
  double gradient_clip = 0;  // largest norm of all gradients together; 0: any
};

// Consecutive entries of the parameters that are treated alike.
struct SgdGroup {
  int64_t size = 0;
  bool trainable = true;     // else left alone
  bool decay = true;         // weight decay applies
  bool nonnegative = false;  // projected on >= 0 after each step
};

// Every operation is rounded by itself: nvcc would fuse a product with the sum that
// follows, which the host's compiler is told not to do.
CSC_HOST_DEVICE inline float RoundedProduct(float a, float b) {
#ifdef __CUDA_ARCH__
  return __fmul_rn(a, b);
#else
  return a * b;
#endif
}
CSC_HOST_DEVICE inline float RoundedSum(float a, float b) {
#ifdef __CUDA_ARCH__
  return __fadd_rn(a, b);
#else
  return a + b;
#endif
}

// The options as one entry's step needs them.
struct SgdFactors {
  SgdFactors() = default;
  explicit SgdFactors(const SgdOptions& options)
      : momentum(static_cast<float>(options.momentum)),
        own(options.nesterov ? 1.0f : 0.0f),
        past(options.nesterov ? momentum : 1.0f) {}

  float momentum = 0;
  // Of the gradient and of the velocity in what is subtracted.
  float own = 0;
  float past = 1;

  // All but the projection. `clip` is what gradients are multiplied by.
  CSC_HOST_DEVICE void Update(float rate, float clip, float decay, float gradient, float* parameter,
                              float* velocity) const {
    const float d = RoundedSum(RoundedProduct(clip, gradient), RoundedProduct(decay, *parameter));
    const float v = RoundedSum(RoundedProduct(momentum, *velocity), d);
    const float step =
        RoundedProduct(rate, RoundedSum(RoundedProduct(own, d), RoundedProduct(past, v)));
    *velocity = v;
    *parameter = RoundedSum(*parameter, -step);
  }
};

// The projection; what is not a number stays so.
CSC_HOST_DEVICE inline float Nonnegative(float parameter) {
  return parameter < 0 ? 0.0f : parameter;
}

// The squared norm of gradients is summed over ranges of so many entries of the flat
// array, each in a BlockSum whose thread t adds entries t, t + kThreads, ... of it, and
// then over the ranges in order.
inline constexpr uint32_t kSquaresRange = 32 * BlockSum::kThreads;

// What brings gradients of this squared norm down to the largest norm allowed, or 1.
CSC_HOST_DEVICE inline float ClipFactor(double squares, double largest) {
  const double norm = sqrt(squares);
  return norm > largest ? static_cast<float>(largest / norm) : 1.0f;
}

}  // namespace csc

#endif  // CSC_SOLVERS_ENGINES_SGD_H_
