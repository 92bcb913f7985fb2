// What convolutions in tiles of shared memory have in common, on tensor cores or not.
//
// A block computes a group of result channels of a tile: tile_images images of tile_size
// rows and columns. Round by round, kChunk source channels of all positions that the
// tile's taps meet (its halo) are rounded and laid into shared memory, 16 words a
// position; positions outside the image hold zeros. A tap is but an offset there. At last
// the sums go through shared memory too, so that neighbouring lanes end neighbouring
// pixels.
//
// Every result is summed in one order, whatever the tile: chunks, taps, channels; where
// there are too few tiles for the device, in this order in each of several parts, which
// AddPartsKernel (tensor_convolution.h) adds.

#ifndef CSC_SOLVERS_ENGINES_CUDA_KERNELS_CONVOLUTION_TILE_H_
#define CSC_SOLVERS_ENGINES_CUDA_KERNELS_CONVOLUTION_TILE_H_

#include <cstdint>

#include "solvers/engines/cuda/kernels/elementwise.h"
#include "solvers/engines/cuda/kernels/host_device.h"
#include "solvers/engines/cuda/kernels/mma.h"
#include "solvers/engines/cuda/kernels/pairs.h"

namespace csc::cuda {

// Words of a position in shared memory, and of a row of filters: two products'
// worth. A lane reads four at a time, with t = lane % 4 words 4 t to 4 t + 3:
// word t of the first product, its word t + 4, and the same of the second.
constexpr int kTensorWords = 2 * kMmaWords;

// The source channel, in its chunk, of value `k` of word `i` of quad `t`. The first
// product's channels come first, so that a short chunk needs but one. Those of a word of
// bfloat16 are a pair (pairs.h).
template <typename Format>
CSC_HOST_DEVICE constexpr uint32_t TensorChannel(uint32_t t, uint32_t i, uint32_t k) {
  if (Format::kInOrder) return 4 * t + i;
  return (i / 2 * Format::kPerWord + k) * kMmaWords + 2 * t + i % 2;
}

// Where quad `t` of a position is, in quads: turned so that eight lanes that
// write one quad of eight positions, or read four of two neighbours, meet 32
// different banks.
CSC_HOST_DEVICE constexpr uint32_t TensorQuad(uint32_t position, uint32_t t) {
  return position * 4 + (t ^ ((position >> 1) & 3));
}

struct TensorConvolutionArguments {
  Source source;
  const uint32_t* filters;  // packed
  Scalar scale;             // s of F(s x)
  Epilogue epilogue;
  uint32_t batch;
  uint32_t source_channels;
  int32_t source_size[2];  // height, width
  uint32_t result_channels;
  uint32_t result_size[2];
  Divisor groups;    // of result channels
  Divisor tiles[2];  // along height and width
  uint32_t tile_images;
  Divisor tile_size[2];
  Divisor halo[2];  // positions along height and width that a tile's taps meet
  uint32_t pitch;   // positions from one row of the halo to the next
  // Rows of the tile are whole eights of pixels, and of the halo whole eights of positions:
  // from one eight of pixels to another all lanes go equally far, by whole eights.
  bool aligned;
  int32_t origin[2];  // what the first tap of result position 0 reads
  int32_t strides[2];
  uint32_t taps;
  uint32_t row_taps;
  // Blocks of a tile, each of which has a part of the source channels, so many rounds; its
  // sums are those of sample part * batch + image.
  Divisor parts;
  uint32_t part_rounds;
  // Positions from a tap to the next of its row, and from its row's last to the
  // next row's first.
  uint32_t tap_step;
  uint32_t row_step;

  CSC_HOST_DEVICE uint32_t TilePixels() const {
    return tile_images * tile_size[0].value() * tile_size[1].value();
  }
  CSC_HOST_DEVICE uint32_t HaloPositions() const {
    return tile_images * halo[0].value() * halo[1].value();
  }
  // With the gaps between rows.
  CSC_HOST_DEVICE uint32_t SharedPositions() const { return tile_images * halo[0].value() * pitch; }
};

// Of the third form of kernels, but for what is multiplied how.
template <typename Format, int kWarpCount>
struct ConvolutionTile {
  static constexpr int kWarps = kWarpCount;
  static constexpr int kThreads = kWarps * kWarpLanes;
  static constexpr uint32_t kChunk = kTensorWords * Format::kPerWord;

  TensorConvolutionArguments a;

  // Of the positions, or of the words that the warps keep at the end.
  CSC_HOST_DEVICE uint32_t SharedBytes(uint32_t kept_words) const {
    const uint32_t words = a.SharedPositions() * kTensorWords;
    return (words > kept_words ? words : kept_words) * static_cast<uint32_t>(sizeof(uint32_t));
  }
  CSC_HOST_DEVICE uint32_t Rounds(uint32_t block) const {
    const uint32_t first = FirstChunk(block);
    return first + a.part_rounds < Chunks() ? a.part_rounds : Chunks() - first;
  }
  CSC_HOST_DEVICE uint32_t FirstChunk(uint32_t block) const {
    uint32_t part;
    a.parts.Split(block, &part);
    return part * a.part_rounds;
  }
  CSC_HOST_DEVICE uint32_t Chunks() const { return (a.source_channels + kChunk - 1) / kChunk; }

