#include "training/optimiser/sgd.h"

#include <cmath>

#include "solvers/error.h"

namespace csc {

void CheckOptions(const SgdOptions& options) {
  Require(0 <= options.momentum && options.momentum < 1,
          "a momentum of {}: at least 0 and less than 1 expected", options.momentum);
  Require(options.weight_decay >= 0 && std::isfinite(options.weight_decay),
          "a weight decay of {}: at least 0 expected", options.weight_decay);
  Require(options.gradient_clip >= 0 && std::isfinite(options.gradient_clip),
          "a gradient clip of {}: more than 0, or 0 for none expected", options.gradient_clip);
}

namespace {

// Of the gradients of what trains, in the order that sgd.h defines.
class SquaredNorm {
 public:
  void Add(int64_t entry, float gradient) {
    const int64_t range = entry / kSquaresRange;
    if (range != range_) EndRange(range);
    sum_.values[entry % BlockSum::kThreads] += double{gradient} * gradient;
  }
  double Total() {
    EndRange(-1);
    return total_;
  }

 private:
  void EndRange(int64_t next) {
    for (int row = 0; row < BlockSum::kRow; ++row) sum_.AddRow(row);
    total_ += sum_.Total();
    sum_ = {};
    range_ = next;
  }

  BlockSum sum_ = {};
  int64_t range_ = 0;
  double total_ = 0;
};

float ClipFactorOf(const SgdOptions& options, const std::vector<SgdGroup>& groups,
                   const float* gradients) {
  if (options.gradient_clip == 0) return 1;
  SquaredNorm squares;
  int64_t begin = 0;
  for (const SgdGroup& group : groups) {
    for (int64_t i = begin; group.trainable && i < begin + group.size; ++i) {
      squares.Add(i, gradients[i]);
    }
    begin += group.size;
  }
  return ClipFactor(squares.Total(), options.gradient_clip);
}

}  // namespace

bool SgdStep(const SgdOptions& options, double rate, const std::vector<SgdGroup>& groups,
             const float* gradients, std::vector<float>* parameters, std::vector<float>* velocity) {
  const SgdFactors factors(options);
  const float clip = ClipFactorOf(options, groups, gradients);
  const float step = static_cast<float>(rate);
  float* p = parameters->data();
  float* v = velocity->data();
  bool finite = true;
  for (const SgdGroup& group : groups) {
    const float decay = group.decay ? static_cast<float>(options.weight_decay) : 0;
    if (group.trainable) {
      float poison = 0;  // stays 0 while all is finite, NaN after
      for (int64_t i = 0; i < group.size; ++i) {
        factors.Update(step, clip, decay, gradients[i], &p[i], &v[i]);
        poison += 0 * p[i];
      }
      finite = finite && poison == 0;
      if (group.nonnegative) {
        for (int64_t i = 0; i < group.size; ++i) p[i] = Nonnegative(p[i]);
      }
    }
    gradients += group.size;
    p += group.size;
    v += group.size;
  }
  return finite;
}

}  // namespace csc
