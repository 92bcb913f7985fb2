// Which convolutions run on tensor cores, and in tiles of which size.

#ifndef CSC_SOLVERS_ENGINES_CUDA_TENSOR_TILES_H_
#define CSC_SOLVERS_ENGINES_CUDA_TENSOR_TILES_H_

#include <array>
#include <cstdint>
#include <optional>

#include "solvers/geometry.h"
#include "solvers/program/program.h"
#include "solvers/tensor.h"

namespace csc::cuda {

// Null for a convolution that tensor cores have a kernel for; else why not.
const char* WhyNotOnTensorCores(const Instruction& convolution);

// Sixteens of result channels that a warp computes.
int TensorRowTiles(int64_t result_channels);

// One row of the table of tiles. Rows are tried from the first on: one is taken
// if the device is at least of this compute capability and the tile leaves at
// least half so many blocks, those counted that share one's sums out in parts.
// Results depend on it by these parts alone.
struct TensorRule {
  int capability;        // 90 for 9.0
  int64_t blocks;        // 0: any number
  int column_tiles;      // eights of pixels that a warp computes
  int warps;             // of a block
  int64_t shared_bytes;  // at most, of a block: so that two or more fit
};

// Changes with any row below, and with the order of a tile's sums. Rows are estimates from
// multiprocessors, registers and shared memory; none was measured yet.
inline constexpr int kTensorTableVersion = 5;
inline constexpr TensorRule kTensorTable[] = {
    {120, 340, 8, 4, 49 << 10}, {120, 0, 2, 4, 49 << 10},  // RTX 50: up to 170 of 100 KiB
    {100, 296, 8, 4, 75 << 10}, {100, 0, 2, 4, 56 << 10},  // B200: 148 of 228 KiB
    {90, 264, 8, 4, 75 << 10},  {90, 0, 2, 4, 56 << 10},   // H100, H200: 132 of 228 KiB
    {86, 256, 8, 4, 49 << 10},  {86, 0, 2, 4, 49 << 10},   // RTX 30 and 40: up to 128 of 100 KiB
    {80, 216, 8, 4, 54 << 10},  {80, 0, 2, 4, 48 << 10},   // A100: 108 of 164 KiB
};

struct TensorTile {
  const TensorRule* rule = nullptr;
  int64_t images = 1;
  std::array<int64_t, 2> size{};   // rows, columns
  std::array<int64_t, 2> halo{};   // rows, columns that its taps meet
  int64_t pitch = 0;               // columns from one row of the halo to the next
  std::array<int64_t, 2> tiles{};  // along the height and width of the result
  int64_t blocks = 0;              // of one part
  int64_t parts = 1;               // of the sums, each in blocks of its own

  int64_t halo_bytes() const;
  // That whole eights of pixels and positions make up its rows, as kernels like it.
  bool aligned() const;
};

// By what the numbers of blocks that rows want are multiplied: for the choice of a row, and
// for that of parts.
struct TensorFactors {
  double blocks = 1;
  double parts = 1;
};

// For `groups` groups of result channels and `chunks` chunks of source channels. Throws
// Error for a device that no row covers.
TensorTile ChooseTensorTile(int capability, const TensorFactors& factors, const Geometry& geometry,
                            const Shape& result, int64_t groups, int64_t chunks, int64_t batch);

// Parts of `chunks` chunks of source channels that blocks share out where the tile leaves
// fewer than three quarters of the blocks that the device's first row wants, taken `factor`
// times: up to 8 of equal size, but for the last, and of two chunks or more; 1 elsewhere.
// The order of sums depends on it. TensorTile::parts has it; by itself it is for tests.
int64_t ChooseTensorParts(int capability, double factor, const TensorTile& tile, int64_t chunks);

// Groups of 32 result channels of the float32 kernel in such tiles.
inline int64_t Float32Groups(int64_t result_channels) { return (result_channels + 31) / 32; }

// The tile of a convolution in float32; none where the direct kernel, which gives the same
// bits where there is one part, has more threads to offer or wastes less.
std::optional<TensorTile> ChooseFloat32Tile(int capability, const TensorFactors& factors,
                                            const Instruction& convolution, const Shape& source,
                                            const Shape& result, int64_t batch);

// Threads that a direct convolution should leave, eight for each lane of the device:
// where it leaves fewer, they share their sums out. Part of the table above, and as
// little measured. The order of sums depends on this row.
struct SplitRule {
  int capability;
  int64_t threads;
};
inline constexpr SplitRule kSplitTable[] = {
    {120, 170 << 10}, {100, 148 << 10}, {90, 132 << 10},
    {86, 84 << 10},   {80, 108 << 10},  {0, 64 << 10},
};

// Ranges of source channels, a power of two up to 32 and 1 where nothing is shared
// out, for a convolution of so many threads of `products` products each. `least`
// are left to each. The threads that the table wants are taken `factor` times.
int64_t ChooseSplit(int capability, double factor, int64_t threads, int64_t source_channels,
                    int64_t products, int64_t least);

// As WhyNotOnTensorCores, for filter gradients whose code has this shape.
const char* WhyNoTensorGradient(const Instruction& gradient, const Shape& code);

struct TensorGradientTile {
  std::array<int64_t, 2> size{};  // rows; columns, a multiple of 8
  std::array<int64_t, 2> halo{};
  std::array<int64_t, 2> tiles{};

  int64_t shared_bytes() const;
};

// The largest that the device's first row of the table has shared memory for. It
// fixes the order of sums, which therefore depends on the device here.
TensorGradientTile ChooseTensorGradientTile(int capability, const Geometry& geometry,
                                            const Shape& code);

// That of a gradient in float32, the same on every device; none where channels are so
// few that direct sums waste less, or for what WhyNoTensorGradient says.
std::optional<TensorGradientTile> ChooseFloat32GradientTile(const Instruction& gradient,
                                                            const Shape& image, const Shape& code);

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_TENSOR_TILES_H_
