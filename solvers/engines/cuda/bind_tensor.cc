#include "solvers/engines/cuda/bind_tensor.h"

#include <algorithm>

#include "solvers/error.h"

namespace csc::cuda {

namespace {

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

template <typename Format, int kRowTiles>
Launch Convolve(const TensorConvolutionArguments& a, const TensorTile& tile) {
  const uint32_t blocks = static_cast<uint32_t>(tile.blocks * tile.parts);
  if (tile.rule->column_tiles == 8 && tile.rule->warps == 4) {
    return {TensorConvolutionKernel<Format, kRowTiles, 8, 4>{{a}}, blocks};
  }
  Require(tile.rule->column_tiles == 2 && tile.rule->warps == 4,
          "there is no kernel for {} warps of {} pixels", tile.rule->warps,
          tile.rule->column_tiles * kMmaColumns);
  return {TensorConvolutionKernel<Format, kRowTiles, 2, 4>{{a}}, blocks};
}

template <typename Format>
Launch Convolve(const TensorConvolutionArguments& a, const TensorTile& tile, int64_t group) {
  return group == kMmaRows ? Convolve<Format, 1>(a, tile) : Convolve<Format, 2>(a, tile);
}

// All but the address of the filters.
TensorConvolutionArguments Arguments(const Operands& operands, const Instruction& i, ValueId result,
                                     const PackedFilters& filters, int64_t groups,
                                     const TensorTile& tile, const Epilogue& epilogue,
                                     int64_t batch) {
  const Shape& from = operands.ShapeOf(i.terms[0].value);
  const Shape& to = operands.ShapeOf(result);
  const Geometry& g = i.geometry;
  TensorConvolutionArguments a;
  a.source = operands.At(i.terms[0].value);
  a.scale = operands.ScalarOf(i.terms[0].coefficient);
  a.epilogue = epilogue;
  a.batch = static_cast<uint32_t>(batch);
  a.source_channels = static_cast<uint32_t>(from.channels);
  a.source_size[0] = static_cast<int32_t>(from.height);
  a.source_size[1] = static_cast<int32_t>(from.width);
  a.result_channels = static_cast<uint32_t>(to.channels);
  a.result_size[0] = static_cast<uint32_t>(to.height);
  a.result_size[1] = static_cast<uint32_t>(to.width);
  a.groups = Divisor(groups);
  a.tile_images = static_cast<uint32_t>(tile.images);
  for (int axis = 0; axis < 2; ++axis) {
    // A window of synthesis ends where one of analysis begins.
    a.origin[axis] = static_cast<int32_t>(
        filters.synthesis ? g.pads[axis] - g.dilations[axis] * (g.kernel[axis] - 1)
                          : -g.pads[axis]);
    a.tiles[axis] = Divisor(tile.tiles[axis]);
    a.tile_size[axis] = Divisor(tile.size[axis]);
    a.halo[axis] = Divisor(tile.halo[axis]);
    a.strides[axis] = static_cast<int32_t>(g.strides[axis]);
  }
  a.pitch = static_cast<uint32_t>(tile.pitch);
  a.aligned = tile.aligned();
  a.taps = static_cast<uint32_t>(filters.taps);
  a.row_taps = static_cast<uint32_t>(g.kernel[1]);
  a.tap_step = static_cast<uint32_t>(g.dilations[1]);
  a.row_step =
      static_cast<uint32_t>(g.dilations[0] * tile.pitch - g.dilations[1] * (g.kernel[1] - 1));
  return a;
}

void SetParts(int64_t parts, int64_t chunks, TensorConvolutionArguments* a) {
  a->parts = Divisor(parts);
  a->part_rounds = static_cast<uint32_t>(CeilDiv(chunks, parts));
}

}  // namespace

template <typename Format>
PackTensorFiltersKernel<Format> BindTensorFilters(const PackedFilters& filters,
                                                  const ParameterInfo& info,
                                                  const float* parameters, float* packed) {
  PackTensorFiltersKernel<Format> kernel;
  kernel.filters = parameters + info.offset;
  kernel.image_channels = static_cast<uint32_t>(info.dims[1]);
  kernel.result_channels = static_cast<uint32_t>(filters.result_channels);
  kernel.source_channels = static_cast<uint32_t>(filters.source_channels);
  kernel.synthesis = filters.synthesis;
  kernel.row_tiles = Divisor(filters.group / kMmaRows);
  kernel.taps = Divisor(filters.taps);
  kernel.chunks = Divisor(filters.chunks());
  kernel.packed = reinterpret_cast<uint32_t*>(packed);
  return kernel;
}

template PackTensorFiltersKernel<Tf32> BindTensorFilters(const PackedFilters&, const ParameterInfo&,
                                                         const float*, float*);
template PackTensorFiltersKernel<Bfloat16> BindTensorFilters(const PackedFilters&,
                                                             const ParameterInfo&, const float*,
                                                             float*);

Launch BindTensorConvolution(Arithmetic arithmetic, const Operands& operands, const Instruction& i,
                             ValueId result, const PackedFilters& filters, const float* packed,
                             const TensorTile& tile, const Epilogue& epilogue, int64_t batch) {
  TensorConvolutionArguments a = Arguments(
      operands, i, result, filters, filters.padded_channels / filters.group, tile, epilogue, batch);
  a.filters = reinterpret_cast<const uint32_t*>(packed);
  SetParts(tile.parts, filters.chunks(), &a);
  return arithmetic == Arithmetic::kTf32 ? Convolve<Tf32>(a, tile, filters.group)
                                         : Convolve<Bfloat16>(a, tile, filters.group);
}

Launch BindTiledConvolution(const Operands& operands, const Instruction& i, ValueId result,
                            const PackedFilters& filters, const float* packed,
                            const TensorTile& tile, const Epilogue& epilogue, int64_t batch) {
  TiledConvolutionKernel kernel;
  kernel.a = Arguments(operands, i, result, filters, Float32Groups(filters.result_channels), tile,
                       epilogue, batch);
  kernel.a.filters = nullptr;  // in words: these are floats
  SetParts(tile.parts, kernel.Chunks(), &kernel.a);
  kernel.filters = packed;
  kernel.padded_channels = static_cast<uint32_t>(filters.padded_channels);
  kernel.first_offset = 0;
  if (filters.synthesis) {
    TensorConvolutionArguments& a = kernel.a;
    kernel.first_offset = (a.taps / a.row_taps - 1) * (a.row_step + (a.row_taps - 1) * a.tap_step) +
                          (a.row_taps - 1) * a.tap_step;
    a.tap_step = -a.tap_step;
    a.row_step = -a.row_step;
  }
  return {kernel, static_cast<uint32_t>(tile.blocks * tile.parts)};
}

TiledGradient BindTiledGradient(Rounding rounding, const Operands& operands, const Instruction& i,
                                const TensorGradientTile& tile, const Tuning& tuning,
                                int64_t batch) {
  TiledGradient gradient;
  GradientTile& k = gradient.kernel;
  using K = GradientTile;
  const Shape& image = operands.ShapeOf(i.terms[0].value);
  const Shape& code = operands.ShapeOf(i.terms[1].value);
  const int64_t code_groups = CeilDiv(code.channels, K::kCode);
  const int64_t image_groups = CeilDiv(image.channels, K::kImage);
  const int64_t all_tiles = batch * tile.tiles[0] * tile.tiles[1];
  const int64_t wanted = CeilDiv(tuning.gradient_blocks, code_groups * image_groups);
  const int64_t range_tiles = std::max(
      CeilDiv(all_tiles, wanted), CeilDiv(tuning.gradient_range / 4, tile.size[0] * tile.size[1]));
  gradient.ranges = CeilDiv(all_tiles, range_tiles);
  gradient.blocks = gradient.ranges * code_groups * image_groups;
  k.image = operands.At(i.terms[0].value);
  k.code = operands.At(i.terms[1].value);
  k.partials = nullptr;
  k.rounding = rounding;
  k.image_channels = static_cast<uint32_t>(image.channels);
  k.code_channels = static_cast<uint32_t>(code.channels);
  k.image_size[0] = static_cast<int32_t>(image.height);
  k.image_size[1] = static_cast<int32_t>(image.width);
  k.code_size[0] = static_cast<uint32_t>(code.height);
  k.code_size[1] = static_cast<uint32_t>(code.width);
  k.all_tiles = static_cast<uint32_t>(all_tiles);
  k.range_tiles = static_cast<uint32_t>(range_tiles);
  for (int axis = 0; axis < 2; ++axis) {
    k.tiles[axis] = Divisor(tile.tiles[axis]);
    k.tile_size[axis] = Divisor(tile.size[axis]);
    k.halo[axis] = Divisor(tile.halo[axis]);
    k.strides[axis] = static_cast<int32_t>(i.geometry.strides[axis]);
    k.pads[axis] = static_cast<int32_t>(i.geometry.pads[axis]);
  }
  k.taps = static_cast<uint32_t>(i.geometry.kernel[0] * i.geometry.kernel[1]);
  for (int64_t tap = 0; tap < kMaxGradientTaps; ++tap) {
    const int64_t row = tap / i.geometry.kernel[1], column = tap % i.geometry.kernel[1];
    k.tap_offsets[tap] = tap < k.taps
                             ? static_cast<uint32_t>(row * i.geometry.dilations[0] * tile.halo[1] +
                                                     column * i.geometry.dilations[1])
                             : 0;
  }
  k.code_groups = Divisor(code_groups);
  k.image_groups = Divisor(image_groups);
  return gradient;
}

}  // namespace csc::cuda
