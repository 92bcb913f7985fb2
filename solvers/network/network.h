// A whole feed-forward network as data: its layers and their constants.

#ifndef CSC_SOLVERS_NETWORK_NETWORK_H_
#define CSC_SOLVERS_NETWORK_NETWORK_H_

#include <string>
#include <vector>

#include "solvers/network/layer.h"
#include "solvers/network/operator.h"
#include "solvers/program/program.h"
#include "solvers/tensor.h"

namespace csc {

// Layers in execution order, each fed by the one before. `parameters` holds
// the constants of all layers in execution order.
struct Network {
  std::vector<LayerSpec> layers;
  std::vector<Tensor> parameters;
};

// The `spec` attribute of csc.Network: a JSON object
//
//   {"format": "csc-network", "version": 1, "layers": [
//     {"op": "MsdCsc", "parameters": 4, "dilations": [2, 2], ...}, ...]}
//
// with each layer's operator, the number of its constants and its attributes.
// The version is the oldest that knows all of its layers: version 2 added
//
// DenseCsc, the joint pursuit of the layers of a dense block. Constants F_1, b_1,
// c_1 [, a_1], F_2, ... of L layers, with F_i [w_i, n_{i-1}, kh, kw] of odd
// kernels, n_0 the input's channels, n_i = n_{i-1} + w_i; b_i [1], [n_i] or
// [unfolding + 1, n_i], c_i [1] or [unfolding + 1], a_i [n_i] or [unfolding + 1,
// n_i], for all layers or for none. Attributes: `layers` = L (required),
// `layer_dilations` (L ints, ones), `unfolding` = 0, `algorithm` = "ista". It is
// MlCsc with A_i g = [g ; F_i g] in place of F_i, pads that keep the size, and
// the scales a_i: see solvers/algorithms/joint_pursuit.h.
std::string WriteSpec(const std::vector<LayerSpec>& layers);

// Throws Error naming the layer and what is wrong: no JSON, another format, a
// newer version, an unknown operator or attribute.
std::vector<LayerSpec> ReadSpec(const std::string& spec);

// CheckParameters for every layer, their number included. Errors name the
// layer: "layer 3 (MsdCsc): b has ...".
void CheckNetwork(Network* network);

// OutputDims of the whole network.
Dims OutputDims(const Network& network, const Dims& input);

// HasZeroStep of every layer.
std::vector<bool> ZeroSteps(const Network& network);

// The network's program for inputs of shape [C, H, W]: one input, one output,
// and one parameter for each constant, in order. It leaves out what steps of 0
// multiply, so other constants fit it as long as their ZeroSteps are the same.
Program BuildProgram(const Network& network, const Shape& input);

// The constants of a network in the order of its program's flat array.
std::vector<float> FlattenParameters(const Network& network);

}  // namespace csc

#endif  // CSC_SOLVERS_NETWORK_NETWORK_H_
