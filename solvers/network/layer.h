// What a layer of the contract does with its constants and its input: checks,
// shapes, and the program it stands for.

#ifndef CSC_SOLVERS_NETWORK_LAYER_H_
#define CSC_SOLVERS_NETWORK_LAYER_H_

#include <string>
#include <vector>

#include "solvers/network/operator.h"
#include "solvers/program/program.h"
#include "solvers/tensor.h"

namespace csc {

// The contract's names of a layer's constants, in order: {"F", "b", "c"}.
std::vector<std::string> ParameterNames(const LayerSpec& layer);

// Checks constants against the contract and brings their sizes into its form
// (a one-element constant of any rank becomes [1], N x 1 becomes [N]; F keeps
// [w, C, kh, kw]). Throws Error naming the constant, the value found and the
// value expected: sizes that do not fit each other, NaN or infinity, negative
// two-sided thresholds.
void CheckParameters(const LayerSpec& layer, std::vector<Tensor>* parameters);

// NCHW sizes of the layer's output. A zero batch, height or width (a size not
// known yet) gives zero where it matters. Throws Error for sizes that do not
// fit. `parameters` holds the sizes of the constants.
Dims OutputDims(const LayerSpec& layer, const std::vector<Dims>& parameters, const Dims& input);

struct BuildOptions {
  // Batch normalisation with batch statistics before every scale and
  // threshold. The scales `a` are then required (LayeredThreshold takes one
  // after b) and stand for gamma, and -b for beta.
  bool normalise = false;
  double epsilon = 1e-5;
  // The step of a ResCsc is 0 and stays 0: what it multiplies is left out.
  bool zero_step = false;
};

// Whether these constants have a step of 0 that BuildLayer may count on, as a
// ResNet block has. False where they come without values.
bool HasZeroStep(const LayerSpec& layer, const Tensor* parameters);

// Appends the layer to `program` and returns its output. `parameters` are the
// numbers of its constants in the program, in order; their sizes must have
// passed CheckParameters. Lasso, which iterates until converged, is no
// program: see algorithms/lasso.h.
ValueId BuildLayer(const LayerSpec& layer, const std::vector<int>& parameters, ValueId x,
                   Program* program, const BuildOptions& options = {});

}  // namespace csc

#endif  // CSC_SOLVERS_NETWORK_LAYER_H_
