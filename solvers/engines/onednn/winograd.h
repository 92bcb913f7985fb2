// Analysis, synthesis and filter gradient of 3x3 filters at stride 1 and any
// dilation by Winograd's minimal filtering F(4x4, 3x3), on blocked values: a
// quarter of the multiplications of the direct form, and rounding errors some
// three times as large. Padding lanes of the input cost no multiplication.
//
// Ownership: filters, values and scratch memory belong to the caller. An object
// is immutable and serves any number of threads.

#ifndef CSC_SOLVERS_ENGINES_ONEDNN_WINOGRAD_H_
#define CSC_SOLVERS_ENGINES_ONEDNN_WINOGRAD_H_

#include <array>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "solvers/engines/onednn/convolution.h"
#include "solvers/engines/onednn/winograd_kernels.h"

namespace csc::onednn {

class Winograd {
 public:
  // Whether this machine computes a map of that shape so at all.
  static bool Supports(const ConvolutionShape& shape);

  // Requires Supports(shape); shape.images does not matter.
  explicit Winograd(const ConvolutionShape& shape);

  // Results come in bands of 4 * dilation rows, computed independently.
  int64_t num_bands() const;
  // Rows [first, second) of bands [first_band, end_band).
  std::pair<int64_t, int64_t> RowsOf(int64_t first_band, int64_t end_band) const;
  // Multiplications of one image, all blocks of lanes, as a multiple of those of
  // the direct form without its padding.
  double RelativeCost() const;

  int64_t filter_floats() const;
  int64_t scratch_floats() const;

  // Transforms filters [w, C, 3, 3] as Run wants them.
  void PackFilters(const float* filters, float* packed) const;

  // to = scale * map of `from`, for bands [first_band, end_band) of `images`
  // images. After every band or few, when rows [first, end) of images
  // [first_image, end_image) are complete, calls `finish`.
  using Finish = std::function<void(int64_t first_image, int64_t end_image, int64_t first_row,
                                    int64_t end_row)>;
  void Run(Plane from, int64_t images, int64_t first_band, int64_t end_band,
           const float* packed_filters, float scale, Plane to, float* scratch,
           const Finish& finish) const;

  // --- filter gradients ---

  // Floats of a gradient in the transformed domain.
  int64_t gradient_floats() const { return filter_floats(); }
  // transformed += scale * the gradient of `images` images.
  void Accumulate(Plane image, Plane code, int64_t images, float scale, float* transformed,
                  float* scratch) const;
  // gradient [w, C, 3, 3] += the filter gradient in `transformed`.
  void AddGradient(const float* transformed, float* gradient) const;

 private:
  void MakeTiles();
  void RunPanel(const WinogradPanel& panel, const WinogradPlane& from, const float* packed_filters,
                float scale, const WinogradPlane& to, float* scratch) const;
  // Calls body(filter's offset, input channel, output lane), lanes in order.
  template <typename Body>
  void ForEachFilter(const Body& body) const;
  // Where a filter's entry at point 0 lies in packed filters, and how far on the
  // next point's is.
  int64_t PackedOffset(int64_t channel, int64_t lane) const;
  int64_t PackedStride(int64_t lane) const;

  const bool synthesis_;
  Layout in_, out_;  // of the forward convolution that is computed
  Shape in_shape_, out_shape_;
  std::array<int64_t, 2> dilations_;
  std::array<int64_t, 2> pads_;  // top, left
  std::vector<int> channels_;    // of each input block that are not padding
  int64_t inner_ = 0;            // their sum
  // All tiles of an image, band by band; of as many images as make a panel.
  std::vector<WinogradTile> tiles_;
  std::vector<int64_t> first_tile_;  // by band, and the end
  int64_t panel_images_ = 1;
};

}  // namespace csc::onednn

#endif  // CSC_SOLVERS_ENGINES_ONEDNN_WINOGRAD_H_
