// Sums over the batch (statistics, gradients of vectors and scalars, the loss) and the
// optimiser's step.

#include <algorithm>
#include <utility>
#include <vector>

#include "solvers/engines/cuda/binder.h"

namespace csc::cuda {

int64_t Binder::RangeOfSums(const Shape& shape) const {
  constexpr int64_t kWanted = 16;  // ranges of a channel, where that leaves enough to sum
  const int64_t least = std::max<int64_t>(tuning_.sum_range / 8, 1);
  return std::clamp(CeilDiv(batch_ * shape.height * shape.width, kWanted), least,
                    tuning_.sum_range);
}

template <typename Map>
void Binder::AddChannels(const Map& map, const Elementwise& elements, const Shape& shape,
                         const Step& step) {
  // Where nothing is summed ranges may have any length: so many blocks are enough for a
  // device, and two rounds for a block.
  constexpr int64_t kWanted = 4096;
  constexpr int64_t kLeast = 2 * ChannelKernel<Map>::kThreads * ChannelKernel<Map>::kCount;
  const int64_t positions = batch_ * shape.height * shape.width;
  const int64_t range = step.sums.empty()
                            ? std::max(CeilDiv(positions * shape.channels, kWanted), kLeast)
                            : RangeOfSums(shape);
  const int64_t ranges = CeilDiv(positions, range);
  const auto num_sums = static_cast<int64_t>(step.sums.size());
  ChannelKernel<Map> kernel = {};
  kernel.map = map;
  kernel.elements = elements;
  kernel.positions = static_cast<uint32_t>(positions);
  kernel.ranges = Divisor(ranges);
  kernel.range = static_cast<uint32_t>(Narrow(range));
  kernel.num_sums = static_cast<uint32_t>(num_sums);
  for (int64_t s = 0; s < num_sums; ++s) {
    kernel.partials[s] = Kept(shape.channels * ranges * 2);
  }
  Add(kernel, shape.channels * ranges);
  for (int64_t s = 0; s < num_sums; ++s) {
    for (int k : step.sums[s].instructions) {
      FinishSum(program_.instructions()[k], kernel.partials[s], ranges);
    }
  }
}

template void Binder::AddChannels(const Nothing&, const Elementwise&, const Shape&, const Step&);
template void Binder::AddChannels(const Normalised&, const Elementwise&, const Shape&, const Step&);
template void Binder::AddChannels(const NormalisedAdjoint&, const Elementwise&, const Shape&,
                                  const Step&);

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
  AddChannels(Nothing{}, ElementwiseOf(value, epilogue), ShapeOf(value), step);
}

void Binder::FinishSum(const Instruction& i, const double* partials, int64_t ranges) {
  const Shape& s = ShapeOf(i.terms[0].value);
  if (i.op == Opcode::kMoments || i.op == Opcode::kNormaliseSums) {
    statistics_[i.statistic] = {partials,
                                static_cast<uint32_t>(s.channels),
                                static_cast<uint32_t>(ranges),
                                static_cast<double>(batch_ * s.height * s.width),
                                i.op == Opcode::kMoments,
                                StatisticAt(i.statistic)};
    return;
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
  const int64_t numbers = shared ? 1 : s.channels;
  sums_.push_back({g, numbers, numbers});
}

template <typename K>
void Binder::Finish(std::vector<Unfinished<K>>* unfinished) {
  while (!unfinished->empty()) {
    K kernel = {};
    std::vector<Unfinished<K>> now, later;
    int64_t blocks = 0;
    for (const Unfinished<K>& u : *unfinished) {
      const auto meets = [&u](const Unfinished<K>& other) {
        return other.gradient.target < u.gradient.target + u.numbers &&
               u.gradient.target < other.gradient.target + other.numbers;
      };
      if (kernel.size == K::kMost || std::any_of(now.begin(), now.end(), meets) ||
          std::any_of(later.begin(), later.end(), meets)) {
        later.push_back(u);
        continue;
      }
      now.push_back(u);
      kernel.gradients[kernel.size] = u.gradient;
      kernel.gradients[kernel.size++].first_block = static_cast<uint32_t>(blocks);
      blocks += u.blocks;
    }
    Add(kernel, blocks);
    *unfinished = std::move(later);
  }
}

template void Binder::Finish(std::vector<Unfinished<GradientSumsKernel>>*);
template void Binder::Finish(std::vector<Unfinished<FilterGradientSumsKernel>>*);

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
