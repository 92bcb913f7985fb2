// A proven upper bound of lambda_max(F F^T), from the frequency response.

#include <algorithm>
#include <cmath>
#include <complex>
#include <vector>

#include "solvers/algorithms/lasso.h"
#include "solvers/error.h"

namespace csc {

namespace {

using Complex = std::complex<double>;
constexpr double kPi = 3.14159265358979323846;

// ||F||^2 <= (largest column sum) * (largest row sum): the Schur test.
double SchurBound(const Tensor& filters) {
  const Dims& d = filters.dims;
  const int64_t taps = d[2] * d[3];
  std::vector<double> by_filter(d[0]), by_channel(d[1]);
  for (int64_t k = 0; k < d[0]; ++k) {
    for (int64_t c = 0; c < d[1]; ++c) {
      for (int64_t t = 0; t < taps; ++t) {
        const double value = std::abs(double{filters.data[(k * d[1] + c) * taps + t]});
        by_filter[k] += value;
        by_channel[c] += value;
      }
    }
  }
  return *std::max_element(by_filter.begin(), by_filter.end()) *
         *std::max_element(by_channel.begin(), by_channel.end());
}

// The filters' response at one frequency, as the smaller of its two Gram
// matrices: Hermitian, positive semidefinite, n x n, same largest eigenvalue.
std::vector<Complex> GramAt(const Tensor& filters, double omega_h, double omega_w) {
  const Dims& d = filters.dims;
  std::vector<Complex> response(d[0] * d[1]);
  for (int64_t kh = 0; kh < d[2]; ++kh) {
    for (int64_t kw = 0; kw < d[3]; ++kw) {
      const Complex wave = std::polar(1.0, omega_h * kh + omega_w * kw);
      for (size_t i = 0; i < response.size(); ++i) {
        response[i] += wave * double{filters.data[(i * d[2] + kh) * d[3] + kw]};
      }
    }
  }
  const bool by_filter = d[0] <= d[1];
  const int64_t n = by_filter ? d[0] : d[1];
  const int64_t inner = by_filter ? d[1] : d[0];
  std::vector<Complex> gram(n * n);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      Complex sum = 0;
      for (int64_t k = 0; k < inner; ++k) {
        const Complex a = by_filter ? response[i * inner + k] : response[k * n + i];
        const Complex b = by_filter ? response[j * inner + k] : response[k * n + j];
        sum += a * std::conj(b);
      }
      gram[i * n + j] = sum;
    }
  }
  return gram;
}

// lambda_max <= trace(G^p)^(1/p), tighter as p = 1, 2, 4, ... doubles. Stops
// as soon as the bound is at most `enough`.
double EigenvalueBound(std::vector<Complex> gram, double enough) {
  const int64_t n = static_cast<int64_t>(std::lround(std::sqrt(gram.size())));
  double log_scale = 0;  // gram = G^p / exp(log_scale)
  double bound = 0;
  std::vector<Complex> square(gram.size());
  for (int power = 1; power <= 1024; power *= 2) {
    double trace = 0;
    for (int64_t i = 0; i < n; ++i) trace += gram[i * n + i].real();
    if (trace <= 0) return 0;
    bound = std::exp((std::log(trace) + log_scale) / power);
    if (bound <= enough || n == 1) return bound;
    for (Complex& entry : gram) entry /= trace;
    log_scale += std::log(trace);
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        Complex sum = 0;
        for (int64_t k = 0; k < n; ++k) sum += gram[i * n + k] * gram[k * n + j];
        square[i * n + j] = sum;
      }
    }
    gram.swap(square);
    log_scale *= 2;
  }
  return bound;
}

}  // namespace

double DictionaryBound(const Tensor& filters, const Geometry& geometry) {
  const Dims& d = filters.dims;
  Require(d.size() == 4, "filters have sizes {}: [w, C, kh, kw] expected", ToString(d));
  (void)geometry;  // dilation leaves the supremum as it is, strides lower it
  const double schur = SchurBound(filters);

  // v^H G(omega) v is a trigonometric polynomial of degree k - 1 in each
  // frequency. Between M > 2 (k - 1) equispaced samples it exceeds the largest
  // sample at most by the factor 1 / cos(pi (k - 1) / M) (Ehlich and Zeller).
  std::array<int64_t, 2> samples;
  double factor = 1;
  for (int axis = 0; axis < 2; ++axis) {
    const int64_t degree = d[2 + axis] - 1;
    samples[axis] = degree == 0 ? 1 : 16 * degree;
    if (degree > 0) factor /= std::cos(kPi * degree / samples[axis]);
  }
  const int64_t n = std::min(d[0], d[1]);
  const double work = static_cast<double>(samples[0]) * samples[1] *
                      (static_cast<double>(NumElements(d)) + d[0] * d[1] * n);
  if (work > 2e9) return schur * (1 + 1e-6);  // seconds; the bound is looser

  double largest = 0;
  for (int64_t i = 0; i <= samples[0] / 2; ++i) {  // G(-omega) = conj G(omega)
    for (int64_t j = 0; j < samples[1]; ++j) {
      largest = std::max(largest, EigenvalueBound(GramAt(filters, 2 * kPi * i / samples[0],
                                                         2 * kPi * j / samples[1]),
                                                  largest));
    }
  }
  return std::min(largest * factor, schur) * (1 + 1e-6);  // and rounding
}

}  // namespace csc
