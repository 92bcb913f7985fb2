#include "training/report/coherence.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

namespace csc {

namespace {

// Filters scaled to unit length, laid out [taps, C, w] so that the innermost
// loop runs along the filters.
struct Atoms {
  int64_t w, channels, height, width;
  std::vector<double> values;

  const double* at(int64_t tap, int64_t channel) const {
    return values.data() + (tap * channels + channel) * w;
  }
};

Atoms Normalised(const Tensor& filters) {
  const Dims& d = filters.dims;
  Atoms atoms = {d[0], d[1], d[2], d[3], std::vector<double>(filters.data.size())};
  const int64_t taps = d[2] * d[3];
  const int64_t size = d[1] * taps;
  for (int64_t k = 0; k < d[0]; ++k) {
    const float* filter = filters.data.data() + k * size;
    double squares = 0;
    for (int64_t i = 0; i < size; ++i) squares += double{filter[i]} * filter[i];
    if (squares == 0) continue;  // stays zero: no inner product then counts
    const double norm = std::sqrt(squares);
    for (int64_t i = 0; i < size; ++i) {
      atoms.values[((i % taps) * d[1] + i / taps) * d[0] + k] = filter[i] / norm;
    }
  }
  return atoms;
}

// Adds to row[l] the inner product of atom k with atom l shifted by (y, x)
// taps.
void AddCorrelations(const Atoms& atoms, int64_t k, int64_t y, int64_t x, double* row) {
  for (int64_t i = std::max<int64_t>(y, 0); i < atoms.height + std::min<int64_t>(y, 0); ++i) {
    for (int64_t j = std::max<int64_t>(x, 0); j < atoms.width + std::min<int64_t>(x, 0); ++j) {
      const int64_t tap = i * atoms.width + j;
      const int64_t shifted = (i - y) * atoms.width + j - x;
      for (int64_t c = 0; c < atoms.channels; ++c) {
        const double weight = atoms.at(tap, c)[k];
        const double* others = atoms.at(shifted, c);
        for (int64_t l = 0; l < atoms.w; ++l) row[l] += weight * others[l];
      }
    }
  }
}

// The largest inner product of atom k with any other.
double LargestWith(const Atoms& atoms, int64_t k, const std::array<int64_t, 2>& strides) {
  double largest = 0;
  std::vector<double> row(atoms.w);
  for (int64_t y = 0; y < atoms.height; y += strides[0]) {
    const int64_t reach = (atoms.width - 1) / strides[1] * strides[1];
    // A shift and its negative exchange the two atoms: half of them will do.
    for (int64_t x = y == 0 ? 0 : -reach; x <= reach; x += strides[1]) {
      std::fill(row.begin(), row.end(), 0.0);
      AddCorrelations(atoms, k, y, x, row.data());
      for (int64_t l = y == 0 && x == 0 ? k + 1 : 0; l < atoms.w; ++l) {
        largest = std::max(largest, std::abs(row[l]));
      }
    }
  }
  return largest;
}

}  // namespace

double MutualCoherence(const Tensor& filters, const Geometry& geometry, bool identity,
                       Executor* executor) {
  const Atoms atoms = Normalised(filters);
  // Shifts in taps. Between them lie atoms whose taps never meet.
  std::array<int64_t, 2> strides;
  for (int axis = 0; axis < 2; ++axis) {
    strides[axis] =
        geometry.strides[axis] / std::gcd(geometry.strides[axis], geometry.dilations[axis]);
  }
  std::vector<double> largest(atoms.w);
  SerialExecutor serial;
  (executor == nullptr ? &serial : executor)->ParallelFor(atoms.w, [&](int64_t k, int) {
    largest[k] = LargestWith(atoms, k, strides);
  });
  double coherence = *std::max_element(largest.begin(), largest.end());
  if (identity) {
    for (double weight : atoms.values) coherence = std::max(coherence, std::abs(weight));
  }
  return coherence;
}

}  // namespace csc
