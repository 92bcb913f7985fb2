// A stride-1 analysis or synthesis by kernels of our own, on blocked values.
//
// Results come in bands of rows; what follows a map position by position can be
// done band by band, while the band is in the caches. Bands do not depend on each
// other, and a result's bits depend on nothing but its inputs.
//
// Ownership: filters, values and scratch memory belong to the caller. An object
// is immutable and serves any number of threads.

#ifndef CSC_SOLVERS_ENGINES_ONEDNN_BANDED_MAP_H_
#define CSC_SOLVERS_ENGINES_ONEDNN_BANDED_MAP_H_

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "solvers/engines/onednn/convolution.h"
#include "solvers/engines/onednn/kernels.h"

namespace csc::onednn {

// As a map's PackFilters arranges them, and those of the map that the caller runs next: a map
// may ask for them ahead, as filters of a whole network do not stay in a core's caches.
struct MapFilters {
  const float* packed = nullptr;
  const float* next = nullptr;
  int64_t next_floats = 0;
};

class BandedMap {
 public:
  // Of a shape at stride 1; shape.images does not matter.
  explicit BandedMap(const ConvolutionShape& shape);
  virtual ~BandedMap() = default;
  BandedMap(const BandedMap&) = delete;
  BandedMap& operator=(const BandedMap&) = delete;

  virtual std::string Describe() const = 0;
  virtual int64_t num_bands() const = 0;
  virtual int64_t filter_floats() const = 0;
  // That Run needs for so many images.
  virtual int64_t scratch_floats(int64_t images) const = 0;
  // Multiplications of an image, those of the results' padding lanes included.
  virtual double products() const = 0;

  // Arranges filters [w, C, kh, kw] as Run wants them.
  virtual void PackFilters(const float* filters, float* packed) const = 0;

  // Called when a part of the results is complete.
  using Finish = std::function<void(const ElementRange& part)>;
  // to = scale * map of `from`, for bands [first_band, end_band) of `images`
  // images.
  virtual void Run(Plane from, int64_t images, int64_t first_band, int64_t end_band,
                   const MapFilters& filters, float scale, Plane to, float* scratch,
                   const Finish& finish) const = 0;

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

  // Of each block those that are not padding.
  static std::vector<int> ChannelsOfBlocks(const Layout& layout);

  // Pairs of a result's position and a tap of its that does not fall into the pads.
  double TapsInside() const;

  // Of the forward convolution that is computed: a synthesis is the analysis by
  // flipped, transposed filters, pads d (k - 1) - p.
  const bool synthesis_;
  const Layout in_, out_;
  const Shape in_shape_, out_shape_;
  const std::array<int64_t, 2> kernel_, dilations_;
  std::array<int64_t, 2> pads_;  // top, left
  std::vector<int> channels_;    // of each input block that are not padding
  int64_t inner_ = 0;            // their sum
};

}  // namespace csc::onednn

#endif  // CSC_SOLVERS_ENGINES_ONEDNN_BANDED_MAP_H_