  struct Place {
    uint32_t part, group;
    uint32_t image, row, column;  // the first of the tile
  };
  CSC_HOST_DEVICE Place PlaceOf(uint32_t block) const {
    Place p;
    uint32_t row, column;
    block = a.groups.Split(a.parts.Split(block, &p.part), &p.group);
    block = a.tiles[1].Split(block, &column);
    p.image = a.tiles[0].Split(block, &row) * a.tile_images;
    p.row = row * a.tile_size[0].value();
    p.column = column * a.tile_size[1].value();
    return p;
  }

  // Less than 2^16, as shared memory is. A pixel past the tile's last may read any.
  CSC_HOST_DEVICE uint32_t FirstPosition(uint32_t pixel) const {
    if (pixel >= a.TilePixels()) return 0;
    uint32_t row, column;
    const uint32_t image = a.tile_size[0].Split(a.tile_size[1].Split(pixel, &column), &row);
    return (image * a.halo[0].value() + row * a.strides[0]) * a.pitch + column * a.strides[1];
  }

  // How a lane finds its pixels of kEights eights in shared memory: the position of each at
  // the first tap; or, where tiles are aligned, of the first one, and how many words the
  // others are further on, which no tap changes.
  template <int kEights>
  struct Positions {
    PerLane<uint32_t> values[kEights];
  };
  // `first` and so on are pixels of the tile: of eight `j`, the lane's is first + j * 8.
  template <int kEights>
  CSC_HOST_DEVICE void Find(uint32_t lane, uint32_t first, Positions<kEights>* positions) const {
    CSC_UNROLL
    for (int j = 0; j < kEights; ++j) {
      uint32_t position = FirstPosition(first + j * 8);
      if (a.aligned && j > 0) position = (position - positions->values[0][lane]) * kTensorWords;
      positions->values[j][lane] = position;
    }
  }
  // The word where quad `t` of each of the first kCount begins, at the tap of this offset.
  template <bool kAligned, int kCount, int kEights>
  CSC_HOST_DEVICE static void Words(const Positions<kEights>& positions, uint32_t lane,
                                    uint32_t offset, uint32_t t, uint32_t* words) {
    CSC_UNROLL
    for (int j = 0; j < kCount; ++j) {
      const uint32_t value = positions.values[j][lane];
      words[j] = kAligned && j > 0 ? words[0] + value : TensorQuad(value + offset, t) * 4;
    }
  }

  // The image and place in a plane of a pixel of the tile; false for none.
  CSC_HOST_DEVICE bool FindPixel(const Place& p, uint32_t pixel, uint32_t* image,
                                 uint32_t* inside) const {
    uint32_t row, column;
    *image = p.image + a.tile_size[0].Split(a.tile_size[1].Split(pixel, &column), &row);
    row += p.row;
    column += p.column;
    *inside = row * a.result_size[1] + column;
    return pixel < a.TilePixels() && *image < a.batch && row < a.result_size[0] &&
           column < a.result_size[1];
  }

  // Ends a block: what becomes of the sums that a warp has kept, [channel of the group]
  // [its pixels], kRow words a channel. Lanes have neighbouring pixels, and each some
  // neighbouring channels at a time; where results may be pairs (pairs.h), both channels of
  // some neighbouring pairs.
  template <uint32_t kGroup, uint32_t kWarpPixels, uint32_t kRow>
  CSC_HOST_DEVICE void Finish(uint32_t block, uint32_t warp, const uint32_t* kept) const {
    constexpr uint32_t kColumns = kWarpPixels < kWarpLanes ? kWarpPixels : kWarpLanes;
    constexpr uint32_t kPixels = kWarpPixels / kColumns;  // of a lane
    constexpr uint32_t kCount = 8;
    constexpr uint32_t kChannels = kCount / kPixels;  // of a lane at a time
    constexpr uint32_t kStep = kWarpLanes / kColumns * kChannels;
    constexpr uint32_t kPairs = Format::kPerWord == 2 ? kChannels / 2 : 0;
    static_assert(kGroup % kStep == 0 && kCount % kPixels == 0, "whole steps");
    static_assert(kPairs == 0 || kPairApart % kPairs == 0, "pairs of one sixteen");
    const Place p = PlaceOf(block);
    const float scale = a.scale.value();
    const uint32_t plane = a.result_size[0] * a.result_size[1];
    ForEachLane([&](uint32_t lane) {
      uint32_t image[kPixels], inside[kPixels];
      bool found[kPixels];
      CSC_UNROLL
      for (uint32_t j = 0; j < kPixels; ++j) {
        found[j] = FindPixel(p, warp * kWarpPixels + lane % kColumns + j * kColumns, &image[j],
                             &inside[j]);
      }
      CSC_NO_UNROLL
      for (uint32_t c = lane / kColumns * kChannels; c < kGroup; c += kStep) {
        const uint32_t first_kept = kPairs > 0 ? FirstOfPair(c / 2) : c;
        const uint32_t first = p.group * kGroup + first_kept;
        if (first >= a.result_channels) break;
        Element elements[kCount];
        float values[kCount];
        CSC_UNROLL
        for (uint32_t k = 0; k < kChannels; ++k) {
          const uint32_t further = kPairs > 0 && k >= kPairs ? k - kPairs + kPairApart : k;
          const bool present = first + further < a.result_channels;
          const uint32_t channel = present ? first + further : first;
          CSC_UNROLL
          for (uint32_t j = 0; j < kPixels; ++j) {
            elements[k * kPixels + j] = {p.part * a.batch + image[j], channel * plane + inside[j],
                                         channel, present && found[j]};
            values[k * kPixels + j] =
                scale *
                AsFloat(kept[(first_kept + further) * kRow + lane % kColumns + j * kColumns]);
          }
        }
        a.epilogue.template Finish<kCount, kPixels, kPairs * kPixels>(elements, values);
      }
    });
  }

