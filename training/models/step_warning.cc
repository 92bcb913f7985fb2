// Whether the pursuits of a model contract.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <complex>

#include "training/models/model.h"

namespace csc {

namespace {

using Complex = std::complex<double>;

// Squared norm of the largest singular vector's image, by a few steps of power
// iteration on `response` [w, C]; approaches the largest eigenvalue of its
// Gram matrix from below.
double PowerIteration(const std::vector<Complex>& response, int64_t w, int64_t c) {
  std::vector<Complex> x(c, 1.0);
  std::vector<Complex> y(w);
  double value = 0;
  for (int step = 0; step < 6; ++step) {
    double norm = 0;
    for (const Complex& v : x) norm += std::norm(v);
    if (norm == 0) return 0;
    value = 0;
    for (int64_t k = 0; k < w; ++k) {
      Complex sum = 0;
      for (int64_t i = 0; i < c; ++i) sum += response[k * c + i] * x[i];
      y[k] = sum / std::sqrt(norm);
      value += std::norm(y[k]);
    }
    std::fill(x.begin(), x.end(), 0.0);
    for (int64_t k = 0; k < w; ++k) {
      for (int64_t i = 0; i < c; ++i) {
        x[i] += std::conj(response[k * c + i]) * y[k];
      }
    }
  }
  return value;
}

// lambda_max(F F^T) for large images and stride 1, estimated from below on a
// grid of frequencies: good to a few percent, in a fraction of a second for
// the largest networks, where the proven csc::DictionaryBound takes minutes.
// Dilation only stretches the frequencies.
double LargestEigenvalue(const Tensor& filters) {
  constexpr int kGrid = 8;
  const Dims& d = filters.dims;
  const int64_t taps = d[2] * d[3];
  double largest = 0;
  // Real filters respond alike to a frequency and its negative.
  for (int u = 0; u <= kGrid / 2; ++u) {
    for (int v = 0; v < kGrid; ++v) {
      std::vector<Complex> waves;
      for (int64_t t = 0; t < taps; ++t) {
        const double cycles = static_cast<double>(u * (t / d[3]) + v * (t % d[3])) / kGrid;
        waves.push_back(std::polar(1.0, 2 * M_PI * cycles));
      }
      std::vector<Complex> response(d[0] * d[1]);
      const float* src = filters.data.data();
      for (Complex& entry : response) {
        for (const Complex& wave : waves) {
          entry += wave * static_cast<double>(*src++);
        }
      }
      largest = std::max(largest, PowerIteration(response, d[0], d[1]));
    }
  }
  return largest;
}

}  // namespace

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
    // Filters are followed by b and c: in ResCsc those of F2, in MlCsc those of
    // every pursued layer.
    const int begin = layer.first + (residual ? 2 : 0);
    const int end = layer.spec.op == "MlCsc" ? begin + layer.count : begin + 1;
    for (int f = begin; f < end; f += 3) {
      const float value = parameters[offsets[f + 2]];
      const double c = residual ? -value : value;  // Eq. 5 adds c F2^T s
      if (c == 0) continue;
      ++total;
      const Tensor filters = {
          model.parameters[f].dims,
          {parameters.begin() + offsets[f], parameters.begin() + offsets[f + 1]}};
      // The dictionary of MSD-CSC is [I, F^T].
      const double largest = LargestEigenvalue(filters) + (layer.spec.op == "MsdCsc" ? 1 : 0);
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
