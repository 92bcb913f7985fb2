// Stochastic gradient descent with momentum, on one flat array of parameters.

#ifndef CSC_TRAINING_OPTIMISER_SGD_H_
#define CSC_TRAINING_OPTIMISER_SGD_H_

#include <cstdint>
#include <vector>

namespace csc {

struct SgdOptions {
  double learning_rate = 0.05;
  std::vector<int64_t> milestones;  // epochs before which the rate drops
  double momentum = 0.9;
  bool nesterov = false;
  double weight_decay = 0;
};

// Throws Error for a rate, momentum or decay out of range, or milestones that
// do not grow.
void CheckOptions(const SgdOptions& options);

// The rate during `epoch` (from 0): a tenth for each milestone reached.
double LearningRate(const SgdOptions& options, int64_t epoch);

// Consecutive entries of the parameters that are treated alike.
struct SgdGroup {
  int64_t size = 0;
  bool trainable = true;     // else left alone
  bool decay = true;         // weight decay applies
  bool nonnegative = false;  // projected on >= 0 after each step
};

// One step, PyTorch's formulas: d = gradient + decay p; v = momentum v + d;
// p -= rate (d + momentum v) with Nesterov's momentum, else rate v. The groups
// cover all entries in order. Returns false when a parameter became infinite
// or NaN; all are updated nevertheless.
bool SgdStep(const SgdOptions& options, double rate, const std::vector<SgdGroup>& groups,
             const float* gradients, std::vector<float>* parameters, std::vector<float>* velocity);

}  // namespace csc

#endif  // CSC_TRAINING_OPTIMISER_SGD_H_
