#include "solvers/engines/cuda/tensor_tiles.h"

#include <algorithm>

#include "solvers/engines/cuda/kernels/tensor_convolution.h"
#include "solvers/error.h"

namespace csc::cuda {

namespace {

// So that what one pixel meets fits into any device's shared memory.
constexpr int64_t kMaxKernel = 7;
constexpr int64_t kMaxReach = 27;
constexpr int64_t kMaxStride = 2;

// A warp's pixels are few rows of one image, if they can be.
constexpr int64_t kMaxColumns = 32;

int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Positions along an axis that the taps of one pixel span.
int64_t Reach(const Geometry& g, int axis) { return g.dilations[axis] * (g.kernel[axis] - 1) + 1; }

// `size` cut into equal parts of at most `most`.
int64_t Part(int64_t size, int64_t most) { return CeilDiv(size, CeilDiv(size, most)); }

void SetHalo(const Geometry& g, TensorTile* tile) {
  for (int axis = 0; axis < 2; ++axis) {
    tile->halo[axis] = (tile->size[axis] - 1) * g.strides[axis] + Reach(g, axis);
  }
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
  tile.tiles = {CeilDiv(result.height, tile.size[0]), CeilDiv(result.width, tile.size[1])};
  tile.blocks = groups * CeilDiv(batch, tile.images) * tile.tiles[0] * tile.tiles[1];
  return tile;
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
  return images * halo[0] * halo[1] * kTensorWords * static_cast<int64_t>(sizeof(uint32_t));
}

TensorTile ChooseTensorTile(int capability, double blocks_factor, const Geometry& geometry,
                            const Shape& result, int64_t groups, int64_t batch) {
  for (const TensorRule& rule : kTensorTable) {
    if (capability < rule.capability) continue;
    const TensorTile tile = MakeTile(rule, geometry, result, groups, batch);
    if (static_cast<double>(tile.blocks) >= blocks_factor * static_cast<double>(rule.blocks)) {
      return tile;
    }
  }
  Fail("tensor cores need compute capability 8.0: this device has {}.{}", capability / 10,
       capability % 10);
}

}  // namespace csc::cuda
