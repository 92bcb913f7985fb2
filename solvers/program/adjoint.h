// Reverse-mode differentiation of a program, instruction by instruction.

#ifndef CSC_SOLVERS_PROGRAM_ADJOINT_H_
#define CSC_SOLVERS_PROGRAM_ADJOINT_H_

#include <vector>

#include "solvers/program/program.h"

namespace csc {

// `gradient` holds d(loss)/d(value): a value of the program, of equal shape.
struct Seed {
  ValueId value;
  ValueId gradient;
};

struct AdjointOptions {
  // Also derive the gradients with respect to the program's inputs.
  bool input_gradients = false;
};

// Appends to `program` the instructions that compute the gradients of a scalar
// loss with respect to all trainable parameters, and returns the values that
// hold its gradients with respect to the inputs (-1 where an input does not
// matter, or all -1 unless asked for). Gradients of a threshold count ReLU'(0)
// as 0. Views of a value that matters must tile its channels. Throws Error for
// a program that has been differentiated already.
std::vector<ValueId> Differentiate(Program* program, const std::vector<Seed>& seeds,
                                   const AdjointOptions& options = {});

}  // namespace csc

#endif  // CSC_SOLVERS_PROGRAM_ADJOINT_H_
