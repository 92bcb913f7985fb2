// Stochastic gradient descent with momentum on the host. Its formulas are shared
// with engines that take the step by themselves: solvers/engines/sgd.h.

#ifndef CSC_TRAINING_OPTIMISER_SGD_H_
#define CSC_TRAINING_OPTIMISER_SGD_H_

#include <vector>

#include "solvers/engines/sgd.h"

namespace csc {

// Throws Error for a momentum, decay or norm out of range.
void CheckOptions(const SgdOptions& options);

// One step. The groups cover all entries in order. Returns false when a parameter
// became infinite or NaN; all are updated nevertheless.
bool SgdStep(const SgdOptions& options, double rate, const std::vector<SgdGroup>& groups,
             const float* gradients, std::vector<float>* parameters, std::vector<float>* velocity);

}  // namespace csc

#endif  // CSC_TRAINING_OPTIMISER_SGD_H_
