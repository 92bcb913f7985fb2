// The paper's models, ready to be trained.
//
// A Model is data: the layers as the frozen network will have them, and a list
// of parameters with what training must know of each. Parameter values live
// outside, in one flat array in the order of `parameters`, which is also the
// order of the training program's.

#ifndef CSC_TRAINING_MODELS_MODEL_H_
#define CSC_TRAINING_MODELS_MODEL_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "solvers/network/network.h"
#include "solvers/tensor.h"

namespace csc {

// What a user may ask for. Unset members mean the model's default, which
// ResolveOptions fills in.
struct ModelOptions {
  std::string model = "msd_csc";
  std::optional<int> depth;      // layers, the fully connected one aside
  std::optional<int> width;      // filters of a layer, or of the first
  std::optional<int> unfolding;  // steps after the first
  std::string algorithm = "fista";
  std::string normalisation;       // "none", "batch" or "" (the default)
  std::optional<double> step;      // where c starts
  std::optional<bool> learn_step;  // whether c is trained
  bool threshold_identity = true;  // MSD-CSC: S+ on the identity channels too
  // Filters start normal with this over sqrt(fan-in) as standard deviation.
  std::optional<double> filter_scale;
};

// What a parameter is decides about its weight decay and projection.
enum class Role { kFilters, kThreshold, kStep, kScale };

struct ModelParameter {
  std::string name;  // "layer2.F"
  Dims dims;
  Role role = Role::kFilters;
  bool trainable = true;
  bool nonnegative = false;  // kept >= 0: two-sided thresholds
  // Start: normal with this standard deviation, else the constant.
  double deviation = 0;
  double constant = 0;

  int64_t size() const { return NumElements(dims); }
};

// Parameters [first, first + count) belong to the layer: its constants in the
// contract's order and, for a normalised LayeredThreshold, its scale a after
// them.
struct ModelLayer {
  LayerSpec spec;  // of the frozen layer
  int first = 0;
  int count = 0;
  bool normalise = false;  // batch normalisation before scale and threshold
};

struct Model {
  ModelOptions options;  // resolved
  Shape input;
  int64_t classes = 0;
  std::vector<ModelLayer> layers;
  std::vector<ModelParameter> parameters;

  int64_t parameter_size() const;        // entries of the flat array
  int64_t trainable_parameters() const;  // of these, the trained ones
};

// Added to the variance before the square root is taken.
inline constexpr double kEpsilon = 1e-5;

// Names for --model.
const std::vector<std::string>& ModelNames();

// Fills in the defaults and checks the rest. Throws Error.
ModelOptions ResolveOptions(const ModelOptions& options);

// Layouts are those of the paper (README.md has the table); pools that the
// image is too small for are left out. Throws Error.
Model MakeModel(const ModelOptions& options, const Shape& input, int64_t classes);

// The flat array training starts from.
std::vector<float> InitialParameters(const Model& model, uint64_t seed);

// One line on the layers whose c is too large (c lambda_max > 2), or of the
// wrong sign, for their iteration to contract; empty when there are none.
std::string StepWarning(const Model& model, const std::vector<float>& parameters);

}  // namespace csc

#endif  // CSC_TRAINING_MODELS_MODEL_H_
