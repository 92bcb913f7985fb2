#include "solvers/engines/cuda/bind.h"

#include <algorithm>

#include "solvers/engines/cuda/binder.h"

namespace csc::cuda {

Binder::Layout Binder::Bind(const SgdOptions* step) {
  run_->launches.clear();
  if (plan_.has_loss) Zero(addresses_.results, LossResults::Words(batch_));
  if (plan_.has_gradients) Zero(addresses_.sums, 2 * program_.parameter_size());
  run_->scratch_bytes = layout_.kept_bytes + layout_.together_bytes;
  for (const Step& s : plan_.steps.list) BindStep(s);
  if (plan_.has_gradients) {
    Finish(&sums_);
    FinishFilterGradients();
    Add(RoundKernel{addresses_.sums, addresses_.gradients}, program_.parameter_size());
  }
  if (step == nullptr) return needed_;
  BindSgd(*step);
  for (const Launch& pack : BindFilters(program_, plan_, addresses_)) {
    run_->launches.push_back(pack);
  }
  return needed_;
}

void Binder::BindStep(const Step& step) {
  const Instruction& i = program_.instructions()[step.instruction()];
  switch (i.op) {
    case Opcode::kAnalysis:
    case Opcode::kSynthesis:
      return BindConvolution(i, i.result, EpilogueOf(step));
    case Opcode::kPointwise:
    case Opcode::kMask:
      return BindPointwise(step);
    case Opcode::kMoments:
    case Opcode::kNormaliseSums:
    case Opcode::kScalarGradient:
    case Opcode::kChannelGradient:
      return BindSums(step);
    case Opcode::kNormalise:
      return AddChannels(
          Normalised{At(i.terms[0].value), statistics_[i.statistic], static_cast<float>(i.epsilon)},
          ElementwiseOf(i.result, EpilogueOf(step)), ShapeOf(i.result), step);
    case Opcode::kNormaliseAdjoint: {
      const Statistic& sums = statistics_[i.sums_statistic];
      return AddChannels(NormalisedAdjoint{At(i.terms[0].value), At(i.terms[1].value), sums,
                                           StatisticAt(i.statistic) + sums.channels,
                                           static_cast<float>(i.epsilon)},
                         ElementwiseOf(i.result, EpilogueOf(step)), ShapeOf(i.result), step);
    }
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
  }
  Fail("the cuda engine does not know this instruction");
}

Epilogue Binder::EpilogueOf(const Step& step) const {
  const Shape& s = ShapeOf(program_.instructions()[step.instruction()].result);
  Epilogue epilogue;
  epilogue.plane = static_cast<uint32_t>(s.height * s.width);
  for (const Link& link : step.links) {
    const Instruction& i = program_.instructions()[link.instruction];
    Stage stage;
    if (i.op == Opcode::kPointwise || i.op == Opcode::kMask) {
      stage = StageOf(link, &epilogue);
    } else {
      stage.carries = true;
    }
    if (link.stored) stage.result = At(i.result);
    epilogue.stages[epilogue.num_stages++] = stage;
  }
  SetSums(step, &epilogue);
  return epilogue;
}

Stage Binder::StageOf(const Link& link, Epilogue* epilogue) const {
  const Instruction& i = program_.instructions()[link.instruction];
  const bool mask = i.op == Opcode::kMask;
  Stage stage;
  if (epilogue->num_stages > 0) {
    stage.end_term = epilogue->stages[epilogue->num_stages - 1].end_term;
  }
  for (size_t t = 0; t < (mask ? 1 : i.terms.size()); ++t) {
    if (static_cast<int>(t) == link.carried) {
      stage.carries = true;
      stage.carried = ScalarOf(i.terms[t].coefficient);
    } else {
      epilogue->terms[stage.end_term++] = TermOf(i.terms[t]);
    }
  }
  if (mask) {
    stage.where = OperandOf(i.terms[1].value);
  } else {
    stage.map = MapOf(i);
  }
  return stage;
}

EpilogueOperand Binder::OperandOf(ValueId value) const {
  const int by = plan_.steps.recomputed[value];
  if (by < 0) return {At(value), false, {}, {}};
  const Instruction& i = program_.instructions()[by];
  return {At(i.terms[0].value), true, ScalarOf(i.terms[0].coefficient), MapOf(i)};
}

Elementwise Binder::ElementwiseOf(ValueId value, const Epilogue& epilogue) const {
  const Shape& s = ShapeOf(value);
  const auto channels = static_cast<uint32_t>(s.channels);
  const int64_t pairs = batch_ * PairPlanes(channels) * s.height * s.width;
  return {Divisor(s.height * s.width), Divisor(PairPlanes(channels)), channels,
          static_cast<uint32_t>(pairs), epilogue};
}

void Binder::BindPointwise(const Step& step) {
  const bool needed =
      !step.sums.empty() || std::any_of(step.links.begin(), step.links.end(),
                                        [](const Link& link) { return link.stored; });
  if (!needed) return;
  const Instruction& i = program_.instructions()[step.instruction()];
  if (step.convolution >= 0) {
    return BindConvolution(program_.instructions()[step.convolution], i.result, EpilogueOf(step));
  }
  if (i.terms.size() > Epilogue::kMaxTerms) return BindLongSum(i);  // alone in its step
  const Elementwise elements = ElementwiseOf(i.result, EpilogueOf(step));
  if (!step.sums.empty()) return AddChannels(Nothing{}, elements, ShapeOf(i.result), step);
  Add(PointwiseKernel{elements}, Elementwise::Indices(elements.size));
}

void Binder::BindLongSum(const Instruction& i) {
  // All kernels but the last only add; all but the first begin with what is there.
  for (size_t next = 0; next < i.terms.size();) {
    Epilogue part;
    part.num_stages = 1;
    Stage& stage = part.stages[0];
    stage.result = At(i.result);
    if (next > 0) part.terms[stage.end_term++] = TermOf({i.result, {}});
    while (stage.end_term < Epilogue::kMaxTerms && next < i.terms.size()) {
      part.terms[stage.end_term++] = TermOf(i.terms[next++]);
    }
    if (next == i.terms.size()) stage.map = MapOf(i);
    const PointwiseKernel kernel = {ElementwiseOf(i.result, part)};
    Add(kernel, Elementwise::Indices(kernel.size));
  }
}

void Binder::CopyChannels(ValueId from, int64_t from_channel, ValueId to, int64_t to_channel,
                          int64_t channels) {
  const int64_t plane = ShapeOf(to).height * ShapeOf(to).width;
  const int64_t run = channels * plane;
  CopyChannelsKernel kernel = {At(from), At(to), Divisor(run)};
  kernel.source.data += from_channel * plane;
  kernel.result.data += to_channel * plane;
  Add(kernel, batch_ * run);
}

void Binder::BindJoin(const Instruction& i) {
  int64_t channel = 0;
  for (const Term& term : i.terms) {
    const int64_t channels = ShapeOf(term.value).channels;
    if (!plan_.steps.IsInPlace(program_, i, term)) {
      CopyChannels(term.value, 0, i.result, channel, channels);
    }
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
  window.large[0] = Divisor(large.height);
  window.large[1] = Divisor(large.width);
  window.small[0] = Divisor(small.height);
  window.small[1] = Divisor(small.width);
  window.channels = Divisor(ShapeOf(i.result).channels);
  for (int axis = 0; axis < 2; ++axis) {
    window.kernel[axis] = Narrow(i.geometry.kernel[axis]);
    window.strides[axis] = Divisor(i.geometry.strides[axis]);
  }
  const int64_t size = Elements(i.result);
  switch (i.op) {
    case Opcode::kMaxPool:
      return Add(MaxPoolKernel{At(operand), window, At(i.result)}, size);
    case Opcode::kAveragePool:
      return Add(AveragePoolKernel{At(operand), window, At(i.result)}, size);
    case Opcode::kShortcut: {
      const auto channels = static_cast<uint32_t>(ShapeOf(operand).channels);
      return Add(ShortcutKernel{At(operand), channels, window, At(i.result)}, size);
    }
    case Opcode::kMaxPoolAdjoint:
      return Add(MaxPoolAdjointKernel{At(operand), At(i.terms[1].value), At(i.terms[2].value),
                                      window, At(i.result)},
                 size);
    case Opcode::kAveragePoolAdjoint:
      return Add(AveragePoolAdjointKernel{At(operand), window, At(i.result)}, size);
    default:
      return Add(ShortcutAdjointKernel{At(operand), window, At(i.result)}, size);
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
  const Binder::Layout layout = Binder(program, plan, tuning, batch, {}, {}, run).Bind(step);
  Binder(program, plan, tuning, batch, addresses, layout, run).Bind(step);
}

}  // namespace csc::cuda
