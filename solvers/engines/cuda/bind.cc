#include "solvers/engines/cuda/bind.h"

#include <algorithm>
#include <array>
#include <limits>

#include "solvers/engines/cuda/bind_tensor.h"
#include "solvers/engines/cuda/operands.h"
#include "solvers/engines/cuda/tensor_tiles.h"
#include "solvers/error.h"

namespace csc::cuda {

namespace {

constexpr int64_t kMaxIndex = std::numeric_limits<int32_t>::max();

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

int32_t Narrow(int64_t value) {
  Require(-kMaxIndex <= value && value <= kMaxIndex,
          "the cuda engine counts in 32 bits: {} is too large", value);
  return static_cast<int32_t>(value);
}

class Binder : private Operands {
 public:
  Binder(const Program& program, const Plan& plan, const Tuning& tuning, int64_t batch,
         const Addresses& addresses, BoundRun* run)
      : Operands(program, plan, batch, addresses), tuning_(tuning), run_(run) {}

  void Bind() {
    run_->launches.clear();
    run_->scratch_bytes = 0;
    if (plan_.has_loss) {
      Zero(addresses_.loss, 2 * batch_);
      Zero(addresses_.correct, batch_);
    }
    if (plan_.has_gradients) Zero(addresses_.sums, 2 * program_.parameter_size());
    for (const Step& step : plan_.steps) BindStep(step);
    if (plan_.has_gradients) {
      Add(RoundKernel{addresses_.sums, addresses_.gradients}, program_.parameter_size());
    }
  }

 private:
  template <typename K>
  void Add(const K& kernel, int64_t size) {
    run_->launches.push_back({kernel, static_cast<uint32_t>(Narrow(size))});
  }
  void Zero(void* memory, int64_t words) {
    Add(FillKernel{static_cast<uint32_t*>(memory), 0}, words);
  }
  template <typename T>
  T* Scratch(int64_t count) {
    Narrow(count);
    run_->scratch_bytes = std::max(run_->scratch_bytes, count * static_cast<int64_t>(sizeof(T)));
    return static_cast<T*>(addresses_.scratch);
  }

  // ---- one step ----

