#include "tests/solvers/kinks.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/solvers/compare.h"

namespace csc::test {

namespace {

using Values = std::vector<double>;

// `u` is the argument of the shrinkage, [N, C, H, W].
double ShrinkMargin(const Instruction& i, const Shape& shape, const Values& u,
                    const Program& program, const Work& work) {
  const int64_t positions = shape.height * shape.width;
  double margin = std::numeric_limits<double>::infinity();
  double scale = LargestMagnitude(u);
  for (size_t k = 0; k < u.size(); ++k) {
    double b = 0;
    if (i.threshold.present()) {
      const int64_t channel = static_cast<int64_t>(k) / positions % shape.channels;
      const ParameterInfo& info = program.parameters()[i.threshold.parameter];
      b = i.threshold.constant * work.parameters[info.offset + i.threshold.offset +
                                                 (i.threshold.count == 1 ? 0 : channel)];
    }
    scale = std::max(scale, std::abs(b));
    const bool soft = i.shrink == Shrink::kSoft;
    if (soft && b == 0) continue;  // the identity
    margin = std::min(margin, std::abs((soft ? std::abs(u[k]) : u[k]) - b));
  }
  return scale > 0 ? margin / scale : 0;
}

// The gap between the two largest of `candidates`; a tie at exactly 0 is what
// a shrinkage left of the values, whose gradients it takes away again.
double Gap(Values candidates) {
  if (candidates.size() < 2) return std::numeric_limits<double>::infinity();
  std::partial_sort(candidates.begin(), candidates.begin() + 2, candidates.end(),
                    std::greater<double>());
  if (candidates[0] == 0 && candidates[1] == 0) return std::numeric_limits<double>::infinity();
  return candidates[0] - candidates[1];
}

double PoolMargin(const Geometry& g, const Shape& in, const Shape& out, int64_t batch,
                  const Values& x) {
  double margin = std::numeric_limits<double>::infinity();
  for (int64_t plane = 0; plane < batch * in.channels; ++plane) {
    for (int64_t i = 0; i < out.height; ++i) {
      for (int64_t j = 0; j < out.width; ++j) {
        Values window;
        for (int64_t h = 0; h < g.kernel[0]; ++h) {
          for (int64_t w = 0; w < g.kernel[1]; ++w) {
            window.push_back(
                x[(plane * in.height + i * g.strides[0] + h) * in.width + j * g.strides[1] + w]);
          }
        }
        margin = std::min(margin, Gap(window));
      }
    }
  }
  return margin / std::max(LargestMagnitude(x), 1e-30);
}

double LogitMargin(int64_t classes, const Values& logits) {
  double margin = std::numeric_limits<double>::infinity();
  for (size_t first = 0; first < logits.size(); first += classes) {
    margin =
        std::min(margin, Gap(Values(logits.begin() + first, logits.begin() + first + classes)));
  }
  return margin / std::max(LargestMagnitude(logits), 1e-30);
}

}  // namespace

double KinkMargin(const Program& program, const Work& work) {
  Program probe = program;
  std::vector<const Instruction*> probed;
  for (const Instruction& i : program.instructions()) {
    const ValueId x = i.terms[0].value;
    if (i.op == Opcode::kPointwise && i.shrink != Shrink::kNone) {
      probe.MarkOutput(probe.Pointwise(i.terms, Shrink::kNone, {}, i.scale));
    } else if (i.op == Opcode::kMaxPool || i.op == Opcode::kSoftmaxLoss) {
      probe.MarkOutput(x);
    } else {
      continue;
    }
    probed.push_back(&i);
  }
  const ReferenceResult<double> result = RunInDouble(probe, work);
  double margin = std::numeric_limits<double>::infinity();
  for (size_t k = 0; k < probed.size(); ++k) {
    const Instruction& i = *probed[k];
    const Values& values = result.outputs[program.outputs().size() + k];
    const Shape& in = program.shape(i.terms[0].value);
    const Shape& out = program.shape(i.result);
    margin = std::min(
        margin, i.op == Opcode::kPointwise ? ShrinkMargin(i, out, values, program, work)
                : i.op == Opcode::kMaxPool ? PoolMargin(i.geometry, in, out, work.batch, values)
                                           : LogitMargin(in.channels, values));
  }
  return margin;
}

}  // namespace csc::test
