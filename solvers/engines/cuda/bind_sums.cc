// Sums over the batch (statistics, gradients of vectors and scalars, the loss) and the
// optimiser's step.

#include "solvers/engines/cuda/binder.h"

namespace csc::cuda {

int64_t Binder::AddSums(ValueId first, ValueId second, bool sign, double** partials) {
  const Shape& s = ShapeOf(first);
  const int64_t positions = batch_ * s.height * s.width;
  const int64_t ranges = CeilDiv(positions, tuning_.sum_range);
  *partials = Scratch<double>(s.channels * ranges * 2);
  Add(ChannelSumsKernel{At(first), At(second), sign, Divisor(s.height * s.width),
                        static_cast<uint32_t>(positions), Divisor(ranges),
                        static_cast<uint32_t>(Narrow(tuning_.sum_range)), *partials},
      s.channels * ranges);
  return ranges;
}

void Binder::BindStatistic(const Instruction& i, bool moments) {
  const ValueId first = i.terms[0].value;
  const Shape& s = ShapeOf(first);
  double* partials = nullptr;
  const int64_t ranges = AddSums(first, i.terms.back().value, false, &partials);
  Add(FinishStatisticKernel{partials, static_cast<uint32_t>(s.channels),
                            static_cast<uint32_t>(ranges),
                            static_cast<double>(batch_ * s.height * s.width), moments,
                            StatisticAt(i.statistic)},
      s.channels);
}

void Binder::BindGradientSums(const Step& step) {
  // What the pass weighs: nothing or the same for all but one link.
  const Instruction* weighted = &program_.instructions()[step.instruction()];
  for (const Link& link : step.links) {
    const Instruction& i = program_.instructions()[link.instruction];
    if (i.terms.size() > 1) weighted = &i;
  }
  const ValueId value = weighted->terms[0].value;
  const int64_t channels = ShapeOf(value).channels;
  double* partials = nullptr;
  const int64_t ranges =
      AddSums(value, weighted->terms.back().value,
              weighted->channel_sum == ChannelSum::kTimesSignOfSecond, &partials);
  for (const Link& link : step.links) {
    const Instruction& i = program_.instructions()[link.instruction];
    GradientSumKernel kernel;
    kernel.partials = partials;
    kernel.row = i.terms.size() > 1 ? 1 : 0;
    bool shared = true;
    if (i.op == Opcode::kScalarGradient) {
      kernel.constant = i.scalar_target.constant;
      kernel.target = GradientAt(i.scalar_target.parameter, i.scalar_target.offset);
    } else {
      shared = i.channel_target.count == 1;
      kernel.constant = i.gradient_constant;
      kernel.target = GradientAt(i.channel_target.parameter, i.channel_target.offset);
    }
    kernel.count = static_cast<uint32_t>(shared ? channels * ranges : ranges);
    Add(kernel, shared ? 1 : channels);
  }
}

void Binder::BindLoss(const Instruction& i) {
  const LossResults results(addresses_.results, batch_);
  Add(SoftmaxLossKernel{At(i.terms[0].value), addresses_.labels,
                        static_cast<uint32_t>(ShapeOf(i.result).channels),
                        static_cast<uint32_t>(batch_), i.smoothing, At(i.result), results.loss,
                        results.correct},
      batch_);
}

void Binder::BindSgd(const SgdOptions& options) {
  const int64_t size = program_.parameter_size();
  float* clip = nullptr;
  if (options.gradient_clip > 0) {
    const int64_t ranges = CeilDiv(size, kSquaresRange);
    double* const squares = Scratch<double>(ranges + 1);
    clip = reinterpret_cast<float*>(squares + ranges);
    Add(SquaresKernel{addresses_.gradients, addresses_.rules, static_cast<uint32_t>(Narrow(size)),
                      squares},
        ranges);
    Add(ClipKernel{squares, static_cast<uint32_t>(ranges), options.gradient_clip, clip}, 1);
  }
  Add(SgdKernel{SgdFactors(options), static_cast<float>(options.weight_decay), addresses_.rules,
                addresses_.gradients, addresses_.rate, clip, addresses_.parameters,
                addresses_.velocity, LossResults(addresses_.results, batch_).infinite},
      size);
}

}  // namespace csc::cuda