  void BindStep(const Step& step) {
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
        return Add(
            NormaliseKernel{At(i.terms[0].value), StatisticAt(i.statistic),
                            static_cast<float>(i.epsilon), ChannelsOf(i.result), At(i.result)},
            Elements(i.result));
      case Opcode::kNormaliseAdjoint:
        return Add(NormaliseAdjointKernel{At(i.terms[0].value), At(i.terms[1].value),
                                          StatisticAt(i.statistic), StatisticAt(i.sums_statistic),
                                          static_cast<float>(i.epsilon), ChannelsOf(i.result),
                                          At(i.result)},
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

  template <int kOut, int kPixels>
  void AddConvolution(const ConvolutionArguments& a, bool synthesis) {
    constexpr int64_t kLanes = ConvolutionKernel<kOut, kPixels, false>::kLanes;
    const int64_t threads = CeilDiv(a.pixels, kPixels * kLanes) * a.groups.value() * kLanes;
    if (synthesis) {
      Add(ConvolutionKernel<kOut, kPixels, true>{a}, threads);
    } else {
      Add(ConvolutionKernel<kOut, kPixels, false>{a}, threads);
    }
  }

  void BindConvolution(const Instruction& i, const Epilogue& epilogue, ValueId result,
                       const Coefficient& coefficient = {}) {
    const bool synthesis = i.op == Opcode::kSynthesis;
    const PackedFilters& filters = *plan_.FindFilters(i);
    if (filters.tensor) return AddTensorConvolution(i, filters, epilogue, result, coefficient);
    const Shape& from = ShapeOf(i.terms[0].value);
    const Shape& to = ShapeOf(result);
    if (const auto tile =
            ChooseFloat32Tile(tuning_.capability, tuning_.tensor_blocks, i, to, batch_)) {
      Narrow(tile->blocks);
      run_->launches.push_back(BindTiledConvolution(*this, i, filters,
                                                    addresses_.filters + filters.offset, *tile,
                                                    epilogue, result, coefficient, batch_));
      return;
    }
    ConvolutionArguments a;
    a.source = At(i.terms[0].value);
    a.filters = addresses_.filters + filters.offset;
    a.result = At(result);
    a.scale = ScalarOf(i.terms[0].coefficient);
    a.coefficient = ScalarOf(coefficient);
    a.epilogue = epilogue;
    a.source_channels = Narrow(from.channels);
    a.source_size[0] = Narrow(from.height);
    a.source_size[1] = Narrow(from.width);
    a.result_channels = static_cast<uint32_t>(to.channels);
    a.padded_channels = static_cast<uint32_t>(filters.padded_channels);
    a.groups = Divisor(filters.padded_channels / filters.group);
    a.result_size[0] = Divisor(to.height);
    a.result_size[1] = Divisor(to.width);
    a.pixels = static_cast<uint32_t>(Narrow(batch_ * to.height * to.width));
    for (int axis = 0; axis < 2; ++axis) {
      a.kernel[axis] = Narrow(i.geometry.kernel[axis]);
      a.dilations[axis] = Narrow(i.geometry.dilations[axis]);
      a.pads[axis] = Narrow(i.geometry.pads[axis]);
      a.strides[axis] = Divisor(i.geometry.strides[axis]);
    }
    const bool wide = a.pixels / 4 * a.groups.value() >= tuning_.wide_threads;
    if (filters.group == 4) {
      return wide ? AddConvolution<4, 4>(a, synthesis) : AddConvolution<4, 1>(a, synthesis);
    }
    return wide ? AddConvolution<8, 4>(a, synthesis) : AddConvolution<8, 1>(a, synthesis);
  }

  void AddTensorConvolution(const Instruction& i, const PackedFilters& filters,
                            const Epilogue& epilogue, ValueId result,
                            const Coefficient& coefficient) {
    const TensorTile tile =
        ChooseTensorTile(tuning_.capability, tuning_.tensor_blocks, i.geometry, ShapeOf(result),
                         filters.padded_channels / filters.group, batch_);
    Narrow(tile.blocks);
    run_->launches.push_back(BindTensorConvolution(plan_.arithmetic, *this, i, filters,
                                                   addresses_.filters + filters.offset, tile,
                                                   epilogue, result, coefficient, batch_));
  }

  void BindPointwise(const Instruction& i, const Step& step) {
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

  // As many terms as there is room for, from `next` on; returns how many.
  size_t TakeTerms(const std::vector<Term>& terms, size_t next, Epilogue* epilogue) const {
    const size_t end = std::min(terms.size(), next + Epilogue::kMaxTerms);
    for (size_t t = next; t < end; ++t) {
      epilogue->terms[epilogue->num_terms] = At(terms[t].value);
      epilogue->coefficients[epilogue->num_terms++] = ScalarOf(terms[t].coefficient);
    }
    return end - next;
  }

  // ---- channels and positions ----

  // `channels` of every image, from one value's channel on to another's.
  void CopyChannels(ValueId from, int64_t from_channel, ValueId to, int64_t to_channel,
                    int64_t channels) {
    const int64_t plane = ShapeOf(to).height * ShapeOf(to).width;
    const int64_t run = channels * plane;
    Add(CopyChannelsKernel{At(from) + from_channel * plane,
                           static_cast<uint32_t>(ShapeOf(from).size()), At(to) + to_channel * plane,
                           static_cast<uint32_t>(ShapeOf(to).size()), Divisor(run)},
        batch_ * run);
  }

  void BindJoin(const Instruction& i) {
    int64_t channel = 0;
    for (const Term& term : i.terms) {
      const int64_t channels = ShapeOf(term.value).channels;
      CopyChannels(term.value, 0, i.result, channel, channels);
      channel += channels;
    }
  }

  void BindView(const Instruction& i) {
    CopyChannels(i.terms[0].value, i.first_channel, i.result, 0, ShapeOf(i.result).channels);
  }

  void BindSubsampling(const Instruction& i) {
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

  // ---- sums ----

  // Launches the first pass; returns the number of ranges.
  int64_t AddSums(ValueId first, ValueId second, bool sign, double** partials) {
    const Shape& s = ShapeOf(first);
    const int64_t positions = batch_ * s.height * s.width;
    const int64_t ranges = CeilDiv(positions, tuning_.sum_range);
    *partials = Scratch<double>(s.channels * ranges * 2);
    Add(ChannelSumsKernel{At(first), At(second), sign, static_cast<uint32_t>(s.channels),
                          Divisor(s.height * s.width), static_cast<uint32_t>(positions),
                          Divisor(ranges), static_cast<uint32_t>(Narrow(tuning_.sum_range)),
                          *partials},
        s.channels * ranges);
    return ranges;
  }

  void BindStatistic(const Instruction& i, bool moments) {
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

  void BindChannelSums(const Instruction& i, ChannelSum kind, bool shared, double constant,
                       double* target) {
    const int64_t channels = ShapeOf(i.terms[0].value).channels;
    double* partials = nullptr;
    const int64_t ranges = AddSums(i.terms[0].value, i.terms.back().value,
                                   kind == ChannelSum::kTimesSignOfSecond, &partials);
    Add(GradientSumKernel{partials, kind == ChannelSum::kPlain ? 0u : 1u,
                          static_cast<uint32_t>(shared ? channels * ranges : ranges), constant,
                          target},
        shared ? 1 : channels);
  }

  void BindLoss(const Instruction& i) {
    Add(SoftmaxLossKernel{At(i.terms[0].value), addresses_.labels,
                          static_cast<uint32_t>(ShapeOf(i.result).channels),
                          static_cast<uint32_t>(batch_), i.smoothing, At(i.result), addresses_.loss,
                          addresses_.correct},
        batch_);
  }

  void BindFilterGradient(const Instruction& i) {
    const int64_t entries = program_.parameters()[i.filters].size();
    float* partials = nullptr;
    const bool tensor =
        plan_.tensor_cores() && WhyNoTensorGradient(i, ShapeOf(i.terms[1].value)) == nullptr;
    const int64_t ranges = tensor ? AddTensorGradient(i, entries, &partials)
                                  : AddDirectGradient(i, entries, &partials);
    Add(FilterGradientSumKernel{partials,
                                static_cast<uint32_t>(entries),
                                static_cast<uint32_t>(ranges),
                                {ScalarOf(i.terms[0].coefficient),
                                 ScalarOf(i.terms[1].coefficient)},
                                GradientAt(i.filters, 0)},
        entries);
  }

  // Both launch the first pass and return the number of ranges.
  int64_t AddTensorGradient(const Instruction& i, int64_t entries, float** partials) {
    TensorGradient gradient = BindTensorGradient(plan_.arithmetic, *this, i, tuning_, batch_);
    *partials = gradient.kernel.partials = Scratch<float>(gradient.ranges * entries);
    Add(gradient.kernel, gradient.blocks);
    return gradient.ranges;
  }

  int64_t AddDirectGradient(const Instruction& i, int64_t entries, float** partials) {
    using K = FilterGradientKernel;
    const ValueId image = i.terms[0].value, code = i.terms[1].value;
    const Shape& x = ShapeOf(image);
    const Shape& g = ShapeOf(code);
    const int64_t positions = batch_ * g.height * g.width;
    const int64_t tiles = CeilDiv(g.channels, K::kCode) * CeilDiv(x.channels, K::kImage) *
                          i.geometry.kernel[0] * i.geometry.kernel[1];
    const int64_t wanted = CeilDiv(tuning_.gradient_blocks, tiles);
    const int64_t range = std::max(CeilDiv(positions, wanted), tuning_.gradient_range);
    const int64_t ranges = CeilDiv(positions, range);
    K k;
    k.image = At(image);
    k.code = At(code);
    *partials = k.partials = Scratch<float>(ranges * entries);
    k.image_channels = static_cast<uint32_t>(x.channels);
    k.code_channels = static_cast<uint32_t>(g.channels);
    k.image_size[0] = Narrow(x.height);
    k.image_size[1] = Narrow(x.width);
    k.code_size[0] = Divisor(g.height);
    k.code_size[1] = Divisor(g.width);
    k.positions = static_cast<uint32_t>(positions);
    k.range = static_cast<uint32_t>(range);
    for (int axis = 0; axis < 2; ++axis) {
      k.kernel[axis] = Divisor(i.geometry.kernel[axis]);
      k.strides[axis] = Narrow(i.geometry.strides[axis]);
      k.dilations[axis] = Narrow(i.geometry.dilations[axis]);
      k.pads[axis] = Narrow(i.geometry.pads[axis]);
    }
    k.code_tiles = Divisor(CeilDiv(g.channels, K::kCode));
    k.image_tiles = Divisor(CeilDiv(x.channels, K::kImage));
    Add(k, ranges * tiles);
    return ranges;
  }

  const Tuning& tuning_;
  BoundRun* run_;
};

}  // namespace

void CheckBatch(const Program& program, int64_t batch) {
  Require(batch >= 1, "a batch of {}: at least 1 expected", batch);
  for (ValueId v = 0; v < program.num_values(); ++v) {
    Require(program.shape(v).size() <= kMaxIndex / batch,
            "a batch of {} of a value of shape {} has more than 2^31 - 1 elements, which the "
            "cuda engine cannot count: use a smaller batch",
            batch, ToString(program.shape(v)));
  }
}

std::vector<Launch> BindFilters(const Program& program, const Plan& plan,
                                const Addresses& addresses) {
  std::vector<Launch> launches;
  for (const PackedFilters& f : plan.filters) {
    const ParameterInfo& info = program.parameters()[f.parameter];
    Narrow(f.floats());
    if (f.tensor) {
      launches.push_back(BindTensorFilters(plan.arithmetic, f, info, addresses.parameters,
                                           addresses.filters + f.offset));
      continue;
    }
    PackFiltersKernel kernel;
    kernel.filters = addresses.parameters + info.offset;
    kernel.image_channels = static_cast<uint32_t>(info.dims[1]);
    kernel.taps = static_cast<uint32_t>(f.taps);
    kernel.synthesis = f.synthesis;
    kernel.result_channels = static_cast<uint32_t>(f.result_channels);
    kernel.source_channels = Divisor(f.source_channels);
    kernel.padded = Divisor(f.padded_channels);
    kernel.packed = addresses.filters + f.offset;
    launches.push_back({kernel, static_cast<uint32_t>(f.floats())});
  }
  return launches;
}

void BindRun(const Program& program, const Plan& plan, const Tuning& tuning, int64_t batch,
             const Addresses& addresses, BoundRun* run) {
  Binder(program, plan, tuning, batch, addresses, run).Bind();
}

}  // namespace csc::cuda
