// Analysis, synthesis and filter gradient of 3x3 filters at stride 1 and any
// dilation by Winograd's minimal filtering F(4x4, 3x3): a quarter of the
// multiplications of the direct form, and rounding errors some three times as
// large. Padding lanes of the input cost no multiplication.

#ifndef CSC_SOLVERS_ENGINES_ONEDNN_WINOGRAD_H_
#define CSC_SOLVERS_ENGINES_ONEDNN_WINOGRAD_H_

#include <cstdint>
#include <string>
#include <vector>

#include "solvers/engines/onednn/banded_map.h"
#include "solvers/engines/onednn/gradient_map.h"
#include "solvers/engines/onednn/winograd_kernels.h"

namespace csc::onednn {

class Winograd : public BandedMap, public GradientMap {
 public:
  // Whether this machine computes a map of that shape so at all.
  static bool Supports(const ConvolutionShape& shape);

  explicit Winograd(const ConvolutionShape& shape);

  // Multiplications of one image, as a multiple of those of the direct form
  // without its padding.
  double RelativeCost() const;
  // Whether an image is little work for the filters that it reads.
  bool IsBoundByFilters() const;

  double products() const override;
  std::string Describe() const override;
  // A band has four rows that lie a dilation apart.
  int64_t num_bands() const override { return num_bands_; }
  int64_t num_groups() const override;
  int64_t filter_floats() const override;
  int64_t scratch_floats(int64_t images) const override;
  void PackFilters(const float* filters, float* packed) const override;
  void Run(Plane from, int64_t images, const MapPart& part, const MapFilters& filters, float scale,
           Plane to, float* scratch, const Finish& finish) const override;

  // --- filter gradients ---

  // Summed in the transformed domain.
  int64_t gradient_floats() const override { return filter_floats(); }
  int64_t gradient_scratch_floats(int64_t images) const override;
  void Accumulate(Plane image, Plane code, int64_t images, float scale, float* transformed,
                  float* scratch) const override;
  void AddGradient(const float* transformed, float* gradient) const override;

 private:
  void MakeTiles();
  // Floats of a panel's transforms of two values.
  int64_t PanelFloats(int64_t images, int64_t lanes, int64_t more_lanes) const;
  // Calls body(filters, input channel, output lane) for each block of output lanes:
  // the number of each lane's filter, -1 for padding.
  template <typename Body>
  void ForEachFilterBlock(const Body& body) const;
  // The groups of blocks of a part, of some tiles.
  void RunPanel(const WinogradPanel& panel, const MapPart& part, const WinogradPlane& from,
                const float* packed_filters, float scale, const WinogradPlane& to,
                float* scratch) const;
  // Calls body(first row, end row) for the rows of some bands.
  template <typename Body>
  void ForEachRowRange(int64_t first_band, int64_t end_band, const Body& body) const;
  // Where a filter's entry at point 0 lies in packed filters, and how far on the
  // next point's is.
  int64_t PackedOffset(int64_t channel, int64_t lane) const;
  int64_t PackedStride(int64_t lane) const;

  // Tiles of an image; those of a band follow each other.
  int64_t ImageTiles() const { return num_bands_ * band_tiles_; }

  const int columns_;  // blocks of results that are computed together
  // All tiles of an image, band by band; of as many images as make a panel.
  std::vector<WinogradTile> tiles_;
  int64_t num_bands_ = 0, band_tiles_ = 0;
  int64_t panel_images_ = 1;
};

}  // namespace csc::onednn

#endif  // CSC_SOLVERS_ENGINES_ONEDNN_WINOGRAD_H_
