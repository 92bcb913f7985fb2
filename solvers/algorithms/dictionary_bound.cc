// A proven upper bound of lambda_max(F F^T), from the frequency response.

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

#include "solvers/algorithms/lasso.h"
#include "solvers/error.h"

namespace csc {

namespace {

constexpr double kPi = 3.14159265358979323846;

// The filters of the same dictionary without strides. At stride s, pixels of
// equal position modulo s count as channels of their own, which leaves each
// tap k at position k / s of channel k mod s. A dilation prime to s only
// renames frequencies, and so does any at stride 1; what it has in common
// with s leaves out pixels that nothing touches.
Tensor WithoutStrides(const Tensor& filters, const Geometry& geometry) {
  const Dims& d = filters.dims;
  std::array<int64_t, 2> stride, phases, taps;
  for (int axis = 0; axis < 2; ++axis) {
    const int64_t kernel = d[2 + axis];
    stride[axis] =
        geometry.strides[axis] / std::gcd(geometry.strides[axis], geometry.dilations[axis]);
    phases[axis] = std::min(stride[axis], kernel);
    taps[axis] = (kernel + stride[axis] - 1) / stride[axis];
  }
  Tensor result;
  result.dims = {d[0], d[1] * phases[0] * phases[1], taps[0], taps[1]};
  result.data.resize(NumElements(result.dims));
  for (int64_t p = 0; p < d[0] * d[1]; ++p) {
    for (int64_t kh = 0; kh < d[2]; ++kh) {
      for (int64_t kw = 0; kw < d[3]; ++kw) {
        const int64_t channel = (p * phases[0] + kh % stride[0]) * phases[1] + kw % stride[1];
        result.data[(channel * taps[0] + kh / stride[0]) * taps[1] + kw / stride[1]] =
            filters.data[(p * d[2] + kh) * d[3] + kw];
      }
    }
  }
  return result;
}

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

// A complex n x m matrix by rows. Real and imaginary parts lie apart and inner
// loops run along rows, so that the compiler vectorises them.
struct Matrix {
  int64_t n = 0, m = 0;
  std::vector<double> re, im;

  Matrix(int64_t rows, int64_t columns)
      : n(rows), m(columns), re(rows * columns), im(rows * columns) {}
};

// a b, or a times the conjugate of b.
Matrix Product(const Matrix& a, const Matrix& b, bool conjugate_b) {
  Matrix c(a.n, b.m);
  const double sign = conjugate_b ? -1 : 1;
  for (int64_t i = 0; i < a.n; ++i) {
    double* re = &c.re[i * b.m];
    double* im = &c.im[i * b.m];
    for (int64_t k = 0; k < a.m; ++k) {
      const double x = a.re[i * a.m + k];
      const double y = a.im[i * a.m + k];
      const double* b_re = &b.re[k * b.m];
      const double* b_im = &b.im[k * b.m];
      for (int64_t j = 0; j < b.m; ++j) {
        re[j] += x * b_re[j] - sign * y * b_im[j];
        im[j] += y * b_re[j] + sign * x * b_im[j];
      }
    }
  }
  return c;
}

// The filters' response A at one frequency as the smaller of its two Gram
// matrices: Hermitian, positive semidefinite, same largest eigenvalue.
Matrix GramAt(const Tensor& filters, double omega_h, double omega_w) {
  const Dims& d = filters.dims;
  const bool by_filter = d[0] <= d[1];
  const int64_t n = by_filter ? d[0] : d[1];
  const int64_t inner = by_filter ? d[1] : d[0];
  std::vector<double> wave_re, wave_im;  // by tap
  for (int64_t kh = 0; kh < d[2]; ++kh) {
    for (int64_t kw = 0; kw < d[3]; ++kw) {
      wave_re.push_back(std::cos(omega_h * kh + omega_w * kw));
      wave_im.push_back(std::sin(omega_h * kh + omega_w * kw));
    }
  }
  const int64_t taps = d[2] * d[3];
  Matrix response(n, inner);
  Matrix transposed(inner, n);
  for (int64_t k = 0; k < d[0]; ++k) {
    for (int64_t c = 0; c < d[1]; ++c) {
      double re = 0;
      double im = 0;
      for (int64_t t = 0; t < taps; ++t) {
        const double value = filters.data[(k * d[1] + c) * taps + t];
        re += value * wave_re[t];
        im += value * wave_im[t];
      }
      const int64_t row = by_filter ? k : c;
      const int64_t column = by_filter ? c : k;
      response.re[row * inner + column] = transposed.re[column * n + row] = re;
      response.im[row * inner + column] = transposed.im[column * n + row] = im;
    }
  }
  return Product(response, transposed, /*conjugate_b=*/true);
}

// lambda_max <= trace(G^p)^(1/p), tighter as p = 1, 2, 4, ... doubles. Stops
// as soon as the bound is at most `enough`.
double EigenvalueBound(Matrix gram, double enough) {
  double log_scale = 0;  // gram = G^p / exp(log_scale)
  double bound = 0;
  for (int power = 1; power <= 1024; power *= 2) {
    double trace = 0;
    for (int64_t i = 0; i < gram.n; ++i) trace += gram.re[i * gram.n + i];
    if (trace <= 0) return 0;
    bound = std::exp((std::log(trace) + log_scale) / power);
    if (bound <= enough || gram.n == 1) return bound;
    for (double& entry : gram.re) entry /= trace;
    for (double& entry : gram.im) entry /= trace;
    log_scale = 2 * (log_scale + std::log(trace));
    gram = Product(gram, gram, /*conjugate_b=*/false);
  }
  return bound;
}

}  // namespace

double DictionaryBound(const Tensor& strided_filters, const Geometry& geometry) {
  Require(strided_filters.dims.size() == 4, "filters have sizes {}: [w, C, kh, kw] expected",
          ToString(strided_filters.dims));
  const Tensor filters = WithoutStrides(strided_filters, geometry);
  const Dims& d = filters.dims;
  const double schur = SchurBound(filters);

  // v^H G(omega) v is a trigonometric polynomial of degree k - 1 in each
  // frequency. Between M > 2 (k - 1) equispaced samples it exceeds the largest
  // sample at most by the factor 1 / cos(pi (k - 1) / M) (Ehlich and Zeller):
  // by 4 % in all for M = 16 (k - 1), by 17 % for 8, by 33 % for 6.
  const int64_t n = std::min(d[0], d[1]);
  std::array<int64_t, 2> samples = {0, 0};
  double factor = 1;
  for (int density : {16, 8, 6}) {
    factor = 1;
    for (int axis = 0; axis < 2; ++axis) {
      const int64_t degree = d[2 + axis] - 1;
      samples[axis] = std::max<int64_t>(density * degree, 1);
      factor /= std::cos(kPi * static_cast<double>(degree) / samples[axis]);
    }
    const double work = static_cast<double>(samples[0]) * samples[1] / 2 *
                        (4.0 * NumElements(d) + static_cast<double>(d[0]) * d[1] * n);
    if (work <= 2e9) break;                       // about two seconds
    if (density == 6) return schur * (1 + 1e-6);  // proven too, but loose
  }

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
