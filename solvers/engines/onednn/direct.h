// Analysis and synthesis as sums of products in the order of input
// blocks, the filters' taps and channels: exact on small integers. Padding lanes
// of the input and taps that fall into the pads, or between inputs that lie apart, cost nothing.

#ifndef CSC_SOLVERS_ENGINES_ONEDNN_DIRECT_H_
#define CSC_SOLVERS_ENGINES_ONEDNN_DIRECT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "solvers/engines/onednn/banded_map.h"
#include "solvers/engines/onednn/direct_tiles.h"
#include "solvers/engines/onednn/tap_lanes.h"

namespace csc::onednn {

class Direct : public BandedMap {
 public:
  // Whether this machine computes a map of that shape so at all.
  static bool Supports(const ConvolutionShape& shape);

  explicit Direct(const ConvolutionShape& shape);

  std::string Describe() const override { return "direct"; }
  int64_t num_bands() const override { return tiling_.num_bands(); }
  int64_t num_groups() const override { return static_cast<int64_t>(groups_.size()); }
  int64_t filter_floats() const override { return filter_floats_; }
  int64_t scratch_floats(int64_t) const override { return scratch_floats_; }
  double products() const override;
  void PackFilters(const float* filters, float* packed) const override;
  void Run(Plane from, int64_t images, const MapPart& part, const MapFilters& filters, float scale,
           Plane to, float* scratch, const Finish& finish) const override;

 private:
  // Blocks of results that are computed together.
  struct Group {
    int64_t first = 0;  // block
    int columns = 0;
    int64_t filters = 0;                  // offset of its packed filters
    std::unique_ptr<TapLanes> tap_lanes;  // if the taps take the lanes
    int64_t scratch = 0;                  // offset of its scratch memory
  };

  void MakeGroups();
  // A group's results of some tiles; `from` and `to` begin with the row that the
  // tiles count from. Takes what it asks for ahead from the next filters.
  void RunTiles(const DirectTiles& tiles, Plane from, const Group& group, MapFilters* filters,
                float scale, Plane to) const;

  const DirectTiling tiling_;
  std::vector<Group> groups_;
  int64_t filter_floats_ = 0, scratch_floats_ = 0;
};

}  // namespace csc::onednn

#endif  // CSC_SOLVERS_ENGINES_ONEDNN_DIRECT_H_
