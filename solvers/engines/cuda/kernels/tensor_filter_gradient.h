// Gradients of filters as products on tensor cores: <dF, F'> = <code, F' image>.
//
// A block sums, over a range of tiles, the entries of 32 code channels (A: code
// channels x positions) and 32 image channels (B: positions x image channels) at
// all taps, of which a warp takes 8 image channels. Round by round, one tile of
// the code and the positions of the image that its taps meet are rounded into
// shared memory, a row for each channel; a tap is but an offset there. Ranges are
// added in order by FilterGradientSumKernel.
//
// Products are TF32 ones in either arithmetic: a bfloat16 is a TF32 number. (Its
// own products take pairs of positions, which an odd tap would have to part.)

#ifndef CSC_SOLVERS_ENGINES_CUDA_KERNELS_TENSOR_FILTER_GRADIENT_H_
#define CSC_SOLVERS_ENGINES_CUDA_KERNELS_TENSOR_FILTER_GRADIENT_H_

#include <cstdint>

#include "solvers/engines/cuda/kernels/host_device.h"
#include "solvers/engines/cuda/kernels/mma.h"

namespace csc::cuda {

// Floats of a channel's row: so that eight rows at four neighbouring positions
// meet 32 different banks.
CSC_HOST_DEVICE constexpr uint32_t GradientRow(uint32_t positions) {
  return (positions + 31) / 32 * 32 + 4;
}

template <int kMaxTaps>
struct TensorFilterGradientKernel {
  static constexpr int kWarps = 4;
  static constexpr int kThreads = kWarps * kWarpLanes;
  static constexpr int kBlocksAtOnce = 3;
  static constexpr int kRowTiles = 2;
  static constexpr uint32_t kCode = kRowTiles * kMmaRows;
  static constexpr uint32_t kImage = kWarps * kMmaColumns;

  const float* image;
  const float* code;
  float* partials;  // [range][code channels][image channels][taps]
  bool bfloat16;    // factors are rounded to that
  uint32_t image_channels;
  uint32_t code_channels;
  int32_t image_size[2];
  uint32_t code_size[2];
  uint32_t batch;
  Divisor tiles[2];  // along the height and width of the code
  uint32_t all_tiles;
  uint32_t range_tiles;  // of a range
  Divisor tile_size[2];  // rows; columns, a multiple of 8
  Divisor halo[2];       // positions of the image that a tile's taps meet
  int32_t strides[2];
  int32_t pads[2];
  uint32_t taps;  // at most kMaxTaps
  uint32_t row_taps;
  uint32_t dilations[2];
  Divisor code_groups;
  Divisor image_groups;

  struct Registers {
    PerLane<FragmentD> sums[kMaxTaps][kRowTiles];
  };

  CSC_HOST_DEVICE uint32_t CodeRow() const {
    return GradientRow(tile_size[0].value() * tile_size[1].value());
  }
  CSC_HOST_DEVICE uint32_t ImageRow() const {
    return GradientRow(halo[0].value() * halo[1].value());
  }
  CSC_HOST_DEVICE uint32_t SharedBytes() const {
    return (kCode * CodeRow() + kImage * ImageRow()) * static_cast<uint32_t>(sizeof(uint32_t));
  }

  struct Place {
    uint32_t range, first_code, first_image;
  };
  CSC_HOST_DEVICE Place PlaceOf(uint32_t block) const {
    uint32_t code_group, image_group;
    const uint32_t range = code_groups.Split(image_groups.Split(block, &image_group), &code_group);
    return {range, code_group * kCode, image_group * kImage};
  }
  CSC_HOST_DEVICE uint32_t Rounds(uint32_t block) const {
    const uint32_t first = PlaceOf(block).range * range_tiles;
    return first + range_tiles < all_tiles ? range_tiles : all_tiles - first;
  }

  CSC_HOST_DEVICE void Begin(uint32_t, uint32_t, Registers* registers) const {
    CSC_UNROLL
    for (int tap = 0; tap < kMaxTaps; ++tap) {
      CSC_UNROLL
      for (int m = 0; m < kRowTiles; ++m) {
        ForEachLane([&](uint32_t lane) { registers->sums[tap][m][lane] = {{0, 0, 0, 0}}; });
      }
    }
  }

  CSC_HOST_DEVICE uint32_t Rounded(float value) const {
    const float pair[2] = {value, 0};
    // A bfloat16 in the upper half is the same number in TF32.
    return bfloat16 ? Bfloat16::Word(pair) << 16 : Tf32::Word(pair);
  }

