#include "solvers/engines/cuda/bind.h"

#include <algorithm>
#include <array>

#include "solvers/engines/cuda/binder.h"

namespace csc::cuda {

void Binder::Bind(const SgdOptions* step) {
  run_->launches.clear();
  run_->scratch_bytes = 0;
  if (plan_.has_loss) Zero(addresses_.results, LossResults::Words(batch_));
  if (plan_.has_gradients) Zero(addresses_.sums, 2 * program_.parameter_size());
  for (const Step& s : plan_.steps) BindStep(s);
  if (plan_.has_gradients) {
    Add(RoundKernel{addresses_.sums, addresses_.gradients}, program_.parameter_size());
  }
  if (step == nullptr) return;
  BindSgd(*step);
  for (const Launch& pack : BindFilters(program_, plan_, addresses_)) {
    run_->launches.push_back(pack);
  }
}

void Binder::BindStep(const Step& step) {
  const Instruction& i = program_.instructions()[step.instruction];
  switch (i.op) {
    case Opcode::kAnalysis:
    case Opcode::kSynthesis:
      return BindConvolution(i, {}, i.result);
    case Opcode::kPointwise:
      return BindPointwise(i, step);
    case Opcode::kMask:
      return Add(MaskKernel{At(i.terms[0].value), At(i.terms[1].value), At(i.result)},
                 Elements(i.result));
    case Opcode::kMoments:
      return BindStatistic(i, /*moments=*/true);
    case Opcode::kNormaliseSums:
      return BindStatistic(i, /*moments=*/false);
    case Opcode::kNormalise:
      return Add(NormaliseKernel{At(i.terms[0].value), StatisticAt(i.statistic),
                                 static_cast<float>(i.epsilon), ChannelsOf(i.result), At(i.result)},
                 Elements(i.result));
    case Opcode::kNormaliseAdjoint:
      return Add(
          NormaliseAdjointKernel{At(i.terms[0].value), At(i.terms[1].value),
                                 StatisticAt(i.statistic), StatisticAt(i.sums_statistic),
                                 static_cast<float>(i.epsilon), ChannelsOf(i.result), At(i.result)},
          Elements(i.result));
    case Opcode::kJoin:
      return BindJoin(i);
    case Opcode::kView:
      return BindView(i);
    case Opcode::kMaxPool:
    case Opcode::kAveragePool:
    case Opcode::kMaxPoolAdjoint:
    case Opcode::kAveragePoolAdjoint:
    case Opcode::kShortcut:
    case Opcode::kShortcutAdjoint:
      return BindSubsampling(i);
    case Opcode::kSoftmaxLoss:
      return BindLoss(i);
    case Opcode::kFilterGradient:
      return BindFilterGradient(i);
    case Opcode::kScalarGradient: {
      const Coefficient& target = i.scalar_target;
      return BindChannelSums(i, ChannelSum::kTimesSecond, /*shared=*/true, target.constant,
                             GradientAt(target.parameter, target.offset));
    }
    case Opcode::kChannelGradient: {
      const ChannelVector& target = i.channel_target;
      return BindChannelSums(i, i.channel_sum, target.count == 1, i.gradient_constant,
                             GradientAt(target.parameter, target.offset));
    }
  }
  Fail("the cuda engine does not know this instruction");
}

void Binder::BindPointwise(const Instruction& i, const Step& step) {
  std::vector<Term> terms = i.terms;
  Coefficient of_convolution;
  if (step.convolution >= 0) {
    of_convolution = terms[step.term].coefficient;
    terms.erase(terms.begin() + step.term);
  }
  // A sum too long for one kernel begins with kernels that only add.
  size_t next = 0;
  while (terms.size() - next > Epilogue::kMaxTerms) {
    Epilogue part;
    next += TakeTerms(terms, next, &part);
    Add(PointwiseKernel{part, ChannelsOf(i.result), At(i.result)}, Elements(i.result));
    terms[--next] = {i.result, {}};
  }
  Epilogue last;
  TakeTerms(terms, next, &last);
  last.scale = Operand(i.scale);
  last.threshold = Operand(i.threshold);
  last.shrink = i.shrink;
  if (step.convolution >= 0) {
    return BindConvolution(program_.instructions()[step.convolution], last, i.result,
                           of_convolution);
  }
  Add(PointwiseKernel{last, ChannelsOf(i.result), At(i.result)}, Elements(i.result));
}

size_t Binder::TakeTerms(const std::vector<Term>& terms, size_t next, Epilogue* epilogue) const {
  const size_t end = std::min(terms.size(), next + Epilogue::kMaxTerms);
  for (size_t t = next; t < end; ++t) {
    epilogue->terms[epilogue->num_terms] = At(terms[t].value);
    epilogue->coefficients[epilogue->num_terms++] = ScalarOf(terms[t].coefficient);
  }
  return end - next;
}

void Binder::CopyChannels(ValueId from, int64_t from_channel, ValueId to, int64_t to_channel,
                          int64_t channels) {
  const int64_t plane = ShapeOf(to).height * ShapeOf(to).width;
  const int64_t run = channels * plane;
  Add(CopyChannelsKernel{At(from) + from_channel * plane,
                         static_cast<uint32_t>(ShapeOf(from).size()), At(to) + to_channel * plane,
                         static_cast<uint32_t>(ShapeOf(to).size()), Divisor(run)},
      batch_ * run);
}

void Binder::BindJoin(const Instruction& i) {
  int64_t channel = 0;
  for (const Term& term : i.terms) {
    const int64_t channels = ShapeOf(term.value).channels;
    CopyChannels(term.value, 0, i.result, channel, channels);
    channel += channels;
  }
}

void Binder::BindView(const Instruction& i) {
  CopyChannels(i.terms[0].value, i.first_channel, i.result, 0, ShapeOf(i.result).channels);
}

void Binder::BindSubsampling(const Instruction& i) {
  const bool adjoint = i.op == Opcode::kMaxPoolAdjoint || i.op == Opcode::kAveragePoolAdjoint ||
                       i.op == Opcode::kShortcutAdjoint;
  const ValueId operand = i.terms[0].value;
  const Shape& large = ShapeOf(adjoint ? i.result : operand);
  const Shape& small = ShapeOf(adjoint ? operand : i.result);
  Window window;
  window.large[0] = Narrow(large.height);
  window.large[1] = Narrow(large.width);
  window.small[0] = Divisor(small.height);
  window.small[1] = Divisor(small.width);
  for (int axis = 0; axis < 2; ++axis) {
    window.kernel[axis] = Narrow(i.geometry.kernel[axis]);
    window.strides[axis] = Divisor(i.geometry.strides[axis]);
  }
  const std::array<Divisor, 2> rows = {Divisor(large.height), Divisor(large.width)};
  const Divisor channels(ShapeOf(i.result).channels);
  const uint32_t operand_channels = static_cast<uint32_t>(ShapeOf(operand).channels);
  const int64_t size = Elements(i.result);
  switch (i.op) {
    case Opcode::kMaxPool:
      return Add(MaxPoolKernel{At(operand), window, At(i.result)}, size);
    case Opcode::kAveragePool:
      return Add(AveragePoolKernel{At(operand), window, At(i.result)}, size);
    case Opcode::kShortcut:
      return Add(ShortcutKernel{At(operand), operand_channels, channels, window, At(i.result)},
                 size);
    case Opcode::kMaxPoolAdjoint:
      return Add(MaxPoolAdjointKernel{At(operand),
                                      At(i.terms[1].value),
                                      At(i.terms[2].value),
                                      window,
                                      {rows[0], rows[1]},
                                      At(i.result)},
                 size);
    case Opcode::kAveragePoolAdjoint:
      return Add(AveragePoolAdjointKernel{At(operand), window, {rows[0], rows[1]}, At(i.result)},
                 size);
    default:
      return Add(
          ShortcutAdjointKernel{
              At(operand), operand_channels, channels, window, {rows[0], rows[1]}, At(i.result)},
          size);
  }
}

void CheckBatch(const Program& program, int64_t batch) {
  Require(batch >= 1, "a batch of {}: at least 1 expected", batch);
  for (ValueId v = 0; v < program.num_values(); ++v) {
    Require(program.shape(v).size() <= kMaxIndex / batch,
            "a batch of {} of a value of shape {} has more than 2^31 - 1 elements, which the "
            "cuda engine cannot count: use a smaller batch",
            batch, ToString(program.shape(v)));
  }
}

void BindRun(const Program& program, const Plan& plan, const Tuning& tuning, int64_t batch,
             const Addresses& addresses, const SgdOptions* step, BoundRun* run) {
  Binder(program, plan, tuning, batch, addresses, run).Bind(step);
}

}  // namespace csc::cuda
