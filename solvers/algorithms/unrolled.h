// What all unrolled ISTA and FISTA layers share: options, parameters by
// iteration, momentum, and the proximal step's last instruction.

#ifndef CSC_SOLVERS_ALGORITHMS_UNROLLED_H_
#define CSC_SOLVERS_ALGORITHMS_UNROLLED_H_

#include <string>
#include <vector>

#include "solvers/geometry.h"
#include "solvers/program/program.h"

namespace csc {

enum class Algorithm { kIsta, kFista };

// "ista" or "fista"; throws Error for anything else.
Algorithm ParseAlgorithm(const std::string& name);

// Momentum factors (t_k - 1) / t_{k+1} of the first `count` steps, with
// t_1 = 1 and t_{k+1} = (1 + sqrt(1 + 4 t_k^2)) / 2: 0, 0.2817, 0.4340, ...
// All zero for ISTA.
std::vector<double> MomentumFactors(Algorithm algorithm, int count);

struct UnrolledOptions {
  Geometry geometry;
  int unfolding = 0;  // steps after the first
  Algorithm algorithm = Algorithm::kIsta;
  Shrink shrink = Shrink::kNonnegative;
  bool normalise = false;  // batch statistics before scale and threshold
  double epsilon = 1e-5;
};

// Numbers of a layer's parameters in the program. Thresholds and scales hold
// 1 or n entries, or one row of n for each iteration; steps hold 1 or one for
// each iteration. `scale` is -1 where absent.
struct UnrolledParameters {
  int filters = -1;
  int threshold = -1;
  int step = -1;
  int scale = -1;
};

// Entries for channels [first, first + count) of n in row `iteration` of a
// parameter laid out as above. Absent for parameter -1.
ChannelVector RowOf(const Program& program, int parameter, int iteration, int64_t n, int64_t first,
                    int64_t count);

// The step of an iteration times `constant`.
Coefficient StepOf(const Program& program, int parameter, int iteration, double constant);

// P_b(a u), u the sum of terms, batch-normalised first if so asked.
ValueId ProximalMap(Program* program, std::vector<Term> terms, Shrink shrink,
                    const ChannelVector& threshold, const ChannelVector& scale, bool normalise,
                    double epsilon);

// The terms of z = g + factor (g - previous), each times `constant`.
std::vector<Term> Extrapolate(ValueId code, ValueId previous, double factor, double constant = 1);

}  // namespace csc

#endif  // CSC_SOLVERS_ALGORITHMS_UNROLLED_H_
