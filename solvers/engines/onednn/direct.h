// Analysis and synthesis at stride 1 as sums of products in the order of the
// filters' taps: exact on small integers. Padding lanes of the input and taps
// that fall into the pads cost nothing.

#ifndef CSC_SOLVERS_ENGINES_ONEDNN_DIRECT_H_
#define CSC_SOLVERS_ENGINES_ONEDNN_DIRECT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "solvers/engines/onednn/banded_map.h"
#include "solvers/engines/onednn/direct_kernels.h"

namespace csc::onednn {

class Direct : public BandedMap {
 public:
  // Whether this machine computes a map of that shape so at all.
  static bool Supports(const ConvolutionShape& shape);

  explicit Direct(const ConvolutionShape& shape);

  std::string Describe() const override { return "direct"; }
  int64_t num_bands() const override;
  int64_t filter_floats() const override;
  int64_t scratch_floats(int64_t) const override { return 0; }
  void PackFilters(const float* filters, float* packed) const override;
  void Run(Plane from, int64_t images, int64_t first_band, int64_t end_band,
           const float* packed_filters, float scale, Plane to, float* scratch,
           const Finish& finish) const override;

 private:
  // Pixels of a row that are computed together, and taps of the filters' columns
  // that find inputs for the same of them.
  struct Stretch {
    int64_t first = 0, count = 0;  // pixels
    std::vector<int64_t> columns;  // of the filters
  };

  void MakeStretches();
  void RunRow(const float* image, int64_t row, int64_t block, const float* filters, int columns,
              float* results) const;

  const std::array<int64_t, 2> kernel_;
  std::vector<Stretch> stretches_;  // of a row
};

}  // namespace csc::onednn

#endif  // CSC_SOLVERS_ENGINES_ONEDNN_DIRECT_H_
