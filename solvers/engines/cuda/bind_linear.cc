// Convolutions and filter gradients.

#include <algorithm>
#include <variant>

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
  if (plan_.cudnn.Serves(program_, i)) return AddCudnnConvolution(i, result, epilogue);
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
  int64_t ranges = 1;
  if (plan_.cudnn.Serves(program_, i)) {
    partials = AddCudnnGradient(i, entries);
  } else if (const auto tile = GradientTileOf(plan_, tuning_, i, ShapeOf(i.terms[0].value),
                                              ShapeOf(i.terms[1].value))) {
    ranges = AddTiledGradient(i, *tile, entries, &partials);
  } else {
    ranges = AddDirectGradient(i, entries, &partials);
  }
  filter_gradients_.push_back(
      {{partials,
        GradientAt(i.filters, 0),
        static_cast<uint32_t>(entries),
        static_cast<uint32_t>(ranges),
        {ScalarOf(i.terms[0].coefficient), ScalarOf(i.terms[1].coefficient)},
        0},
       entries,
       CeilDiv(entries, FilterGradientSumsKernel::kEntries)});
}

float* Binder::Together(int64_t count) {
  // What is read soon after is still in the device's cache, if it is not more.
  constexpr int64_t kMostBytes = 16 << 20;
  Narrow(count);
  const int64_t bytes =
      CeilDiv(count * static_cast<int64_t>(sizeof(float)), kScratchAlignment) * kScratchAlignment;
  if (together_bytes_ + bytes > kMostBytes) FinishFilterGradients();
  char* const memory =
      static_cast<char*>(addresses_.scratch) + layout_.kept_bytes + together_bytes_;
  together_bytes_ += bytes;
  needed_.together_bytes = std::max(needed_.together_bytes, together_bytes_);
  return reinterpret_cast<float*>(memory);
}

void Binder::FinishFilterGradients() {
  Finish(&filter_gradients_);
  together_bytes_ = 0;
}

int64_t Binder::AddTiledGradient(const Instruction& i, const TensorGradientTile& tile,
                                 int64_t entries, float** partials) {
  const Rounding rounding = !plan_.tensor_cores()                   ? Rounding::kNone
                            : plan_.arithmetic == Arithmetic::kTf32 ? Rounding::kTf32
                                                                    : Rounding::kBfloat16;
  TiledGradient gradient = BindTiledGradient(rounding, *this, i, tile, tuning_, batch_);
  *partials = gradient.kernel.partials = Together(gradient.ranges * entries);
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
  *partials = k.partials = Together(ranges * entries);
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

namespace {

// Adds `kernel` to the last launch, if that is of its kind and has room.
template <typename K>
void AddTogether(const K& kernel, int64_t size, std::vector<Launch>* launches) {
  auto* several = launches->empty() ? nullptr : std::get_if<Several<K>>(&launches->back().kernel);
  if (several == nullptr || several->size == Several<K>::kMost) {
    launches->push_back({Several<K>{}, 0});
    several = std::get_if<Several<K>>(&launches->back().kernel);
  }
  Launch& launch = launches->back();
  several->kernels[several->size] = kernel;
  several->first[several->size++] = launch.size;
  launch.size = static_cast<uint32_t>(Narrow(launch.size + size));
}

}  // namespace

std::vector<Launch> BindFilters(const Program& program, const Plan& plan,
                                const Addresses& addresses) {
  std::vector<Launch> launches;
  const auto add = [&](const PackedFilters& f, const ParameterInfo& info) {
    float* const packed = addresses.filters + f.offset;
    if (f.tensor && plan.arithmetic == Arithmetic::kTf32) {
      return AddTogether(BindTensorFilters<Tf32>(f, info, addresses.parameters, packed), f.floats(),
                         &launches);
    }
    if (f.tensor) {
      return AddTogether(BindTensorFilters<Bfloat16>(f, info, addresses.parameters, packed),
                         f.floats(), &launches);
    }
    PackFiltersKernel kernel;
    kernel.filters = addresses.parameters + info.offset;
    kernel.image_channels = static_cast<uint32_t>(info.dims[1]);
    kernel.taps = static_cast<uint32_t>(f.taps);
    kernel.synthesis = f.synthesis;
    kernel.result_channels = static_cast<uint32_t>(f.result_channels);
    kernel.source_channels = Divisor(f.source_channels);
    kernel.padded = Divisor(f.padded_channels);
    kernel.packed = packed;
    AddTogether(kernel, f.floats(), &launches);
  };
  for (const bool tensor : {false, true}) {
    for (const PackedFilters& f : plan.filters) {
      if (f.tensor == tensor) add(f, program.parameters()[f.parameter]);
    }
  }
  return launches;
}

}  // namespace csc::cuda
