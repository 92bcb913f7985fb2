// Looks into a network: what each layer says of an image, and which piece of
// an image each of its codes stands for.

#ifndef CSC_SAMPLES_VISUALISE_INSPECT_H_
#define CSC_SAMPLES_VISUALISE_INSPECT_H_

#include <vector>

#include "solvers/engines/engine.h"
#include "solvers/network/network.h"
#include "solvers/tensor.h"

namespace csc {

// What one layer adds, one plane a filter.
struct LayerPlanes {
  size_t layer = 0;  // in network.layers
  Tensor planes;     // [w, H, W]
};

struct Codes {
  // Of every layer of the contract, in order. MSD-CSC layers pass their input
  // on: only their new channels are here.
  std::vector<LayerPlanes> layers;
  std::vector<float> scores;  // the network's output
};

// `image` holds [C, H, W] of shape `input`.
Codes ComputeCodes(const Engine& engine, const Network& network, const Shape& input,
                   const float* image);

// The picture that a single 1 in the middle of each of a layer's new channels
// stands for when it is synthesised down to the image, layer by layer: the
// columns of the effective dictionary D_1 D_2 ... D_i. A max-pool is undone by
// repeating. Planes are `size` x `size`, summed over the colours. Stops at the
// first layer that is no linear synthesis (MsdCsc, LayeredThreshold,
// LayeredPursuit and MaxPool are); throws Error when that is the first.
std::vector<LayerPlanes> EffectiveAtoms(const Engine& engine, const Network& network,
                                        int64_t channels, int64_t size);

}  // namespace csc

#endif  // CSC_SAMPLES_VISUALISE_INSPECT_H_
