#include "solvers/engines/cuda/tensor_tiles.h"

#include <algorithm>

#include "solvers/engines/cuda/kernels/tensor_convolution.h"
#include "solvers/engines/cuda/kernels/tensor_filter_gradient.h"
#include "solvers/engines/cuda/kernels/tiled_convolution.h"
#include "solvers/error.h"

namespace csc::cuda {

namespace {

// So that what one pixel meets fits into any device's shared memory.
constexpr int64_t kMaxKernel = 7;
constexpr int64_t kMaxReach = 27;
constexpr int64_t kMaxStride = 2;

// A warp's pixels are few rows of one image, if they can be.
constexpr int64_t kMaxColumns = 32;

// Of source channels, in a block that has eight pixels left then.
constexpr int64_t kMaxRanges = 32;

// The same on tensor cores. A chunk takes about as long as half a launch, which adds the
// parts.
constexpr int64_t kMaxParts = 8;
// Of the blocks wanted: twice the parts would cost more than a device not quite full.
constexpr double kEnough = 0.75;
constexpr int64_t kMinChunksOfPart = 2;

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Positions along an axis that the taps of one pixel span.
int64_t Reach(const Geometry& g, int axis) { return g.dilations[axis] * (g.kernel[axis] - 1) + 1; }

// `size` cut into equal parts of at most `most`.
int64_t Part(int64_t size, int64_t most) { return CeilDiv(size, CeilDiv(size, most)); }

void SetHalo(const Geometry& g, TensorTile* tile) {
  for (int axis = 0; axis < 2; ++axis) {
    tile->halo[axis] = (tile->size[axis] - 1) * g.strides[axis] + Reach(g, axis);
  }
  tile->pitch = tile->halo[1];
}

// Rows of whole eights of positions, where there is room for them.
void Align(int64_t shared_bytes, TensorTile* tile) {
  tile->pitch = CeilDiv(tile->halo[1], kMmaColumns) * kMmaColumns;
  if (!tile->aligned() || tile->halo_bytes() > shared_bytes) tile->pitch = tile->halo[1];
}

TensorTile MakeTile(const TensorRule& rule, const Geometry& geometry, const Shape& result,
                    int64_t groups, int64_t batch) {
  TensorTile tile;
  tile.rule = &rule;
  const int64_t pixels = int64_t{rule.warps} * rule.column_tiles * kMmaColumns;
  tile.size[1] = Part(result.width, std::min(kMaxColumns, pixels));
  tile.size[0] = Part(result.height, pixels / tile.size[1]);
  tile.images = std::min(batch, pixels / (tile.size[0] * tile.size[1]));
  SetHalo(geometry, &tile);
  while (tile.halo_bytes() > rule.shared_bytes) {
    int64_t* part = tile.images > 1    ? &tile.images
                    : tile.size[0] > 1 ? &tile.size[0]
                                       : &tile.size[1];
    Require(*part > 1, "no tile of a convolution fits into {} bytes of shared memory",
            rule.shared_bytes);
    *part = CeilDiv(*part, 2);
    SetHalo(geometry, &tile);
  }
  Align(rule.shared_bytes, &tile);
  tile.tiles = {CeilDiv(result.height, tile.size[0]), CeilDiv(result.width, tile.size[1])};
  tile.blocks = groups * CeilDiv(batch, tile.images) * tile.tiles[0] * tile.tiles[1];
  return tile;
}

bool LeavesEnoughBlocks(const TensorTile& tile, double factor) {
  return 2 * static_cast<double>(tile.blocks * tile.parts) >=
         factor * static_cast<double>(tile.rule->blocks);
}

// Of filter gradients.
constexpr int64_t kGradientPositions = 128;
constexpr int64_t kMinGradientBytes = 48 << 10;  // of the table's least row

TensorGradientTile MakeGradientTile(const Geometry& geometry, const Shape& code, int64_t rows,
                                    int64_t columns) {
  TensorGradientTile tile;
  tile.size = {rows, columns};
  tile.tiles = {CeilDiv(code.height, rows), CeilDiv(code.width, columns)};
  for (int axis = 0; axis < 2; ++axis) {
    tile.halo[axis] = (tile.size[axis] - 1) * geometry.strides[axis] + Reach(geometry, axis);
  }
  return tile;
}

TensorGradientTile LargestGradientTile(int64_t shared_bytes, const Geometry& geometry,
                                       const Shape& code) {
  int64_t columns = CeilDiv(Part(code.width, kMaxColumns), kMmaWords) * kMmaWords;
  int64_t rows = Part(code.height, kGradientPositions / columns);
  for (;;) {
    const TensorGradientTile tile = MakeGradientTile(geometry, code, rows, columns);
    if (tile.shared_bytes() <= shared_bytes) return tile;
    if (rows > 1) {
      rows = CeilDiv(rows, 2);
    } else {
      columns -= kMmaWords;
    }
  }
}

const TensorRule& FirstRule(int capability) {
  for (const TensorRule& rule : kTensorTable) {
    if (capability >= rule.capability) return rule;
  }
  Fail("tensor cores need compute capability 8.0: this device has {}.{}", capability / 10,
       capability % 10);
}

}  // namespace

const char* WhyNotOnTensorCores(const Instruction& convolution) {
  const Geometry& g = convolution.geometry;
  for (int axis = 0; axis < 2; ++axis) {
    if (convolution.op == Opcode::kSynthesis && g.strides[axis] != 1) return "strided synthesis";
    if (g.strides[axis] > kMaxStride) return "a stride above 2";
    if (g.kernel[axis] > kMaxKernel) return "a kernel above 7";
    if (Reach(g, axis) > kMaxReach) return "taps that span more than 27 positions";
  }
  return nullptr;
}

int TensorRowTiles(int64_t result_channels) { return result_channels <= kMmaRows ? 1 : 2; }

int64_t TensorTile::halo_bytes() const {
  return images * halo[0] * pitch * kTensorWords * static_cast<int64_t>(sizeof(uint32_t));
}

bool TensorTile::aligned() const { return size[1] % kMmaColumns == 0 && pitch % kMmaColumns == 0; }

TensorTile ChooseTensorTile(int capability, const TensorFactors& factors, const Geometry& geometry,
                            const Shape& result, int64_t groups, int64_t chunks, int64_t batch) {
  for (const TensorRule* rule = &FirstRule(capability);; ++rule) {
    TensorTile tile = MakeTile(*rule, geometry, result, groups, batch);
    tile.parts = ChooseTensorParts(capability, factors.parts, tile, chunks);
    // At the latest where any number of blocks will do.
    if (LeavesEnoughBlocks(tile, factors.blocks)) return tile;
  }
}

std::optional<TensorTile> ChooseFloat32Tile(int capability, const TensorFactors& factors,
                                            const Instruction& convolution, const Shape& source,
                                            const Shape& result, int64_t batch) {
  // Half of a group's channels would be wasted otherwise, or no row covers it.
  if (result.channels <= 16 || capability < 80) return std::nullopt;
  if (WhyNotOnTensorCores(convolution) != nullptr) return std::nullopt;
  // The kernel's 256 pixels are those of first rows; smaller tiles are for tensor cores.
  TensorTile tile = MakeTile(FirstRule(capability), convolution.geometry, result,
                             Float32Groups(result.channels), batch);
  tile.parts = ChooseTensorParts(capability, factors.parts, tile,
                                 CeilDiv(source.channels, TiledConvolutionKernel::kChunk));
  if (!LeavesEnoughBlocks(tile, factors.blocks)) return std::nullopt;
  return tile;
}

int64_t ChooseTensorParts(int capability, double factor, const TensorTile& tile, int64_t chunks) {
  const double wanted = factor * static_cast<double>(FirstRule(capability).blocks);
  int64_t parts = 1;
  while (static_cast<double>(tile.blocks * parts) < kEnough * wanted && 2 * parts <= kMaxParts &&
         2 * parts * kMinChunksOfPart <= chunks) {
    parts *= 2;
  }
  return CeilDiv(chunks, CeilDiv(chunks, parts));  // none without a chunk
}

int64_t ChooseSplit(int capability, double factor, int64_t threads, int64_t source_channels,
                    int64_t products, int64_t least) {
  const SplitRule* rule = kSplitTable;
  while (capability < rule->capability) ++rule;
  const double wanted = factor * static_cast<double>(rule->threads);
  int64_t ranges = 1;
  while (static_cast<double>(threads * ranges) < wanted && 2 * ranges <= kMaxRanges &&
         2 * ranges <= source_channels && 2 * ranges * least <= products) {
    ranges *= 2;
  }
  return ranges;
}

const char* WhyNoTensorGradient(const Instruction& gradient, const Shape& code) {
  const Geometry& g = gradient.geometry;
  if (g.kernel[0] * g.kernel[1] > kMaxGradientTaps) return "more than 9 taps";
  if (std::max(g.strides[0], g.strides[1]) > kMaxStride) return "a stride above 2";
  if (code.width < kMmaWords) return "a code narrower than 8";
  if (MakeGradientTile(g, code, 1, kMmaWords).shared_bytes() > kMinGradientBytes) {
    return "taps that span too many positions";
  }
  return nullptr;
}

int64_t TensorGradientTile::shared_bytes() const {
  using K = TensorFilterGradientKernel;
  return static_cast<int64_t>(sizeof(uint32_t)) *
         (K::kCode * GradientRow(static_cast<uint32_t>(size[0] * size[1])) +
          K::kImage * GradientRow(static_cast<uint32_t>(halo[0] * halo[1])));
}

TensorGradientTile ChooseTensorGradientTile(int capability, const Geometry& geometry,
                                            const Shape& code) {
  return LargestGradientTile(FirstRule(capability).shared_bytes, geometry, code);
}

std::optional<TensorGradientTile> ChooseFloat32GradientTile(const Instruction& gradient,
                                                            const Shape& image, const Shape& code) {
  // Of groups of 32, of which half would be wasted.
  if (std::min(image.channels, code.channels) <= 16) return std::nullopt;
  if (WhyNoTensorGradient(gradient, code) != nullptr) return std::nullopt;
  return LargestGradientTile(kMinGradientBytes, gradient.geometry, code);
}

}  // namespace csc::cuda
