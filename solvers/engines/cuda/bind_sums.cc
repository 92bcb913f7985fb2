// Sums over the batch (statistics, gradients of vectors and scalars, the loss) and the
// optimiser's step.

#include <algorithm>
#include <utility>
#include <vector>

#include "solvers/engines/cuda/binder.h"

namespace csc::cuda {

bool Binder::SumsGradients(const Step& step) const {
  for (const Sums& sums : step.sums) {
    const Opcode op = program_.instructions()[sums.instructions[0]].op;
    if (op == Opcode::kScalarGradient || op == Opcode::kChannelGradient) return true;
  }
  return false;
}

int64_t Binder::RangeOfSums(const Shape& shape) const {
  constexpr int64_t kWanted = 16;  // ranges of a channel, where that leaves enough to sum
  const int64_t least = std::max<int64_t>(tuning_.sum_range / 8, 1);
  return std::clamp(CeilDiv(batch_ * shape.height * shape.width, kWanted), least,
                    tuning_.sum_range);
}

int64_t Binder::RangesOfSums(const Shape& shape) const {
  return CeilDiv(batch_ * shape.height * shape.width, RangeOfSums(shape));
}

int64_t Binder::PartialSums(const Step& step) const {
  const Shape& s = ShapeOf(program_.instructions()[step.sums[0].instructions[0]].terms[0].value);
  return static_cast<int64_t>(step.sums.size()) * s.channels * RangesOfSums(s) * 2;
}

template <typename K>
void Binder::AddElementwise(const K& kernel, const Shape& shape, const Step& step) {
  if (step.sums.empty()) return Add(kernel, Elementwise::Indices(kernel.size));
  const int64_t ranges = RangesOfSums(shape);
  const auto num_sums = static_cast<int64_t>(step.sums.size());
  double* const partials =
      SumsGradients(step) ? Kept(PartialSums(step)) : Scratch<double>(PartialSums(step));
  SummingKernel<K> summing;
  summing.flat = kernel;
  summing.positions = static_cast<uint32_t>(batch_ * shape.height * shape.width);
  summing.ranges = Divisor(ranges);
  summing.range = static_cast<uint32_t>(Narrow(RangeOfSums(shape)));
  summing.num_sums = static_cast<uint32_t>(num_sums);
  for (int64_t s = 0; s < num_sums; ++s) {
    summing.partials[s] = partials + s * shape.channels * ranges * 2;
  }
  Add(summing, shape.channels * ranges);
  for (int64_t s = 0; s < num_sums; ++s) {
    for (int k : step.sums[s].instructions) {
      FinishSum(program_.instructions()[k], summing.partials[s], ranges);
    }
  }
}

template void Binder::AddElementwise(const PointwiseKernel&, const Shape&, const Step&);
template void Binder::AddElementwise(const NormaliseKernel&, const Shape&, const Step&);
template void Binder::AddElementwise(const NormaliseAdjointKernel&, const Shape&, const Step&);

void Binder::SetSums(const Step& step, Epilogue* epilogue) const {
  for (size_t s = 0; s < step.sums.size(); ++s) {
    const Sums& sums = step.sums[s];
    Stage& stage = epilogue->stages[std::max(sums.link, 0)];
    stage.sum = static_cast<int32_t>(s);
    for (int k : sums.instructions) {
      const Instruction& i = program_.instructions()[k];
      // The plain sum has no weight of its own: it keeps that of the weighted one, if any.
      if (i.terms.size() == 1) continue;
      // A value weighs itself where it is computed: it need not be stored.
      if (sums.link >= 0 && i.terms[1].value == i.terms[0].value) continue;
      stage.weight = OperandOf(i.terms[1].value);
      stage.sign_of_weight = i.channel_sum == ChannelSum::kTimesSignOfSecond;
    }
  }
}

void Binder::BindSums(const Step& step) {
  const ValueId value = program_.instructions()[step.instruction()].terms[0].value;
  Epilogue epilogue;
  epilogue.num_stages = 1;
  epilogue.stages[0].end_term = 1;
  epilogue.terms[0] = TermOf({value, {}});
  SetSums(step, &epilogue);
  AddElementwise(PointwiseKernel{ElementwiseOf(value, epilogue)}, ShapeOf(value), step);
}

void Binder::FinishSum(const Instruction& i, const double* partials, int64_t ranges) {
  const Shape& s = ShapeOf(i.terms[0].value);
  const auto channels = static_cast<uint32_t>(s.channels);
  if (i.op == Opcode::kMoments || i.op == Opcode::kNormaliseSums) {
    return Add(FinishStatisticKernel{partials, channels, static_cast<uint32_t>(ranges),
                                     static_cast<double>(batch_ * s.height * s.width),
                                     i.op == Opcode::kMoments, StatisticAt(i.statistic)},
               s.channels);
  }
  GradientSumsKernel::Gradient g = {};
  g.partials = partials;
  g.row = i.terms.size() > 1 ? 1 : 0;
  bool shared = true;  // one number for all channels
  if (i.op == Opcode::kScalarGradient) {
    g.constant = i.scalar_target.constant;
    g.target = GradientAt(i.scalar_target.parameter, i.scalar_target.offset);
  } else {
    shared = i.channel_target.count == 1;
    g.constant = i.gradient_constant;
    g.target = GradientAt(i.channel_target.parameter, i.channel_target.offset);
  }
  g.count = static_cast<uint32_t>(Narrow(shared ? s.channels * ranges : ranges));
  unfinished_.push_back({g, shared ? 1 : s.channels});
}

void Binder::FinishGradients() {
  // A number that several gradients are added to, as that of a step which all iterations
  // share, is met once in a launch: the others wait, in their order.
  while (!unfinished_.empty()) {
    GradientSumsKernel kernel = {};
    std::vector<Unfinished> now, later;
    int64_t blocks = 0;
    for (const Unfinished& u : unfinished_) {
      const auto meets = [&u](const Unfinished& other) {
        return other.gradient.target < u.gradient.target + u.numbers &&
               u.gradient.target < other.gradient.target + other.numbers;
      };
      if (kernel.size == GradientSumsKernel::kMost || std::any_of(now.begin(), now.end(), meets) ||
          std::any_of(later.begin(), later.end(), meets)) {
        later.push_back(u);
        continue;
      }
      now.push_back(u);
      kernel.gradients[kernel.size] = u.gradient;
      kernel.gradients[kernel.size++].first_block = static_cast<uint32_t>(blocks);
      blocks += u.numbers;
    }
    Add(kernel, blocks);
    unfinished_ = std::move(later);
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
