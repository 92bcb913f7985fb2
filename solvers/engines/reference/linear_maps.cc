#include <algorithm>
#include <vector>

#include "solvers/engines/reference/instructions.h"
#include "solvers/engines/reference/loops.h"

namespace csc::reference {

namespace {

// Position of filter (k, c, kh, kw) in the flat parameters.
int64_t FilterIndex(const ParameterInfo& info, int64_t k, int64_t c, int64_t kh, int64_t kw) {
  const Dims& d = info.dims;
  return info.offset + ((k * d[1] + c) * d[2] + kh) * d[3] + kw;
}

}  // namespace

// y = F (s x) reads pixels and writes windows, y = F^T (s g) the reverse.
template <typename T>
void LinearMap(const Instruction& i, Machine<T>* m) {
  const bool analysis = i.op == Opcode::kAnalysis;
  const Batch<T>& in = m->values[i.terms[0].value];
  Batch<T>& out = m->values[i.result];
  const Shape& image = analysis ? in.shape : out.shape;
  const Shape& code = analysis ? out.shape : in.shape;
  const ParameterInfo& info = m->program->parameters()[i.filters];
  const double s = CoefficientValue(i.terms[0].coefficient, *m);
  std::vector<double> sum(out.shape.height * out.shape.width);
  for (int64_t n = 0; n < m->batch; ++n) {
    for (int64_t o = 0; o < out.shape.channels; ++o) {
      std::fill(sum.begin(), sum.end(), 0.0);
      for (int64_t c = 0; c < in.shape.channels; ++c) {
        const int64_t filter = analysis ? o : c;
        const int64_t channel = analysis ? c : o;
        ForEachTap(i.geometry, image, code,
                   [&](int64_t a, int64_t b, int64_t kh, int64_t kw, int64_t h, int64_t w) {
                     const double f = (*m->parameters)[FilterIndex(info, filter, channel, kh, kw)];
                     if (analysis) {
                       sum[a * code.width + b] += f * (s * in.at(n, c, h, w));
                     } else {
                       sum[h * image.width + w] += f * (s * in.at(n, c, a, b));
                     }
                   });
      }
      std::copy(sum.begin(), sum.end(), &out.at(n, o, 0, 0));
    }
  }
}

template <typename T>
void FilterGradient(const Instruction& i, Machine<T>* m) {
  const Batch<T>& image = m->values[i.terms[0].value];
  const Batch<T>& code = m->values[i.terms[1].value];
  const ParameterInfo& info = m->program->parameters()[i.filters];
  const double s =
      CoefficientValue(i.terms[0].coefficient, *m) * CoefficientValue(i.terms[1].coefficient, *m);
  for (int64_t n = 0; n < m->batch; ++n) {
    for (int64_t k = 0; k < code.shape.channels; ++k) {
      for (int64_t c = 0; c < image.shape.channels; ++c) {
        ForEachTap(i.geometry, image.shape, code.shape,
                   [&](int64_t a, int64_t b, int64_t kh, int64_t kw, int64_t h, int64_t w) {
                     m->gradients[FilterIndex(info, k, c, kh, kw)] +=
                         s * image.at(n, c, h, w) * code.at(n, k, a, b);
                   });
      }
    }
  }
}

template void LinearMap(const Instruction&, Machine<float>*);
template void LinearMap(const Instruction&, Machine<double>*);
template void FilterGradient(const Instruction&, Machine<float>*);
template void FilterGradient(const Instruction&, Machine<double>*);

}  // namespace csc::reference
