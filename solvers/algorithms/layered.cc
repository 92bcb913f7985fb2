#include "solvers/algorithms/layered.h"

namespace csc {

ValueId LayeredThreshold(Program* program, ValueId x, int filters, const ChannelVector& threshold,
                         const ChannelVector& scale, const UnrolledOptions& options) {
  const ValueId analysis = program->Analysis(x, filters, options.geometry);
  return ProximalMap(program, {{analysis, {}}}, options.shrink, threshold, scale, options.normalise,
                     options.epsilon);
}

ValueId LayeredPursuit(Program* program, ValueId x, const UnrolledParameters& parameters,
                       const UnrolledOptions& options) {
  const int filters = parameters.filters;
  const Shape in = program->shape(x);
  const int64_t w = program->parameters().at(filters).dims[0];
  const auto prox = [&](std::vector<Term> terms, int iteration) {
    return ProximalMap(program, std::move(terms), options.shrink,
                       RowOf(*program, parameters.threshold, iteration, w, 0, w),
                       RowOf(*program, parameters.scale, iteration, w, 0, w), options.normalise,
                       options.epsilon);
  };

  // g^1 = P_b(c F x)
  const ValueId first =
      program->Analysis(x, filters, options.geometry, StepOf(*program, parameters.step, 0, 1));
  ValueId code = prox({{first, {}}}, 0);
  ValueId previous = code;
  const std::vector<double> momentum = MomentumFactors(options.algorithm, options.unfolding);
  for (int k = 1; k <= options.unfolding; ++k) {
    const double factor = momentum[k - 1];
    std::vector<Term> z_terms = Extrapolate(code, previous, factor);
    const ValueId z = factor == 0 ? code : program->Combine(z_terms);
    // r = F^T z - x;  g^{k+1} = P_b(z - F (c r))
    const ValueId synthesis = program->Synthesis(z, filters, options.geometry, in.height, in.width);
    const ValueId residual = program->Combine({{synthesis, {}}, {x, {-1}}});
    const ValueId correction = program->Analysis(residual, filters, options.geometry,
                                                 StepOf(*program, parameters.step, k, 1));
    previous = code;
    code = prox({{z, {}}, {correction, {-1}}}, k);
  }
  return code;
}

}  // namespace csc
