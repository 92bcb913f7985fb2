#include "solvers/engines/reference/instructions.h"

#include <algorithm>
#include <cmath>

#include "solvers/engines/reference/loops.h"
#include "solvers/error.h"

namespace csc::reference {

namespace {

template <typename T>
double ChannelEntry(const ChannelVector& v, int64_t channel, const Machine<T>& m) {
  const ParameterInfo& info = m.program->parameters()[v.parameter];
  return v.constant * (*m.parameters)[info.offset + v.offset + (v.count == 1 ? 0 : channel)];
}

double Shrunk(Shrink shrink, double z, double b) {
  switch (shrink) {
    case Shrink::kNone:
      return z - b;
    case Shrink::kSoft:
      return std::copysign(std::max(std::abs(z) - b, 0.0), z);
    case Shrink::kNonnegative:
      return std::max(z - b, 0.0);
  }
  return z;
}

template <typename T>
void Pointwise(const Instruction& i, Machine<T>* m) {
  Batch<T>& y = m->values[i.result];
  std::vector<double> coefficients;
  for (const Term& term : i.terms) {
    coefficients.push_back(CoefficientValue(term.coefficient, *m));
  }
  ForEachElement(m->batch, y.shape, [&](int64_t n, int64_t c, int64_t h, int64_t w) {
    double u = 0;
    for (size_t t = 0; t < i.terms.size(); ++t) {
      u += coefficients[t] * m->values[i.terms[t].value].at(n, c, h, w);
    }
    if (i.scale.present()) u *= ChannelEntry(i.scale, c, *m);
    const double b = i.threshold.present() ? ChannelEntry(i.threshold, c, *m) : 0;
    // std::max would turn a NaN into 0.
    y.at(n, c, h, w) = static_cast<T>(std::isnan(u) ? u : Shrunk(i.shrink, u, b));
  });
}

template <typename T>
void Mask(const Instruction& i, Machine<T>* m) {
  const Batch<T>& x = m->values[i.terms[0].value];
  const Batch<T>& where = m->values[i.terms[1].value];
  Batch<T>& y = m->values[i.result];
  for (size_t k = 0; k < y.data.size(); ++k) {
    y.data[k] = where.data[k] != T{0} ? x.data[k] : T{0};
  }
}

// Adds to two sums per channel what body(n, c, h, w) returns, then divides
// both by the number of samples and positions.
template <typename T, typename Body>
void ChannelMeans(const Shape& shape, int64_t batch, std::vector<double>* statistic, int row,
                  const Body& body) {
  double* sums = statistic->data() + row * shape.channels;
  std::fill(sums, sums + shape.channels, 0.0);
  ForEachElement(batch, shape,
                 [&](int64_t n, int64_t c, int64_t h, int64_t w) { sums[c] += body(n, c, h, w); });
  const double count = static_cast<double>(batch * shape.height * shape.width);
  for (int64_t c = 0; c < shape.channels; ++c) sums[c] /= count;
}

template <typename T>
void Moments(const Instruction& i, Machine<T>* m) {
  const Batch<T>& x = m->values[i.terms[0].value];
  std::vector<double>& stat = m->statistics[i.statistic];
  ChannelMeans<T>(x.shape, m->batch, &stat, 0, [&](int64_t n, int64_t c, int64_t h, int64_t w) {
    return double{x.at(n, c, h, w)};
  });
  ChannelMeans<T>(x.shape, m->batch, &stat, 1, [&](int64_t n, int64_t c, int64_t h, int64_t w) {
    const double d = x.at(n, c, h, w) - stat[c];
    return d * d;
  });
}

template <typename T>
void Normalise(const Instruction& i, Machine<T>* m) {
  const Batch<T>& x = m->values[i.terms[0].value];
  Batch<T>& y = m->values[i.result];
  const std::vector<double>& stat = m->statistics[i.statistic];
  ForEachElement(m->batch, y.shape, [&](int64_t n, int64_t c, int64_t h, int64_t w) {
    const double deviation = std::sqrt(stat[y.shape.channels + c] + i.epsilon);
    y.at(n, c, h, w) = static_cast<T>((x.at(n, c, h, w) - stat[c]) / deviation);
  });
}

template <typename T>
void NormaliseSums(const Instruction& i, Machine<T>* m) {
  const Batch<T>& dy = m->values[i.terms[0].value];
  const Batch<T>& y = m->values[i.terms[1].value];
  std::vector<double>& stat = m->statistics[i.statistic];
  ChannelMeans<T>(dy.shape, m->batch, &stat, 0, [&](int64_t n, int64_t c, int64_t h, int64_t w) {
    return double{dy.at(n, c, h, w)};
  });
  ChannelMeans<T>(dy.shape, m->batch, &stat, 1, [&](int64_t n, int64_t c, int64_t h, int64_t w) {
    return double{dy.at(n, c, h, w)} * y.at(n, c, h, w);
  });
}

template <typename T>
void NormaliseAdjoint(const Instruction& i, Machine<T>* m) {
  const Batch<T>& dy = m->values[i.terms[0].value];
  const Batch<T>& y = m->values[i.terms[1].value];
  Batch<T>& dx = m->values[i.result];
  const std::vector<double>& moments = m->statistics[i.statistic];
  const std::vector<double>& sums = m->statistics[i.sums_statistic];
  const int64_t channels = dx.shape.channels;
  ForEachElement(m->batch, dx.shape, [&](int64_t n, int64_t c, int64_t h, int64_t w) {
    dx.at(n, c, h, w) =
        static_cast<T>((dy.at(n, c, h, w) - sums[c] - y.at(n, c, h, w) * sums[channels + c]) /
                       std::sqrt(moments[channels + c] + i.epsilon));
  });
}

template <typename T>
void Join(const Instruction& i, Machine<T>* m) {
  Batch<T>& y = m->values[i.result];
  int64_t first = 0;
  for (const Term& term : i.terms) {
    const Batch<T>& x = m->values[term.value];
    ForEachElement(m->batch, x.shape, [&](int64_t n, int64_t c, int64_t h, int64_t w) {
      y.at(n, first + c, h, w) = x.at(n, c, h, w);
    });
    first += x.shape.channels;
  }
}

template <typename T>
void View(const Instruction& i, Machine<T>* m) {
  const Batch<T>& x = m->values[i.terms[0].value];
  Batch<T>& y = m->values[i.result];
  ForEachElement(m->batch, y.shape, [&](int64_t n, int64_t c, int64_t h, int64_t w) {
    y.at(n, c, h, w) = x.at(n, i.first_channel + c, h, w);
  });
}

template <typename T>
void SoftmaxLoss(const Instruction& i, Machine<T>* m) {
  const Batch<T>& logits = m->values[i.terms[0].value];
  Batch<T>& gradient = m->values[i.result];
  const int64_t classes = logits.shape.channels;
  for (int64_t n = 0; n < m->batch; ++n) {
    const T* z = &logits.at(n, 0, 0, 0);
    const double max = *std::max_element(z, z + classes);
    double sum = 0;
    double total = 0;
    for (int64_t k = 0; k < classes; ++k) sum += std::exp(z[k] - max);
    for (int64_t k = 0; k < classes; ++k) total += z[k];
    const int32_t label = m->labels[n];
    const double spread = i.smoothing / classes;  // the target of every class
    const double target = (1 - i.smoothing) * z[label] + spread * total;
    m->loss += (std::log(sum) + max - target) / m->batch;
    m->correct += std::max_element(z, z + classes) - z == label ? 1 : 0;
    for (int64_t k = 0; k < classes; ++k) {
      const double expected = (k == label ? 1 - i.smoothing : 0) + spread;
      gradient.at(n, k, 0, 0) = static_cast<T>((std::exp(z[k] - max) / sum - expected) / m->batch);
    }
  }
}

template <typename T>
void ScalarGradient(const Instruction& i, Machine<T>* m) {
  const Batch<T>& e = m->values[i.terms[0].value];
  const Batch<T>& x = m->values[i.terms[1].value];
  double sum = 0;
  for (size_t k = 0; k < e.data.size(); ++k) {
    sum += double{e.data[k]} * x.data[k];
  }
  const Coefficient& target = i.scalar_target;
  const ParameterInfo& info = m->program->parameters()[target.parameter];
  m->gradients[info.offset + target.offset] += target.constant * sum;
}

template <typename T>
void ChannelGradient(const Instruction& i, Machine<T>* m) {
  const Batch<T>& e = m->values[i.terms[0].value];
  const Batch<T>& second = m->values[i.terms.back().value];
  const ChannelVector& target = i.channel_target;
  const ParameterInfo& info = m->program->parameters()[target.parameter];
  double* gradient = m->gradients.data() + info.offset + target.offset;
  ForEachElement(m->batch, e.shape, [&](int64_t n, int64_t c, int64_t h, int64_t w) {
    double factor = 1;
    const double s = second.at(n, c, h, w);
    if (i.channel_sum == ChannelSum::kTimesSecond) factor = s;
    if (i.channel_sum == ChannelSum::kTimesSignOfSecond) {
      factor = (s > 0) - (s < 0);
    }
    gradient[target.count == 1 ? 0 : c] += i.gradient_constant * e.at(n, c, h, w) * factor;
  });
}

}  // namespace

template <typename T>
void Execute(const Instruction& i, Machine<T>* m) {
  switch (i.op) {
    case Opcode::kAnalysis:
    case Opcode::kSynthesis:
      return LinearMap(i, m);
    case Opcode::kPointwise:
      return Pointwise(i, m);
    case Opcode::kMask:
      return Mask(i, m);
    case Opcode::kMoments:
      return Moments(i, m);
    case Opcode::kNormalise:
      return Normalise(i, m);
    case Opcode::kNormaliseSums:
      return NormaliseSums(i, m);
    case Opcode::kNormaliseAdjoint:
      return NormaliseAdjoint(i, m);
    case Opcode::kJoin:
      return Join(i, m);
    case Opcode::kView:
      return View(i, m);
    case Opcode::kMaxPool:
      return MaxPool(i, m);
    case Opcode::kMaxPoolAdjoint:
      return MaxPoolAdjoint(i, m);
    case Opcode::kAveragePool:
      return AveragePool(i, m);
    case Opcode::kAveragePoolAdjoint:
      return AveragePoolAdjoint(i, m);
    case Opcode::kShortcut:
      return Shortcut(i, m);
    case Opcode::kShortcutAdjoint:
      return ShortcutAdjoint(i, m);
    case Opcode::kSoftmaxLoss:
      return SoftmaxLoss(i, m);
    case Opcode::kFilterGradient:
      return FilterGradient(i, m);
    case Opcode::kScalarGradient:
      return ScalarGradient(i, m);
    case Opcode::kChannelGradient:
      return ChannelGradient(i, m);
  }
  Fail("the reference engine does not know this instruction");
}

template void Execute(const Instruction&, Machine<float>*);
template void Execute(const Instruction&, Machine<double>*);

}  // namespace csc::reference
