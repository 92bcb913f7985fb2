// Convolutions and filter gradients.

#include <algorithm>

#include "solvers/engines/cuda/bind_tensor.h"
#include "solvers/engines/cuda/binder.h"
#include "solvers/engines/cuda/tensor_tiles.h"

namespace csc::cuda {

template <int kOut, int kPixels>
void Binder::AddConvolution(const ConvolutionArguments& a, bool synthesis) {
  constexpr int64_t kLanes = ConvolutionKernel<kOut, kPixels, false>::kLanes;
  const int64_t threads = CeilDiv(a.pixels, kPixels * kLanes) * a.groups.value() * kLanes;
  if (synthesis) {
    Add(ConvolutionKernel<kOut, kPixels, true>{a}, threads);
  } else {
    Add(ConvolutionKernel<kOut, kPixels, false>{a}, threads);
  }
}

void Binder::AddSplitConvolution(const ConvolutionArguments& a, bool synthesis, int64_t ranges) {
  const auto add = [&](auto kernel) {
    kernel.whole.a = a;
    kernel.whole.a.groups = Divisor(a.padded_channels / kernel.kOut);
    kernel.slots = Divisor(kernel.kThreads / ranges);
    kernel.range = Narrow(CeilDiv(a.source_channels, ranges));
    Add(kernel, CeilDiv(a.pixels, kernel.slots.value()) * kernel.whole.a.groups.value());
  };
  if (synthesis) return add(SplitConvolutionKernel<true>{});
  add(SplitConvolutionKernel<false>{});
}

template <typename Binds>
void Binder::AddInParts(const TensorTile& tile, ValueId result, const Epilogue& epilogue,
                        const Binds& bind) {
  Narrow(tile.blocks * tile.parts);
  if (tile.parts == 1) return run_->launches.push_back(bind(epilogue));
  const int64_t size = Elements(result);
  float* const sums = Scratch<float>(tile.parts * size);
  Epilogue part;
  part.num_stages = 1;
  part.stages[0].carries = true;
  part.stages[0].result = {sums, static_cast<uint32_t>(ShapeOf(result).size())};
  run_->launches.push_back(bind(part));
  const AddPartsKernel kernel = {ElementwiseOf(result, epilogue), sums,
                                 static_cast<uint32_t>(tile.parts), static_cast<uint32_t>(size)};
  Add(kernel, Elementwise::Indices(kernel.size));
}

void Binder::BindConvolution(const Instruction& i, ValueId result, const Epilogue& epilogue) {
  const bool synthesis = i.op == Opcode::kSynthesis;
  const PackedFilters& filters = *plan_.FindFilters(i);
  if (filters.tensor) return AddTensorConvolution(i, result, filters, epilogue);
  const Shape& from = ShapeOf(i.terms[0].value);
  const Shape& to = ShapeOf(result);
  if (const auto tile =
          ChooseFloat32Tile(tuning_.capability, FactorsOf(tuning_), i, from, to, batch_)) {
    return AddInParts(*tile, result, epilogue, [&](const Epilogue& end) {
      return BindTiledConvolution(*this, i, result, filters, addresses_.filters + filters.offset,
                                  *tile, end, batch_);
    });
  }
  ConvolutionArguments a;
  a.source = At(i.terms[0].value);
  a.filters = addresses_.filters + filters.offset;
  a.scale = ScalarOf(i.terms[0].coefficient);
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
  const int64_t ranges = RangesOf(tuning_, filters, to, batch_);
  if (ranges > 1) return AddSplitConvolution(a, synthesis, ranges);
  const bool wide = a.pixels / 4 * a.groups.value() >= tuning_.wide_threads;
  if (filters.group == 4) {
    return wide ? AddConvolution<4, 4>(a, synthesis) : AddConvolution<4, 1>(a, synthesis);
  }
  return wide ? AddConvolution<8, 4>(a, synthesis) : AddConvolution<8, 1>(a, synthesis);
}

void Binder::AddTensorConvolution(const Instruction& i, ValueId result,
                                  const PackedFilters& filters, const Epilogue& epilogue) {
  const TensorTile tile = TensorTileOf(tuning_, filters, i, ShapeOf(result), batch_);
  AddInParts(tile, result, epilogue, [&](const Epilogue& end) {
    return BindTensorConvolution(plan_.arithmetic, *this, i, result, filters,
                                 addresses_.filters + filters.offset, tile, end, batch_);
  });
}

void Binder::BindFilterGradient(const Instruction& i) {
  const int64_t entries = program_.parameters()[i.filters].size();
  float* partials = nullptr;
  const auto tile =
      GradientTileOf(plan_, tuning_, i, ShapeOf(i.terms[0].value), ShapeOf(i.terms[1].value));
  const int64_t ranges = tile ? AddTiledGradient(i, *tile, entries, &partials)
                              : AddDirectGradient(i, entries, &partials);
  Add(FilterGradientSumKernel{partials,
                              static_cast<uint32_t>(entries),
                              static_cast<uint32_t>(ranges),
                              {ScalarOf(i.terms[0].coefficient), ScalarOf(i.terms[1].coefficient)},
                              GradientAt(i.filters, 0)},
      CeilDiv(entries, FilterGradientSumKernel::kEntries));
}

int64_t Binder::AddTiledGradient(const Instruction& i, const TensorGradientTile& tile,
                                 int64_t entries, float** partials) {
  const Rounding rounding = !plan_.tensor_cores()                   ? Rounding::kNone
                            : plan_.arithmetic == Arithmetic::kTf32 ? Rounding::kTf32
                                                                    : Rounding::kBfloat16;
  TiledGradient gradient = BindTiledGradient(rounding, *this, i, tile, tuning_, batch_);
  *partials = gradient.kernel.partials = Scratch<float>(gradient.ranges * entries);
  if (plan_.tensor_cores()) {
    Add(TensorFilterGradientKernel{gradient.kernel}, gradient.blocks);
  } else {
    Add(TiledFilterGradientKernel{gradient.kernel}, gradient.blocks);
  }
  return gradient.ranges;
}

int64_t Binder::AddDirectGradient(const Instruction& i, int64_t entries, float** partials) {
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

int64_t RangesOf(const Tuning& tuning, const PackedFilters& filters, const Shape& result,
                 int64_t batch) {
  const int64_t threads = batch * result.height * result.width * filters.padded_channels /
                          SplitConvolutionKernel<false>::kOut;
  return ChooseSplit(tuning.capability, tuning.split_threads, threads, filters.source_channels,
                     filters.source_channels * filters.taps, tuning.split_products);
}

TensorFactors FactorsOf(const Tuning& tuning) {
  return {tuning.tensor_blocks, tuning.split_threads};
}

TensorTile TensorTileOf(const Tuning& tuning, const PackedFilters& filters,
                        const Instruction& convolution, const Shape& result, int64_t batch) {
  return ChooseTensorTile(tuning.capability, FactorsOf(tuning), convolution.geometry, result,
                          filters.padded_channels / filters.group, filters.chunks(), batch);
}

std::optional<TensorGradientTile> GradientTileOf(const Plan& plan, const Tuning& tuning,
                                                 const Instruction& gradient, const Shape& image,
                                                 const Shape& code) {
  if (!plan.tensor_cores()) return ChooseFloat32GradientTile(gradient, image, code);
  if (WhyNoTensorGradient(gradient, code) != nullptr) return std::nullopt;
  return ChooseTensorGradientTile(tuning.capability, gradient.geometry, code);
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

}  // namespace csc::cuda
