#include "solvers/algorithms/ml_csc.h"

#include "solvers/error.h"

namespace csc {

ValueId MlCsc(Program* program, ValueId x, const std::vector<MlCscLayer>& layers, int unfolding,
              Algorithm algorithm) {
  Require(!layers.empty(), "MlCsc needs at least one layer");
  const size_t depth = layers.size();
  const auto prox = [&](std::vector<Term> terms, const MlCscLayer& layer) {
    const int64_t m = program->parameters().at(layer.filters).dims[0];
    return program->Pointwise(std::move(terms), Shrink::kNonnegative,
                              RowOf(*program, layer.threshold, 0, m, 0, m));
  };
  const auto step = [&](const MlCscLayer& layer) { return StepOf(*program, layer.step, 0, 1); };

  // g_i = S+_{b_i}( F_i (c_i g_{i-1}) ): the first estimate.
  std::vector<ValueId> codes = {x};  // g_0 .. g_L
  for (const MlCscLayer& layer : layers) {
    const ValueId analysis =
        program->Analysis(codes.back(), layer.filters, layer.geometry, step(layer));
    codes.push_back(prox({{analysis, {}}}, layer));
  }

  ValueId previous_deepest = codes[depth];
  const std::vector<double> momentum = MomentumFactors(algorithm, unfolding);
  for (int round = 0; round < unfolding; ++round) {
    // Top down: a_L = z, a_{i-1} = F_i^T a_i.
    const ValueId deepest = codes[depth];
    const double factor = momentum[round];
    std::vector<ValueId> estimates(depth + 1);  // a_0 .. a_L
    estimates[depth] =
        factor == 0 ? deepest : program->Combine(Extrapolate(deepest, previous_deepest, factor));
    previous_deepest = deepest;
    for (size_t i = depth; i >= 1; --i) {
      const Shape& below = program->shape(codes[i - 1]);
      estimates[i - 1] = program->Synthesis(estimates[i], layers[i - 1].filters,
                                            layers[i - 1].geometry, below.height, below.width);
    }
    // Bottom up: g_i = S+( a_i - F_i (c_i (F_i^T a_i - g_{i-1})) ).
    for (size_t i = 1; i <= depth; ++i) {
      const MlCscLayer& layer = layers[i - 1];
      const ValueId residual = program->Combine({{estimates[i - 1], {}}, {codes[i - 1], {-1}}});
      const ValueId correction =
          program->Analysis(residual, layer.filters, layer.geometry, step(layer));
      codes[i] = prox({{estimates[i], {}}, {correction, {-1}}}, layer);
    }
  }
  return codes[depth];
}

}  // namespace csc
