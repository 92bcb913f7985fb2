#include "solvers/algorithms/unrolled.h"

#include <cmath>

#include "solvers/error.h"

namespace csc {

Algorithm ParseAlgorithm(const std::string& name) {
  if (name == "ista") return Algorithm::kIsta;
  if (name == "fista") return Algorithm::kFista;
  Fail("algorithm is \"{}\": \"ista\" or \"fista\" expected", name);
}

std::vector<double> MomentumFactors(Algorithm algorithm, int count) {
  std::vector<double> factors(count, 0.0);
  if (algorithm == Algorithm::kIsta) return factors;
  double t = 1;
  for (double& factor : factors) {
    const double next = (1 + std::sqrt(1 + 4 * t * t)) / 2;
    factor = (t - 1) / next;
    t = next;
  }
  return factors;
}

ChannelVector RowOf(const Program& program, int parameter, int iteration, int64_t n, int64_t first,
                    int64_t count) {
  if (parameter < 0) return {};
  const Dims& dims = program.parameters().at(parameter).dims;
  if (NumElements(dims) == 1) return {parameter, 0, 1};
  const bool by_iteration = dims.size() == 2;
  return {parameter, (by_iteration ? iteration * n : 0) + first, count};
}

Coefficient StepOf(const Program& program, int parameter, int iteration, double constant) {
  const bool shared = program.parameters().at(parameter).size() == 1;
  return {constant, parameter, shared ? 0 : iteration};
}

ValueId ProximalMap(Program* program, std::vector<Term> terms, Shrink shrink,
                    const ChannelVector& threshold, const ChannelVector& scale, bool normalise,
                    double epsilon) {
  if (normalise) {
    const bool single = terms.size() == 1 && terms[0].coefficient.IsOne();
    const ValueId u = single ? terms[0].value : program->Combine(terms);
    terms = {{program->Normalise(u, epsilon), {}}};
  }
  return program->Pointwise(std::move(terms), shrink, threshold, scale);
}

std::vector<Term> Extrapolate(ValueId code, ValueId previous, double factor, double constant) {
  if (factor == 0) return {{code, {constant}}};
  return {{code, {constant * (1 + factor)}}, {previous, {-constant * factor}}};
}

}  // namespace csc
