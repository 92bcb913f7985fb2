#include "training/models/largest_eigenvalue.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <complex>
#include <numeric>
#include <vector>

namespace csc {

namespace {

using Complex = std::complex<double>;

constexpr double kCycle = 2 * M_PI;

// A matrix of the filters' response to the waves that one wave of codes makes.
struct Response {
  int64_t w;
  int64_t columns;
  std::vector<Complex> entries;  // [w, columns]
};

// Phases that no structure of filters is orthogonal to: all ones would be blind
// to filters whose channels sum to zero.
std::vector<Complex> Start(int64_t columns) {
  std::vector<Complex> x(columns);
  for (int64_t i = 0; i < columns; ++i) {
    x[i] = std::polar(1.0, std::fmod(0.61803398875 * static_cast<double>(i * i + i), 1.0) * kCycle);
  }
  return x;
}

// Squared norm of the largest singular vector's image, by power iteration from
// *x; approaches the largest eigenvalue of the Gram matrix from below. Leaves
// the vector reached in *x.
double PowerIteration(const Response& response, int steps, std::vector<Complex>* x) {
  std::vector<Complex> y(response.w);
  double value = 0;
  for (int step = 0; step < steps; ++step) {
    double norm = 0;
    for (const Complex& v : *x) norm += std::norm(v);
    if (norm == 0) return 0;
    const double before = value;
    value = 0;
    for (int64_t k = 0; k < response.w; ++k) {
      const Complex* row = response.entries.data() + k * response.columns;
      Complex sum = 0;
      for (int64_t i = 0; i < response.columns; ++i) sum += row[i] * (*x)[i];
      y[k] = sum / std::sqrt(norm);
      value += std::norm(y[k]);
    }
    if (value - before <= 1e-6 * value) break;
    std::fill(x->begin(), x->end(), 0.0);
    for (int64_t k = 0; k < response.w; ++k) {
      const Complex* row = response.entries.data() + k * response.columns;
      for (int64_t i = 0; i < response.columns; ++i) (*x)[i] += std::conj(row[i]) * y[k];
    }
  }
  return value;
}

class Dictionary {
 public:
  Dictionary(const Tensor& filters, const Geometry& geometry) : filters_(filters) {
    // Neighbouring codes lie `stride` pixels apart and taps `dilation`, so that
    // their atoms meet at every stride / gcd-th tap: the dictionary falls into
    // parts that look alike, with that stride and no dilation. Strides past the
    // kernel, where atoms do not meet at all, change nothing more.
    for (int axis = 0; axis < 2; ++axis) {
      const int64_t s = geometry.strides[axis];
      strides_[axis] = std::min(s / std::gcd(s, geometry.dilations[axis]), filters.dims[2 + axis]);
    }
  }

  // For codes that wave with u and v cycles from one to the next. With a
  // stride, several waves of the image look alike from the codes' positions;
  // each takes its share.
  Response At(double u, double v) const {
    const Dims& d = filters_.dims;
    const int64_t aliases = strides_[0] * strides_[1];
    Response response = {d[0], d[1] * aliases, {}};
    response.entries.resize(d[0] * d[1] * aliases);
    const double share = 1 / std::sqrt(static_cast<double>(aliases));
    for (int64_t alias = 0; alias < aliases; ++alias) {
      const double row = (u + static_cast<double>(alias / strides_[1])) / strides_[0];
      const double column = (v + static_cast<double>(alias % strides_[1])) / strides_[1];
      std::vector<Complex> waves;
      for (int64_t t = 0; t < d[2] * d[3]; ++t) {
        waves.push_back(std::polar(share, kCycle * (row * (t / d[3]) + column * (t % d[3]))));
      }
      const float* src = filters_.data.data();
      for (int64_t i = 0; i < d[0] * d[1]; ++i) {
        Complex entry = 0;
        for (const Complex& wave : waves) entry += wave * static_cast<double>(*src++);
        response.entries[i * aliases + alias] = entry;
      }
    }
    return response;
  }

 private:
  const Tensor& filters_;
  std::array<int64_t, 2> strides_;
};

// A frequency, and what was found there.
struct Peak {
  double value = 0;
  double u = 0;
  double v = 0;
  std::vector<Complex> vector;
};

// Uphill from `peak`, in ever smaller steps from half a grid's spacing.
Peak Climb(const Dictionary& dictionary, double spacing, Peak peak) {
  constexpr int kSteps = 3;  // the vector changes little from one to the next
  for (double step = spacing / 2; step > spacing / 10; step /= 2) {
    const Peak centre = peak;
    for (int direction = 0; direction < 9; ++direction) {
      if (direction == 4) continue;  // the centre
      Peak here = {0, centre.u + step * (direction / 3 - 1), centre.v + step * (direction % 3 - 1),
                   centre.vector};
      here.value = PowerIteration(dictionary.At(here.u, here.v), kSteps, &here.vector);
      if (here.value > peak.value) peak = std::move(here);
    }
  }
  return peak;
}

}  // namespace

double LargestEigenvalue(const Tensor& filters, const Geometry& geometry) {
  constexpr int kRoughSteps = 6;
  constexpr int kSteps = 50;
  constexpr size_t kPeaks = 4;  // one alone misses up to a tenth now and then
  const Dictionary dictionary(filters, geometry);
  // Eight samples a cycle see what 3 x 3 filters do; longer ones turn faster.
  const int64_t longest = std::max(filters.dims[2], filters.dims[3]);
  const int grid = static_cast<int>(std::clamp<int64_t>(4 * (longest - 1), 8, 24));
  std::vector<Peak> peaks;
  // Real filters respond alike to a frequency and its negative.
  for (int u = 0; u <= grid / 2; ++u) {
    for (int v = 0; v < grid; ++v) {
      Peak here = {0, double(u) / grid, double(v) / grid, {}};
      const Response response = dictionary.At(here.u, here.v);
      here.vector = Start(response.columns);
      here.value = PowerIteration(response, kRoughSteps, &here.vector);
      peaks.push_back(std::move(here));
      std::sort(peaks.begin(), peaks.end(),
                [](const Peak& a, const Peak& b) { return a.value > b.value; });
      if (peaks.size() > kPeaks) peaks.pop_back();
    }
  }
  Peak highest;
  for (Peak& peak : peaks) {
    peak = Climb(dictionary, 1.0 / grid, std::move(peak));
    if (peak.value >= highest.value) highest = std::move(peak);
  }
  return PowerIteration(dictionary.At(highest.u, highest.v), kSteps, &highest.vector);
}

}  // namespace csc
