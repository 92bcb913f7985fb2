// How far a run of a program stays from the points where it has no derivative.

#ifndef CSC_TESTS_SOLVERS_KINKS_H_
#define CSC_TESTS_SOLVERS_KINKS_H_

#include "solvers/program/program.h"
#include "tests/solvers/run.h"

namespace csc::test {

// The smallest distance, relative to the largest magnitude of the value it
// belongs to, of any argument of a shrinkage to its threshold, of any two
// candidates of a max-pool window, and of the two largest logits of a loss.
// `program` has not been differentiated.
double KinkMargin(const Program& program, const Work& work);

}  // namespace csc::test

#endif  // CSC_TESTS_SOLVERS_KINKS_H_
