// Operands of a program's instructions in the terms of kernels: addresses in one
// batch's memory.

#ifndef CSC_SOLVERS_ENGINES_CUDA_OPERANDS_H_
#define CSC_SOLVERS_ENGINES_CUDA_OPERANDS_H_

#include <cstdint>
#include <vector>

#include "solvers/engines/cuda/bind.h"

namespace csc::cuda {

class Operands {
 public:
  // Refers to what it is given.
  Operands(const Program& program, const Plan& plan, int64_t batch, const Addresses& addresses)
      : program_(program), plan_(plan), batch_(batch), addresses_(addresses) {
    int64_t offset = 0;
    for (int64_t channels : program.statistics()) {
      statistic_offsets_.push_back(offset);
      offset += 2 * channels;
    }
  }

  // What a part of a joined value has beside itself is skipped by the stride.
  Result At(ValueId v) const {
    const Place& place = plan_.steps.places[v];
    return {addresses_.values + plan_.offsets[place.whole] * batch_ + place.inside,
            static_cast<uint32_t>(plan_.WordsOf(program_, place.whole)), plan_.pairs[v]};
  }
  const Shape& ShapeOf(ValueId v) const { return program_.shape(v); }
  int64_t Elements(ValueId v) const { return batch_ * ShapeOf(v).size(); }
  float* StatisticAt(int statistic) const {
    return addresses_.statistics + statistic_offsets_[statistic];
  }
  const float* ParameterAt(int parameter, int64_t offset) const {
    return addresses_.parameters + program_.parameters()[parameter].offset + offset;
  }
  double* GradientAt(int parameter, int64_t offset) const {
    return addresses_.sums + program_.parameters()[parameter].offset + offset;
  }
  Scalar ScalarOf(const Coefficient& c) const {
    return {static_cast<float>(c.constant),
            c.parameter >= 0 ? ParameterAt(c.parameter, c.offset) : nullptr};
  }
  ChannelOperand Operand(const ChannelVector& v) const {
    if (!v.present()) return {};
    return {ParameterAt(v.parameter, v.offset), v.count == 1 ? 0u : 1u,
            static_cast<float>(v.constant)};
  }
  ProximalMap MapOf(const Instruction& i) const {
    return {Operand(i.scale), Operand(i.threshold), i.shrink};
  }

 protected:
  const Program& program_;
  const Plan& plan_;
  const int64_t batch_;
  const Addresses& addresses_;

 private:
  std::vector<int64_t> statistic_offsets_;
};

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_OPERANDS_H_