  CSC_HOST_DEVICE void Load(uint32_t block, uint32_t warp, uint32_t round, uint32_t* shared) const {
    const uint32_t first = (FirstChunk(block) + round) * kChunk;
    if constexpr (Format::kPerWord == 2) {
      if (a.source.pairs) {
        return LoadPlanes<uint32_t, kTensorWords>(block, warp, PairPlane(first),
                                                  PairPlanes(a.source_channels), shared);
      }
    }
    LoadPlanes<float, kChunk>(block, warp, first, a.source_channels, shared);
  }

  // kCount from the first on, of `planes` in all: of channels, or of pairs of them in words.
  template <typename T, uint32_t kCount>
  CSC_HOST_DEVICE void LoadPlanes(uint32_t block, uint32_t warp, uint32_t first, uint32_t planes,
                                  uint32_t* shared) const {
    const Place p = PlaceOf(block);
    const uint32_t plane = a.source_size[0] * a.source_size[1];
    ForEachLane([&](uint32_t lane) {
      for (uint32_t i = warp * kWarpLanes + lane; i < a.HaloPositions(); i += kThreads) {
        uint32_t row, column;
        const uint32_t rows = a.halo[1].Split(i, &column);
        const uint32_t image = p.image + a.halo[0].Split(rows, &row);
        const int32_t h = static_cast<int32_t>(p.row * a.strides[0] + row) + a.origin[0];
        const int32_t w = static_cast<int32_t>(p.column * a.strides[1] + column) + a.origin[1];
        const bool inside =
            image < a.batch && 0 <= h && h < a.source_size[0] && 0 <= w && w < a.source_size[1];
        const float* x = a.source.data;
        if (inside) x = a.source.At(image, first * plane + h * a.source_size[1] + w);
        T values[kCount];
        ReadPlanes<kCount>(reinterpret_cast<const T*>(x), plane, inside, planes - first, values);
        LayPosition(rows * a.pitch + column, values, shared);
      }
    });
  }

  // What there is of kCount planes from x on, and zeros.
  template <uint32_t kCount, typename T>
  CSC_HOST_DEVICE static void ReadPlanes(const T* x, uint32_t plane, bool inside, uint32_t there,
                                         T* values) {
    // Asked once for all of them, not for each.
    if (there >= kCount) return ReadPlanes<kCount, true>(x, plane, inside, kCount, values);
    ReadPlanes<kCount, false>(x, plane, inside, there, values);
  }
  template <uint32_t kCount, bool kWhole, typename T>
  CSC_HOST_DEVICE static void ReadPlanes(const T* x, uint32_t plane, bool inside, uint32_t there,
                                         T* values) {
    CSC_UNROLL
    for (uint32_t k = 0; k < kCount; ++k) {
      values[k] = inside && (kWhole || k < there) ? Read(x) : T{0};
      x += plane;
    }
  }

  template <typename T>
  CSC_HOST_DEVICE static void LayPosition(uint32_t position, const T* values, uint32_t* shared) {
    CSC_UNROLL
    for (uint32_t t = 0; t < 4; ++t) {
      uint32_t words[4];
      CSC_UNROLL
      for (uint32_t i = 0; i < 4; ++i) words[i] = WordOf(t, i, values);
      WriteWords(words, shared + TensorQuad(position, t) * 4);
    }
  }
  // Word `i` of quad `t` of a position: of channels, or of pairs, which are such words.
  CSC_HOST_DEVICE static uint32_t WordOf(uint32_t t, uint32_t i, const float* channels) {
    float in_word[Format::kPerWord];
    CSC_UNROLL
    for (uint32_t k = 0; k < Format::kPerWord; ++k) {
      in_word[k] = channels[TensorChannel<Format>(t, i, k)];
    }
    return Format::Word(in_word);
  }
  CSC_HOST_DEVICE static uint32_t WordOf(uint32_t t, uint32_t i, const uint32_t* pairs) {
    return pairs[PairPlane(TensorChannel<Format>(t, i, 0))];
  }
};

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_KERNELS_CONVOLUTION_TILE_H_
