// A direct convolution to so few channels that they would leave most lanes of their
// block empty, as a synthesis to an image's three colours does. The filters' taps
// take the lanes: every pixel of the input is multiplied by all of them at once, and
// a result is the sum of its taps' products, which lie at their pixels.

#ifndef CSC_SOLVERS_ENGINES_ONEDNN_TAP_LANES_H_
#define CSC_SOLVERS_ENGINES_ONEDNN_TAP_LANES_H_

#include <cstdint>
#include <vector>

#include "solvers/engines/onednn/direct_tiles.h"

namespace csc::onednn {

class TapLanes {
 public:
  // Whether that saves at least half of the products.
  static bool Pays(const MapGeometry& geometry, int block, int64_t results);

  // `channels`: of each block of inputs, that are not padding; `results`: channels.
  TapLanes(const MapGeometry& geometry, int block, std::vector<int> channels, int64_t results);

  int64_t filter_floats() const { return inner_ * lanes_; }
  int64_t scratch_floats() const;
  // Of an image.
  double products() const;

  // Where the filter of an input channel, result and tap lies in packed filters;
  // the others are 0.
  int64_t FilterOffset(int64_t channel, int64_t result, int64_t tap) const;

  // Rows [first_row, end_row) of an image's block of results. `continues`: the last
  // call with this scratch memory was for the same image's rows before them.
  void Run(const float* image, int64_t first_row, int64_t end_row, bool continues,
           const float* packed_filters, float scale, float* results, float* scratch) const;

 private:
  // The first row of inputs that no result before `row` needs, and the end of those
  // that they need.
  int64_t FirstInput(int64_t row) const;
  int64_t EndInput(int64_t row) const;
  void Multiply(const float* image, int64_t first_row, int64_t end_row, const float* filters,
                float* scratch) const;
  void AddTaps(int64_t row, float scale, float* results, const float* scratch) const;

  const MapGeometry geometry_;
  const int block_;
  const std::vector<int> channels_;
  const int64_t results_;
  int64_t inner_ = 0;  // channels of inputs
  int64_t lanes_;      // for all taps, whole blocks
  int64_t kept_rows_;  // of products
  // By column of the results: of the filters' columns that fall on inputs the first one's
  // products, from the row's, and their number.
  std::vector<int32_t> first_products_, columns_;
};

}  // namespace csc::onednn

#endif  // CSC_SOLVERS_ENGINES_ONEDNN_TAP_LANES_H_
