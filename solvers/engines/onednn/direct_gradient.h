// A filter gradient as sums of products in the order of images and positions: exact on
// small integers. Positions whose input a tap has in the pads cost nothing.
//
// It comes in parts, of one block of the image and a few of the code, which do not depend
// on each other: workers may share them.

#ifndef CSC_SOLVERS_ENGINES_ONEDNN_DIRECT_GRADIENT_H_
#define CSC_SOLVERS_ENGINES_ONEDNN_DIRECT_GRADIENT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "solvers/engines/onednn/banded_map.h"
#include "solvers/engines/onednn/gradient_map.h"

namespace csc::onednn {

class DirectGradient : public GradientMap {
 public:
  // Of any shape; shape.images does not matter.
  explicit DirectGradient(const ConvolutionShape& shape);

  std::string Describe() const override { return "direct"; }
  int64_t gradient_floats() const override;
  int64_t gradient_scratch_floats(int64_t) const override { return 0; }
  void Accumulate(Plane image, Plane code, int64_t images, float scale, float* sums,
                  float* scratch) const override;
  void AddGradient(const float* sums, float* gradient) const override;

  int64_t num_parts() const;
  // The same for one part; `sums` are those of the whole.
  void ClearPart(int64_t part, float* sums) const;
  void AccumulatePart(int64_t part, Plane image, Plane code, int64_t images, float scale,
                      float* sums) const;
  void AddPart(int64_t part, const float* sums, float* gradient) const;

 private:
  // Positions [first, end) of a tap along an axis whose inputs are not in the pads.
  struct Range {
    int64_t first = 0, end = 0;
    int64_t first_input = 0;

    int64_t size() const { return end - first; }
  };
  struct Part {
    int64_t image_block, first_channel;  // of the image
    int channels;
    int64_t code_block;  // the first one
    int blocks;
    int64_t sums;  // offset: [taps][channels][blocks][lanes]
  };

  Part PartOf(int64_t part) const;
  Range RangeOf(int axis, int64_t tap) const;

  const Layout image_layout_, code_layout_;
  const MapGeometry geometry_;
  const std::vector<int> channels_;       // of each block of the image
  std::vector<int64_t> first_channels_;   // likewise
  std::vector<int64_t> channel_of_lane_;  // of the code; -1 for padding
  std::vector<Range> rows_, columns_;     // by a tap's row and column
};

}  // namespace csc::onednn

#endif  // CSC_SOLVERS_ENGINES_ONEDNN_DIRECT_GRADIENT_H_
