// Pools and shortcuts: what changes height and width without filters.

#include <algorithm>
#include <cmath>
#include <vector>

#include "solvers/engines/reference/instructions.h"
#include "solvers/engines/reference/loops.h"

namespace csc::reference {

template <typename T>
void MaxPool(const Instruction& i, Machine<T>* m) {
  const Batch<T>& x = m->values[i.terms[0].value];
  Batch<T>& y = m->values[i.result];
  std::fill(y.data.begin(), y.data.end(), -static_cast<T>(INFINITY));
  for (int64_t n = 0; n < m->batch; ++n) {
    for (int64_t c = 0; c < y.shape.channels; ++c) {
      ForEachTap(i.geometry, x.shape, y.shape,
                 [&](int64_t a, int64_t b, int64_t, int64_t, int64_t h, int64_t w) {
                   const T candidate = x.at(n, c, h, w);
                   T& best = y.at(n, c, a, b);
                   if (candidate > best || std::isnan(candidate)) {
                     best = candidate;
                   }
                 });
    }
  }
}

template <typename T>
void MaxPoolAdjoint(const Instruction& i, Machine<T>* m) {
  const Batch<T>& dy = m->values[i.terms[0].value];
  const Batch<T>& x = m->values[i.terms[1].value];
  const Batch<T>& y = m->values[i.terms[2].value];
  Batch<T>& dx = m->values[i.result];
  std::fill(dx.data.begin(), dx.data.end(), T{0});
  std::vector<char> given(dy.shape.height * dy.shape.width);
  for (int64_t n = 0; n < m->batch; ++n) {
    for (int64_t c = 0; c < y.shape.channels; ++c) {
      std::fill(given.begin(), given.end(), 0);
      ForEachTap(i.geometry, x.shape, y.shape,
                 [&](int64_t a, int64_t b, int64_t, int64_t, int64_t h, int64_t w) {
                   char& done = given[a * dy.shape.width + b];
                   if (done || x.at(n, c, h, w) != y.at(n, c, a, b)) return;
                   done = 1;
                   dx.at(n, c, h, w) += dy.at(n, c, a, b);
                 });
    }
  }
}

template <typename T>
void AveragePool(const Instruction& i, Machine<T>* m) {
  const Batch<T>& x = m->values[i.terms[0].value];
  Batch<T>& y = m->values[i.result];
  const double area = static_cast<double>(i.geometry.kernel[0] * i.geometry.kernel[1]);
  for (int64_t n = 0; n < m->batch; ++n) {
    for (int64_t c = 0; c < y.shape.channels; ++c) {
      std::vector<double> sum(y.shape.height * y.shape.width);
      ForEachTap(i.geometry, x.shape, y.shape,
                 [&](int64_t a, int64_t b, int64_t, int64_t, int64_t h, int64_t w) {
                   sum[a * y.shape.width + b] += x.at(n, c, h, w);
                 });
      for (size_t k = 0; k < sum.size(); ++k) {
        (&y.at(n, c, 0, 0))[k] = static_cast<T>(sum[k] / area);
      }
    }
  }
}

template <typename T>
void AveragePoolAdjoint(const Instruction& i, Machine<T>* m) {
  const Batch<T>& dy = m->values[i.terms[0].value];
  Batch<T>& dx = m->values[i.result];
  std::fill(dx.data.begin(), dx.data.end(), T{0});
  const T area = static_cast<T>(i.geometry.kernel[0] * i.geometry.kernel[1]);
  for (int64_t n = 0; n < m->batch; ++n) {
    for (int64_t c = 0; c < dx.shape.channels; ++c) {
      ForEachTap(i.geometry, dx.shape, dy.shape,
                 [&](int64_t a, int64_t b, int64_t, int64_t, int64_t h, int64_t w) {
                   dx.at(n, c, h, w) += dy.at(n, c, a, b) / area;
                 });
    }
  }
}

template <typename T>
void Shortcut(const Instruction& i, Machine<T>* m) {
  const Batch<T>& x = m->values[i.terms[0].value];
  Batch<T>& y = m->values[i.result];
  const auto& s = i.geometry.strides;
  ForEachElement(m->batch, y.shape, [&](int64_t n, int64_t c, int64_t h, int64_t w) {
    y.at(n, c, h, w) = c < x.shape.channels ? x.at(n, c, h * s[0], w * s[1]) : T{0};
  });
}

template <typename T>
void ShortcutAdjoint(const Instruction& i, Machine<T>* m) {
  const Batch<T>& dy = m->values[i.terms[0].value];
  Batch<T>& dx = m->values[i.result];
  const auto& s = i.geometry.strides;
  ForEachElement(m->batch, dx.shape, [&](int64_t n, int64_t c, int64_t h, int64_t w) {
    const bool taken = h % s[0] == 0 && w % s[1] == 0;
    dx.at(n, c, h, w) = taken ? dy.at(n, c, h / s[0], w / s[1]) : T{0};
  });
}

template void MaxPool(const Instruction&, Machine<float>*);
template void MaxPool(const Instruction&, Machine<double>*);
template void MaxPoolAdjoint(const Instruction&, Machine<float>*);
template void MaxPoolAdjoint(const Instruction&, Machine<double>*);
template void AveragePool(const Instruction&, Machine<float>*);
template void AveragePool(const Instruction&, Machine<double>*);
template void AveragePoolAdjoint(const Instruction&, Machine<float>*);
template void AveragePoolAdjoint(const Instruction&, Machine<double>*);
template void Shortcut(const Instruction&, Machine<float>*);
template void Shortcut(const Instruction&, Machine<double>*);
template void ShortcutAdjoint(const Instruction&, Machine<float>*);
template void ShortcutAdjoint(const Instruction&, Machine<double>*);

}  // namespace csc::reference
