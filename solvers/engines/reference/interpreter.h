// The definition of correct: a program run by plain loops, in float or double.

#ifndef CSC_SOLVERS_ENGINES_REFERENCE_INTERPRETER_H_
#define CSC_SOLVERS_ENGINES_REFERENCE_INTERPRETER_H_

#include <cstdint>
#include <vector>

#include "solvers/program/program.h"

namespace csc {

template <typename T>
struct ReferenceResult {
  std::vector<std::vector<T>> outputs;  // NCHW, one for each program output
  std::vector<T> gradients;             // [program.parameter_size()]
  std::vector<T> statistics;            // as RunArguments::statistics
  double loss = 0;
  int64_t correct = 0;
};

// Runs `program` on a batch. Sums run in double for either T. `inputs` are
// NCHW; `labels` may be null for a program without a loss.
template <typename T>
ReferenceResult<T> RunReference(const Program& program, int64_t batch,
                                const std::vector<std::vector<T>>& inputs,
                                const std::vector<T>& parameters, const int32_t* labels = nullptr);

extern template ReferenceResult<float> RunReference(const Program&, int64_t,
                                                    const std::vector<std::vector<float>>&,
                                                    const std::vector<float>&, const int32_t*);
extern template ReferenceResult<double> RunReference(const Program&, int64_t,
                                                     const std::vector<std::vector<double>>&,
                                                     const std::vector<double>&, const int32_t*);

}  // namespace csc

#endif  // CSC_SOLVERS_ENGINES_REFERENCE_INTERPRETER_H_
