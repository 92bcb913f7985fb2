// Stochastic gradient descent with momentum, on one flat array of parameters.

#ifndef CSC_TRAINING_OPTIMISER_SGD_H_
#define CSC_TRAINING_OPTIMISER_SGD_H_

#include <cstdint>
#include <vector>

namespace csc {

struct SgdOptions {
  double momentum = 0.9;
  bool nesterov = false;
  double weight_decay = 0;
  double gradient_clip = 0;  // largest norm of all gradients together; 0: any
};

// Throws Error for a momentum, decay or norm out of range.
void CheckOptions(const SgdOptions& options);

// Consecutive entries of the parameters that are treated alike.
struct SgdGroup {
  int64_t size = 0;
  bool trainable = true;     // else left alone
  bool decay = true;         // weight decay applies
  bool nonnegative = false;  // projected on >= 0 after each step
};

// One step, PyTorch's formulas: d = gradient + decay p; v = momentum v + d;
// p -= rate (d + momentum v) with Nesterov's momentum, else rate v. With a
// clip the gradients of the trainable groups are first scaled down to that
// norm. The groups cover all entries in order. Returns false when a parameter
// became infinite or NaN; all are updated nevertheless.
bool SgdStep(const SgdOptions& options, double rate, const std::vector<SgdGroup>& groups,
             const float* gradients, std::vector<float>* parameters, std::vector<float>* velocity);

}  // namespace csc

#endif  // CSC_TRAINING_OPTIMISER_SGD_H_
