#include "solvers/algorithms/res_csc.h"

#include "solvers/algorithms/unrolled.h"
#include "solvers/error.h"

namespace csc {

ValueId ResCsc(Program* program, ValueId x, const ResCscParameters& parameters,
               const ResCscOptions& options) {
  const Shape in = program->shape(x);
  const int64_t m = program->parameters().at(parameters.filters1).dims[0];
  Require(options.geometry2.KeepsSize(),
          "the second geometry {} of a ResCsc block changes the size", ToString(options.geometry2));
  const std::array<int64_t, 2> strides = options.geometry1.strides;
  const auto row = [&](int parameter) { return RowOf(*program, parameter, 0, m, 0, m); };

  // h = S+_b1( a1 F1 x )
  const ValueId analysis1 = program->Analysis(x, parameters.filters1, options.geometry1);
  const ValueId h =
      ProximalMap(program, {{analysis1, {}}}, Shrink::kNonnegative, row(parameters.threshold1),
                  row(parameters.scale1), options.normalise, options.epsilon);

  ValueId shortcut = x;
  if (options.pad_shortcut) {
    const bool same = strides == std::array<int64_t, 2>{1, 1} && m == in.channels;
    if (!same) shortcut = program->Shortcut(x, strides, m);
  } else {
    Require(in.channels == m && strides == (std::array<int64_t, 2>{1, 1}),
            "shortcut \"identity\" needs as many input channels as filters and "
            "stride 1: found {} channels, {} filters, strides [{}, {}]",
            in.channels, m, strides[0], strides[1]);
  }

  // F2 (h + c F2^T s): by linearity Eq. 5 costs one more convolution, not two.
  const Shape code = program->shape(h);
  Require(program->shape(shortcut) == code, "a shortcut of shape {} on a block whose code is {}",
          ToString(program->shape(shortcut)), ToString(code));
  ValueId corrected = h;
  if (!options.zero_step) {
    const ValueId synthesis = program->Synthesis(shortcut, parameters.filters2, options.geometry2,
                                                 code.height, code.width);
    corrected = program->Combine({{h, {}}, {synthesis, StepOf(*program, parameters.step, 0, 1)}});
  }
  const ValueId analysis2 = program->Analysis(corrected, parameters.filters2, options.geometry2);

  // y = S+_b2( a2 F2 (...) + s ): the scale acts on the analysis alone.
  std::vector<Term> terms = {{analysis2, {}}};
  if (parameters.scale2 >= 0 || options.normalise) {
    terms = {{ProximalMap(program, std::move(terms), Shrink::kNone, {}, row(parameters.scale2),
                          options.normalise, options.epsilon),
              {}}};
  }
  if (!options.simplified) terms.push_back({shortcut, {}});
  return program->Pointwise(std::move(terms), Shrink::kNonnegative, row(parameters.threshold2));
}

}  // namespace csc
