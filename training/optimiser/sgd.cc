#include "training/optimiser/sgd.h"

#include <algorithm>
#include <cmath>

#include "solvers/error.h"

namespace csc {

void CheckOptions(const SgdOptions& options) {
  Require(0 <= options.momentum && options.momentum < 1,
          "a momentum of {}: at least 0 and less than 1 expected", options.momentum);
  Require(options.weight_decay >= 0 && std::isfinite(options.weight_decay),
          "a weight decay of {}: at least 0 expected", options.weight_decay);
  Require(options.gradient_clip >= 0 && std::isfinite(options.gradient_clip),
          "a gradient clip of {}: more than 0, or 0 for none expected", options.gradient_clip);
}

namespace {

// What brings the gradients down to the largest norm allowed, or 1.
float ClipFactor(const SgdOptions& options, const std::vector<SgdGroup>& groups,
                 const float* gradients) {
  if (options.gradient_clip == 0) return 1;
  double squares = 0;
  for (const SgdGroup& group : groups) {
    for (int64_t i = 0; group.trainable && i < group.size; ++i) {
      squares += double{gradients[i]} * gradients[i];
    }
    gradients += group.size;
  }
  const double norm = std::sqrt(squares);
  return norm > options.gradient_clip ? static_cast<float>(options.gradient_clip / norm) : 1;
}

}  // namespace

bool SgdStep(const SgdOptions& options, double rate, const std::vector<SgdGroup>& groups,
             const float* gradients, std::vector<float>* parameters, std::vector<float>* velocity) {
  const float clip = ClipFactor(options, groups, gradients);
  const float step = static_cast<float>(rate);
  const float momentum = static_cast<float>(options.momentum);
  // Of the gradient and of the velocity in what is subtracted.
  const float own = options.nesterov ? 1 : 0;
  const float past = options.nesterov ? momentum : 1;
  float* p = parameters->data();
  float* v = velocity->data();
  bool finite = true;
  for (const SgdGroup& group : groups) {
    const float decay = group.decay ? static_cast<float>(options.weight_decay) : 0;
    if (group.trainable) {
      float poison = 0;  // stays 0 while all is finite, NaN after
      for (int64_t i = 0; i < group.size; ++i) {
        const float d = clip * gradients[i] + decay * p[i];
        v[i] = momentum * v[i] + d;
        p[i] -= step * (own * d + past * v[i]);
        poison += 0 * p[i];
      }
      finite = finite && poison == 0;
      if (group.nonnegative) {
        for (int64_t i = 0; i < group.size; ++i) p[i] = std::max(p[i], 0.0f);
      }
    }
    gradients += group.size;
    p += group.size;
    v += group.size;
  }
  return finite;
}

}  // namespace csc
