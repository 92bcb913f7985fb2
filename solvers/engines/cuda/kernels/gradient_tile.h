// What gradients of filters in tiles of shared memory have in common, on tensor cores
// or not: <dF, F'> = <code, F' image>.
//
// A block sums, over a range of tiles, the entries of 32 code channels and 32 image
// channels at all taps, of which a warp takes 8 image channels. Round by round, one
// tile of the code and the positions of the image that its taps meet are laid into
// shared memory, a row for each channel; a tap is but an offset there. Ranges are
// added in a fixed order by FilterGradientSumsKernel.

#ifndef CSC_SOLVERS_ENGINES_CUDA_KERNELS_GRADIENT_TILE_H_
#define CSC_SOLVERS_ENGINES_CUDA_KERNELS_GRADIENT_TILE_H_

#include <cstdint>
#include <type_traits>

#include "solvers/engines/cuda/kernels/host_device.h"
#include "solvers/engines/cuda/kernels/mma.h"
#include "solvers/engines/cuda/kernels/pairs.h"
#include "solvers/engines/cuda/kernels/warp.h"

namespace csc::cuda {

// Taps whose sums fit into a lane's registers.
constexpr int kMaxGradientTaps = 9;

// Floats of a channel's row: so that eight rows at four neighbouring positions
// meet 32 different banks.
CSC_HOST_DEVICE constexpr uint32_t GradientRow(uint32_t positions) {
  return (positions + 31) / 32 * 32 + 4;
}

// Of what is laid into shared memory.
enum class Rounding : uint32_t { kNone, kTf32, kBfloat16 };

struct GradientTile {
  static constexpr int kWarps = 4;
  static constexpr int kThreads = kWarps * kWarpLanes;
  static constexpr int kBlocksAtOnce = 3;
  static constexpr uint32_t kCode = 32;
  static constexpr uint32_t kWarpImage = 8;
  static constexpr uint32_t kImage = kWarps * kWarpImage;

  Source image;
  Source code;
  float* partials;    // [range][code channels][image channels][taps]
  Rounding rounding;  // of factors
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
  uint32_t taps;                           // at most kMaxGradientTaps
  uint32_t tap_offsets[kMaxGradientTaps];  // in a row of the image
  Divisor code_groups;
  Divisor image_groups;

