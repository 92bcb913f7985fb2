#include "solvers/algorithms/msd_csc.h"

#include "solvers/error.h"

namespace csc {

namespace {

// A code in two parts that meet only at the layer's end.
struct Code {
  ValueId identity;  // [C, H, W]
  ValueId fresh;     // [w, H, W]
};

}  // namespace

ValueId MsdCsc(Program* program, ValueId x, const UnrolledParameters& parameters,
               const MsdCscOptions& options) {
  const UnrolledOptions& unrolled = options.unrolled;
  Require(unrolled.geometry.KeepsSize(),
          "the geometry {} changes the size of its input: an MsdCsc layer "
          "needs stride 1 and an output as large as its input",
          ToString(unrolled.geometry));
  const int filters = parameters.filters;
  const Shape in = program->shape(x);
  const int64_t c = in.channels;
  const int64_t w = program->parameters().at(filters).dims[0];
  // Thresholds and scales start with the identity channels, or skip them.
  const int64_t skipped = options.threshold_identity ? 0 : c;
  const int64_t n = c + w - skipped;

  const auto prox_identity = [&](std::vector<Term> terms, int iteration) {
    if (!options.threshold_identity) return program->Combine(std::move(terms));
    return ProximalMap(program, std::move(terms), unrolled.shrink,
                       RowOf(*program, parameters.threshold, iteration, n, 0, c),
                       RowOf(*program, parameters.scale, iteration, n, 0, c), unrolled.normalise,
                       unrolled.epsilon);
  };
  const auto prox_fresh = [&](std::vector<Term> terms, int iteration) {
    return ProximalMap(program, std::move(terms), unrolled.shrink,
                       RowOf(*program, parameters.threshold, iteration, n, c - skipped, w),
                       RowOf(*program, parameters.scale, iteration, n, c - skipped, w),
                       unrolled.normalise, unrolled.epsilon);
  };
  const auto step = [&](int iteration, double constant) {
    return StepOf(*program, parameters.step, iteration, constant);
  };

  // g^1 = S+_b( a c [x ; F x] )
  const ValueId first = program->Analysis(x, filters, unrolled.geometry, step(0, 1));
  Code code = {prox_identity({{x, step(0, 1)}}, 0), prox_fresh({{first, {}}}, 0)};
  Code previous = code;
  const std::vector<double> momentum = MomentumFactors(unrolled.algorithm, unrolled.unfolding);
  for (int k = 1; k <= unrolled.unfolding; ++k) {
    const double factor = momentum[k - 1];
    const ValueId z_fresh = factor == 0
                                ? code.fresh
                                : program->Combine(Extrapolate(code.fresh, previous.fresh, factor));
    // r = z[id] + F^T z[w] - x
    const ValueId synthesis =
        program->Synthesis(z_fresh, filters, unrolled.geometry, in.height, in.width);
    std::vector<Term> residual_terms = Extrapolate(code.identity, previous.identity, factor);
    residual_terms.push_back({synthesis, {}});
    residual_terms.push_back({x, {-1}});
    const ValueId residual = program->Combine(std::move(residual_terms));
    // g^{k+1} = S+_b( a (z - [c r ; F (c r)]) )
    std::vector<Term> identity_terms = Extrapolate(code.identity, previous.identity, factor);
    identity_terms.push_back({residual, step(k, -1)});
    // Right behind the residual, so that an engine can do both in one pass.
    const ValueId identity = prox_identity(std::move(identity_terms), k);
    const ValueId correction = program->Analysis(residual, filters, unrolled.geometry, step(k, 1));
    previous = code;
    code = {identity, prox_fresh({{z_fresh, {}}, {correction, {-1}}}, k)};
  }
  return program->Join({code.identity, code.fresh});
}

}  // namespace csc
