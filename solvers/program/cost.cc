#include "solvers/program/cost.h"

namespace csc {

namespace {

// Operations per element of the first term (or of the result, if larger).
int64_t PointwiseFlops(const Instruction& i) {
  int64_t flops = -1;  // n terms need n - 1 additions
  for (const Term& term : i.terms) flops += term.coefficient.IsOne() ? 1 : 2;
  if (i.scale.present()) flops += 1;
  if (i.threshold.present()) flops += 1;
  if (i.shrink != Shrink::kNone) flops += 1;
  return flops;
}

}  // namespace

Cost CostOf(const Program& program) {
  Cost cost;
  for (ValueId v = 0; v < program.num_values(); ++v) {
    cost.value_bytes += program.shape(v).size() * int64_t{sizeof(float)};
  }
  for (const Instruction& i : program.instructions()) {
    const int64_t in = program.shape(i.terms[0].value).size();
    const int64_t out = i.result >= 0 ? program.shape(i.result).size() : 0;
    switch (i.op) {
      case Opcode::kAnalysis:
      case Opcode::kSynthesis:
      case Opcode::kFilterGradient: {
        // The code's size times one filter's.
        const int64_t code = i.op == Opcode::kAnalysis    ? out
                             : i.op == Opcode::kSynthesis ? in
                                                          : program.shape(i.terms[1].value).size();
        const Dims& f = program.parameters()[i.filters].dims;
        cost.linear_flops += 2 * code * f[1] * f[2] * f[3];
        ++cost.convolutions;
        break;
      }
      case Opcode::kPointwise:
        cost.other_flops += PointwiseFlops(i) * out;
        break;
      case Opcode::kMaxPool:
      case Opcode::kAveragePool:
        cost.other_flops += out * i.geometry.kernel[0] * i.geometry.kernel[1];
        break;
      case Opcode::kJoin:
      case Opcode::kView:
      case Opcode::kShortcut:
      case Opcode::kShortcutAdjoint:
        break;  // copies
      case Opcode::kMask:
      case Opcode::kMaxPoolAdjoint:
      case Opcode::kAveragePoolAdjoint:
        cost.other_flops += in;
        break;
      case Opcode::kNormalise:
      case Opcode::kMoments:
      case Opcode::kNormaliseSums:
      case Opcode::kScalarGradient:
      case Opcode::kChannelGradient:
        cost.other_flops += 2 * in;
        break;
      case Opcode::kNormaliseAdjoint:
      case Opcode::kSoftmaxLoss:
        cost.other_flops += 4 * in;
        break;
    }
  }
  return cost;
}

}  // namespace csc