  CSC_HOST_DEVICE uint32_t CodeRow() const {
    return GradientRow(tile_size[0].value() * tile_size[1].value());
  }
  CSC_HOST_DEVICE uint32_t ImageRow() const {
    return GradientRow(halo[0].value() * halo[1].value());
  }
  // Of a code channel's entries as they are kept at the end, [image channel][tap].
  CSC_HOST_DEVICE uint32_t KeptRow() const { return kImage * taps + 1; }
  CSC_HOST_DEVICE uint32_t SharedBytes() const {
    const uint32_t words = kCode * CodeRow() + kImage * ImageRow();
    const uint32_t kept = kCode * KeptRow();
    return (words > kept ? words : kept) * static_cast<uint32_t>(sizeof(uint32_t));
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

  template <Rounding kRounding>
  CSC_HOST_DEVICE static uint32_t Rounded(float value) {
    if (kRounding == Rounding::kNone) return AsWord(value);
    const float pair[2] = {value, 0};
    // A bfloat16 in the upper half is the same number in TF32.
    return kRounding == Rounding::kBfloat16 ? Bfloat16::Word(pair) << 16 : Tf32::Word(pair);
  }

  CSC_HOST_DEVICE void Load(uint32_t block, uint32_t warp, uint32_t round, uint32_t* shared) const {
    switch (rounding) {
      case Rounding::kNone:
        return LoadTile<Rounding::kNone>(block, warp, round, shared);
      case Rounding::kTf32:
        return LoadTile<Rounding::kTf32>(block, warp, round, shared);
      case Rounding::kBfloat16:
        return LoadTile<Rounding::kBfloat16>(block, warp, round, shared);
    }
  }

  template <Rounding kRounding>
  CSC_HOST_DEVICE void LoadTile(uint32_t block, uint32_t warp, uint32_t round,
                                uint32_t* shared) const {
    const Place p = PlaceOf(block);
    uint32_t row, column;
    const uint32_t n = tiles[0].Split(tiles[1].Split(p.range * range_tiles + round, &column), &row);
    row *= tile_size[0].value();
    column *= tile_size[1].value();
    if (kRounding == Rounding::kBfloat16 && code.pairs) {
      LoadCode<kRounding, true>(p, n, row, column, warp, shared);
    } else {
      LoadCode<kRounding, false>(p, n, row, column, warp, shared);
    }
    shared += kCode * CodeRow();
    if (kRounding == Rounding::kBfloat16 && image.pairs) {
      LoadImage<kRounding, true>(p, n, row, column, warp, shared);
    } else {
      LoadImage<kRounding, false>(p, n, row, column, warp, shared);
    }
  }
  // Of sample `n`, from this row and column of the code on; kPairs: pairs of channels in
  // words, rounded when they were stored (pairs.h).
  template <Rounding kRounding, bool kPairs>
  CSC_HOST_DEVICE void LoadCode(const Place& p, uint32_t n, uint32_t row, uint32_t column,
                                uint32_t warp, uint32_t* shared) const {
    ForEachLane([&](uint32_t lane) {
      for (uint32_t i = lane; i < tile_size[0].value() * tile_size[1].value(); i += kWarpLanes) {
        uint32_t w;
        const uint32_t h = row + tile_size[1].Split(i, &w);
        w += column;
        LoadChannels<kRounding, kPairs>(
            code, n, code_channels, p.first_code, h < code_size[0] && w < code_size[1],
            code_size[0] * code_size[1], h * code_size[1] + w, warp, shared + i, CodeRow());
      }
    });
  }
  template <Rounding kRounding, bool kPairs>
  CSC_HOST_DEVICE void LoadImage(const Place& p, uint32_t n, uint32_t row, uint32_t column,
                                 uint32_t warp, uint32_t* shared) const {
    ForEachLane([&](uint32_t lane) {
      for (uint32_t i = lane; i < halo[0].value() * halo[1].value(); i += kWarpLanes) {
        uint32_t j;
        const uint32_t k = halo[1].Split(i, &j);
        const int32_t h = static_cast<int32_t>(row * strides[0] + k) - pads[0];
        const int32_t w = static_cast<int32_t>(column * strides[1] + j) - pads[1];
        const bool inside = 0 <= h && h < image_size[0] && 0 <= w && w < image_size[1];
        LoadChannels<kRounding, kPairs>(image, n, image_channels, p.first_image, inside,
                                        image_size[0] * image_size[1], h * image_size[1] + w, warp,
                                        shared + i, ImageRow());
      }
    });
  }

  // One position of every fourth channel of 32, or of every fourth pair of 16.
  template <Rounding kRounding, bool kPairs>
  CSC_HOST_DEVICE void LoadChannels(const Source& values, uint32_t n, uint32_t channels,
                                    uint32_t first, bool inside, uint32_t plane, uint32_t position,
                                    uint32_t warp, uint32_t* shared, uint32_t shared_row) const {
    constexpr uint32_t kPlanes = kPairs ? kCode / 2 : kCode;
    const uint32_t planes = kPairs ? PairPlanes(channels) : channels;
    first = (kPairs ? PairPlane(first) : first) + warp;
    const float* const from = values.At(n, inside ? first * plane + position : 0);
    shared += warp * shared_row;
    // Asked once for all of them, not for each.
    if (first + kPlanes - kWarps < planes) {
      Copy<kRounding, kPairs, true>(from, plane, inside, 0, shared, shared_row);
    } else {
      Copy<kRounding, kPairs, false>(from, plane, inside, first < planes ? planes - first : 0,
                                     shared, shared_row);
    }
  }
  // Every fourth plane from `from` on: of the first `planes` of them, or of all where
  // kWhole says so; zeros otherwise.
  template <Rounding kRounding, bool kPairs, bool kWhole>
  CSC_HOST_DEVICE static void Copy(const float* from, uint32_t plane, bool inside, uint32_t planes,
                                   uint32_t* shared, uint32_t shared_row) {
    CSC_UNROLL
    for (uint32_t c = 0; c < (kPairs ? kCode / 2 : kCode); c += kWarps) {
      const bool present = inside && (kWhole || c < planes);
      if constexpr (kPairs) {
        const uint32_t word = present ? Read(reinterpret_cast<const uint32_t*>(from)) : 0u;
        // A bfloat16 in the upper half is the same number in TF32.
        shared[FirstOfPair(c) * shared_row] = word << 16;
        shared[(FirstOfPair(c) + kPairApart) * shared_row] = word & 0xFFFF0000;
      } else {
        shared[c * shared_row] = Rounded<kRounding>(present ? Read(from) : 0.0f);
      }
      from += kWarps * plane;
    }
  }

  // Of the warp's image channels, in shared memory.
  CSC_HOST_DEVICE const uint32_t* ImagesOf(uint32_t warp, const uint32_t* shared) const {
    return shared + kCode * CodeRow() + warp * kWarpImage * ImageRow();
  }
  // Where position (h, w) of the tile has its first tap in a row of the image.
  CSC_HOST_DEVICE uint32_t FirstTap(uint32_t h, uint32_t w) const {
    return h * strides[0] * halo[1].value() + w * strides[1];
  }
  // Calls body(codes, images) for each kPositions neighbouring positions of the tile: the
  // first of them in the first channel's row of the code, and its first tap in that of
  // the warp's images. Not at all for warps that are left without an image channel.
  template <uint32_t kPositions, typename Body>
  CSC_HOST_DEVICE void ForEachStretch(uint32_t block, uint32_t warp, const uint32_t* shared,
                                      const Body& body) const {
    if (PlaceOf(block).first_image + warp * kWarpImage >= image_channels) return;
    const uint32_t* const images = ImagesOf(warp, shared);
    const uint32_t columns = tile_size[1].value();
    for (uint32_t h = 0; h < tile_size[0].value(); ++h) {
      CSC_NO_UNROLL
      for (uint32_t w = 0; w < columns; w += kPositions) {
        body(shared + h * columns + w, images + FirstTap(h, w));
      }
    }
  }
  // Calls body(std::bool_constant): whether there are all taps and no stride, as in most
  // layers, which costs less where the compiler knows it.
  template <typename Body>
  CSC_HOST_DEVICE void IfUsual(const Body& body) const {
    if (taps == kMaxGradientTaps && strides[1] == 1) {
      body(std::true_type());
    } else {
      body(std::false_type());
    }
  }
  // Calls body(tap, offset of the tap) for all taps, of which there are as many as there may
  // be where kAll says so; `tap` is a constant to the compiler.
  template <bool kAll, typename Body>
  CSC_HOST_DEVICE void ForEachTap(const Body& body) const {
    CSC_UNROLL
    for (int tap = 0; tap < kMaxGradientTaps; ++tap) {
      if (!kAll && static_cast<uint32_t>(tap) >= taps) break;
      body(tap, tap_offsets[tap]);
    }
  }
  // Where the entries of two channels are kept.
  CSC_HOST_DEVICE uint32_t* KeptOf(uint32_t code_channel, uint32_t image_channel,
                                   uint32_t* shared) const {
    return shared + code_channel * KeptRow() + image_channel * taps;
  }
  // A warp has every fourth code channel, whose entries lie together in the partial sums.
  CSC_HOST_DEVICE void End(uint32_t block, uint32_t warp, const uint32_t* shared) const {
    const Place p = PlaceOf(block);
    const uint32_t channels = image_channels - p.first_image;
    const uint32_t entries = (channels < kImage ? channels : kImage) * taps;
    ForEachLane([&](uint32_t lane) {
      CSC_NO_UNROLL
      for (uint32_t k = warp; k < kCode && p.first_code + k < code_channels; k += kWarps) {
        float* const to =
            partials +
            ((p.range * code_channels + p.first_code + k) * image_channels + p.first_image) * taps;
        CSC_NO_UNROLL
        for (uint32_t i = lane; i < entries; i += kWarpLanes) {
          to[i] = AsFloat(shared[k * KeptRow() + i]);
        }
      }
    });
  }
};

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_KERNELS_GRADIENT_TILE_H_
