// An analysis or synthesis by kernels of our own, on blocked values.
//
// Results come in bands of rows and groups of blocks; what follows a map position
// by position can be done part by part, while the part is in the caches. Parts do
// not depend on each other, and a result's bits depend on nothing but its inputs.
//
// Ownership: filters, values and scratch memory belong to the caller. An object
// is immutable and serves any number of threads.

#ifndef CSC_SOLVERS_ENGINES_ONEDNN_BANDED_MAP_H_
#define CSC_SOLVERS_ENGINES_ONEDNN_BANDED_MAP_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "solvers/engines/onednn/convolution.h"
#include "solvers/engines/onednn/kernels.h"
#include "solvers/engines/onednn/map_geometry.h"

namespace csc::onednn {

// Some bands of rows of some groups of blocks of an image's results.
struct MapPart {
  int64_t first_band = 0, end_band = 0;
  int64_t first_group = 0, end_group = 0;
};

// As a map's PackFilters arranges them, and those of the map that the caller runs next: a map
// may ask for them ahead, as filters of a whole network do not stay in a core's caches.
struct MapFilters {
  const float* packed = nullptr;
  const float* next = nullptr;
  int64_t next_floats = 0;
};

// Of a filter gradient that of its analysis.
MapGeometry GeometryOf(const ConvolutionShape& shape);

// Of each block those that are not padding.
std::vector<int> ChannelsOfBlocks(const Layout& layout);

class BandedMap {
 public:
  // shape.images does not matter.
  explicit BandedMap(const ConvolutionShape& shape);
  virtual ~BandedMap() = default;
  BandedMap(const BandedMap&) = delete;
  BandedMap& operator=(const BandedMap&) = delete;

  virtual std::string Describe() const = 0;
  virtual int64_t num_bands() const = 0;
  virtual int64_t num_groups() const = 0;
  virtual int64_t filter_floats() const = 0;
  // That Run needs for so many images.
  virtual int64_t scratch_floats(int64_t images) const = 0;
  // Multiplications of an image, those of the results' padding lanes included.
  virtual double products() const = 0;

  // Arranges filters [w, C, kh, kw] as Run wants them.
  virtual void PackFilters(const float* filters, float* packed) const = 0;

  // The whole of an image's results, and one of `parts` parts of about equal size for
  // workers that share it, at most most_parts().
  MapPart whole() const { return {0, num_bands(), 0, num_groups()}; }
  int64_t most_parts() const { return SharesGroups() ? num_groups() : num_bands(); }
  MapPart PartOf(int64_t part, int64_t parts) const;

  // Called when some of the results are complete.
  using Finish = std::function<void(const ElementRange& range)>;
  // to = scale * map of `from`, for a part of each of `images` images.
  virtual void Run(Plane from, int64_t images, const MapPart& part, const MapFilters& filters,
                   float scale, Plane to, float* scratch, const Finish& finish) const = 0;

 protected:
  // Calls body(filter's first tap, input channel, output lane), lanes in order.
  template <typename Body>
  void ForEachFilter(int64_t taps, const Body& body) const {
    const std::vector<int64_t> lanes = out_.LaneOfChannel();
    const int64_t outer = static_cast<int64_t>(lanes.size());
    for (int64_t channel = 0; channel < inner_; ++channel) {
      for (int64_t k = 0; k < outer; ++k) {
        const int64_t filter = synthesis_ ? channel * outer + k : k * inner_ + channel;
        body(filter * taps, channel, lanes[k]);
      }
    }
  }

  // Whether workers share an image by groups of blocks, of which each reads its filters
  // alone, rather than by bands, of which each reads its inputs alone.
  bool SharesGroups() const;

  const bool synthesis_;
  const Layout in_, out_;
  const MapGeometry geometry_;
  const std::vector<int> channels_;  // of each input block that are not padding
  const int64_t inner_;              // their sum
};

}  // namespace csc::onednn

#endif  // CSC_SOLVERS_ENGINES_ONEDNN_BANDED_MAP_H_
