// Programs with their gradients, and the check by central differences.

#ifndef CSC_TESTS_SOLVERS_GRADIENTS_H_
#define CSC_TESTS_SOLVERS_GRADIENTS_H_

#include <functional>
#include <vector>

#include "solvers/program/program.h"
#include "tests/solvers/random.h"
#include "tests/solvers/run.h"

namespace csc::test {

// `forward` with one more input for each output, which weighs it: the loss is
// the sum of <weight, output>. Its gradients are derived, and those of the
// forward inputs, in order, follow the outputs (an input that does not matter
// has none).
Program WithWeightedLoss(const Program& forward);

// `forward`, whose output is logits, with a softmax loss and its gradients.
Program WithSoftmaxLoss(const Program& forward, double smoothing = 0);

// For each entry of the program's gradients the sum of the magnitudes of what is
// summed to it: where they cancel, their rounding is all that is left. Those of
// filters are left at 0.
std::vector<double> SummedMagnitudes(const Program& program, const Work& work);

// Compares the gradients of parameters and inputs that the adjoint of `forward`
// gives for a randomly weighted sum of its outputs with central differences, in
// double. Needs a run that stays away from kinks: data are drawn anew by
// `draw` until it does.
void CheckGradients(Random* random, const Program& forward, const std::function<Work()>& draw);

}  // namespace csc::test

#endif  // CSC_TESTS_SOLVERS_GRADIENTS_H_
