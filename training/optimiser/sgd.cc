#include "training/optimiser/sgd.h"

#include <algorithm>
#include <cmath>

#include "solvers/error.h"

namespace csc {

void CheckOptions(const SgdOptions& options) {
  Require(options.learning_rate >= 0 && std::isfinite(options.learning_rate),
          "a learning rate of {}: at least 0 expected", options.learning_rate);
  Require(0 <= options.momentum && options.momentum < 1,
          "a momentum of {}: at least 0 and less than 1 expected", options.momentum);
  Require(options.weight_decay >= 0 && std::isfinite(options.weight_decay),
          "a weight decay of {}: at least 0 expected", options.weight_decay);
  int64_t previous = 0;
  for (int64_t milestone : options.milestones) {
    Require(milestone > previous,
            "a milestone at epoch {} after {}: growing numbers from 1 expected", milestone,
            previous);
    previous = milestone;
  }
}

double LearningRate(const SgdOptions& options, int64_t epoch) {
  double rate = options.learning_rate;
  for (int64_t milestone : options.milestones) {
    if (epoch >= milestone) rate /= 10;
  }
  return rate;
}

bool SgdStep(const SgdOptions& options, double rate, const std::vector<SgdGroup>& groups,
             const float* gradients, std::vector<float>* parameters, std::vector<float>* velocity) {
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
        const float d = gradients[i] + decay * p[i];
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