  CSC_HOST_DEVICE void Load(uint32_t block, uint32_t warp, uint32_t round, uint32_t* shared) const {
    const Place p = PlaceOf(block);
    uint32_t row, column;
    const uint32_t n = tiles[0].Split(tiles[1].Split(p.range * range_tiles + round, &column), &row);
    row *= tile_size[0].value();
    column *= tile_size[1].value();
    ForEachLane([&](uint32_t lane) {
      for (uint32_t i = lane; i < tile_size[0].value() * tile_size[1].value(); i += kWarpLanes) {
        uint32_t w;
        const uint32_t h = row + tile_size[1].Split(i, &w);
        w += column;
        LoadChannels(code, n, code_channels, p.first_code, h < code_size[0] && w < code_size[1],
                     code_size[0] * code_size[1], h * code_size[1] + w, warp, shared + i,
                     CodeRow());
      }
      for (uint32_t i = lane; i < halo[0].value() * halo[1].value(); i += kWarpLanes) {
        uint32_t j;
        const uint32_t k = halo[1].Split(i, &j);
        const int32_t h = static_cast<int32_t>(row * strides[0] + k) - pads[0];
        const int32_t w = static_cast<int32_t>(column * strides[1] + j) - pads[1];
        const bool inside = 0 <= h && h < image_size[0] && 0 <= w && w < image_size[1];
        LoadChannels(image, n, image_channels, p.first_image, inside, image_size[0] * image_size[1],
                     h * image_size[1] + w, warp, shared + kCode * CodeRow() + i, ImageRow());
      }
    });
  }

  // One position of every fourth channel of 32.
  CSC_HOST_DEVICE void LoadChannels(const float* values, uint32_t n, uint32_t channels,
                                    uint32_t first, bool inside, uint32_t plane, uint32_t position,
                                    uint32_t warp, uint32_t* shared, uint32_t shared_row) const {
    const float* from = values + n * channels * plane + (inside ? position : 0);
    CSC_UNROLL
    for (uint32_t c = 0; c < kCode / kWarps; ++c) {
      const uint32_t in_group = c * kWarps + warp;
      const uint32_t channel = first + in_group;
      const bool present = inside && channel < channels;
      shared[in_group * shared_row] = Rounded(present ? Read(from + channel * plane) : 0.0f);
    }
  }

  CSC_HOST_DEVICE void Compute(uint32_t block, uint32_t warp, uint32_t, const uint32_t* shared,
                               Registers* registers) const {
    if (PlaceOf(block).first_image + warp * kMmaColumns >= image_channels) return;
    const uint32_t* const images = shared + kCode * CodeRow() + warp * kMmaColumns * ImageRow();
    const uint32_t columns = tile_size[1].value();
    for (uint32_t h = 0; h < tile_size[0].value(); ++h) {
      CSC_NO_UNROLL
      for (uint32_t w = 0; w < columns; w += kMmaWords) {
        PerLane<FragmentA> left[kRowTiles];
        ForEachLane([&](uint32_t lane) {
          CSC_UNROLL
          for (int m = 0; m < kRowTiles; ++m) {
            const uint32_t* from =
                shared + (m * kMmaRows + lane / 4) * CodeRow() + h * columns + w + lane % 4;
            left[m][lane] = {{from[0], from[8 * CodeRow()], from[4], from[8 * CodeRow() + 4]}};
          }
        });
        AddPositions(left, images + h * strides[0] * halo[1].value() + w * strides[1], registers);
      }
    }
  }

  // Eight neighbouring positions of the code, against `from` on in the image.
  CSC_HOST_DEVICE void AddPositions(const PerLane<FragmentA>* left, const uint32_t* from,
                                    Registers* registers) const {
    uint32_t offset = 0, column = 0;
    CSC_UNROLL
    for (int tap = 0; tap < kMaxTaps; ++tap) {
      if (static_cast<uint32_t>(tap) >= taps) break;
      PerLane<FragmentB> right;
      ForEachLane([&](uint32_t lane) {
        const uint32_t* at = from + offset + lane / 4 * ImageRow() + lane % 4 * strides[1];
        right[lane] = {{at[0], at[4 * strides[1]]}};
      });
      CSC_UNROLL
      for (int m = 0; m < kRowTiles; ++m) {
        Multiply<Tf32>(left[m], right, &registers->sums[tap][m]);
      }
      offset += dilations[1];
      if (++column == row_taps) {
        column = 0;
        offset += dilations[0] * halo[1].value() - row_taps * dilations[1];
      }
    }
  }

  CSC_HOST_DEVICE void End(uint32_t block, uint32_t warp, const Registers& registers) const {
    const Place p = PlaceOf(block);
    ForEachLane([&](uint32_t lane) {
      CSC_UNROLL
      for (int m = 0; m < kRowTiles; ++m) {
        CSC_UNROLL
        for (int i = 0; i < 4; ++i) {
          const uint32_t k = p.first_code + m * kMmaRows + lane / 4 + i / 2 * 8;
          const uint32_t c = p.first_image + warp * kMmaColumns + lane % 4 * 2 + i % 2;
          if (k >= code_channels || c >= image_channels) continue;
          float* const to = partials + ((p.range * code_channels + k) * image_channels + c) * taps;
          CSC_UNROLL
          for (int tap = 0; tap < kMaxTaps; ++tap) {
            if (static_cast<uint32_t>(tap) < taps) to[tap] = registers.sums[tap][m][lane].values[i];
          }
        }
      }
    });
  }
};

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_KERNELS_TENSOR_FILTER_GRADIENT_H_
