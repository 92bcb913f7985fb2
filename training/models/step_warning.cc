// Whether the pursuits of a model contract.

#include <fmt/format.h>

#include <cmath>

#include "training/models/largest_eigenvalue.h"
#include "training/models/model.h"

namespace csc {

std::string StepWarning(const Model& model, const std::vector<float>& parameters) {
  std::vector<int64_t> offsets = {0};
  for (const ModelParameter& p : model.parameters) {
    offsets.push_back(offsets.back() + p.size());
  }
  int total = 0;
  int outside = 0;
  double worst = -1;
  std::string worst_text;
  for (const ModelLayer& layer : model.layers) {
    const bool unrolled = layer.spec.Has("unfolding") && layer.spec.Int("unfolding") > 0;
    const bool residual = layer.spec.op == "ResCsc";
    if (!unrolled && !residual) continue;
    // Filters are followed by b and c: in ResCsc those of F2, in MlCsc and
    // DenseCsc those of every pursued layer.
    const bool joint = layer.spec.Has("layers");
    const int begin = layer.first + (residual ? 2 : 0);
    const int end = joint ? begin + layer.count : begin + 1;
    const int stride = joint ? ConstantsPerLayer(layer.spec) : 3;
    std::vector<Dims> dims;
    for (int i = layer.first; i < layer.first + layer.count; ++i) {
      dims.push_back(model.parameters[i].dims);
    }
    const std::vector<Geometry> geometries = LayerGeometries(layer.spec, dims);
    for (int f = begin; f < end; f += stride) {
      const float value = parameters[offsets[f + 2]];
      const double c = residual ? -value : value;  // Eq. 5 adds c F2^T s
      if (c == 0) continue;
      ++total;
      const Tensor filters = {
          model.parameters[f].dims,
          {parameters.begin() + offsets[f], parameters.begin() + offsets[f + 1]}};
      // The dictionary of MSD-CSC and of a dense block is [I, F^T].
      const bool identity = layer.spec.op == "MsdCsc" || layer.spec.op == "DenseCsc";
      const Geometry& geometry = residual ? geometries[1] : geometries[(f - begin) / stride];
      const double largest = LargestEigenvalue(filters, geometry) + (identity ? 1 : 0);
      if (0 <= c && c * largest <= 2) continue;
      ++outside;
      if (std::abs(c) * largest <= worst) continue;
      worst = std::abs(c) * largest;
      worst_text = fmt::format("{} = {:.3g} with lambda_max {:.3g}", model.parameters[f + 2].name,
                               value, largest);
    }
  }
  if (outside == 0) return "";
  return fmt::format(
      "the pursuit of {} of {} layers does not contract, which takes a c "
      "lambda_max in 0..2 (-2..0 for res_csc): {}; a smaller --step or "
      "--filter-scale helps",
      outside, total, worst_text);
}

}  // namespace csc
