#include "solvers/engines/onednn/gradient_sums.h"

#include <algorithm>

#include "solvers/engines/onednn/arena.h"

namespace csc::onednn {

namespace {

// The parameter whose gradient an instruction adds to, or -1.
int TargetOf(const Instruction& i) {
  switch (i.op) {
    case Opcode::kFilterGradient:
      return i.filters;
    case Opcode::kScalarGradient:
      return i.scalar_target.parameter;
    case Opcode::kChannelGradient:
      return i.channel_target.parameter;
    default:
      return -1;
  }
}

}  // namespace

GradientSums::GradientSums(const Program& program, const Plan& plan)
    : program_(program),
      offsets_(program.parameters().size(), -1),
      first_(plan.stages.size()),
      last_(plan.stages.size()) {
  std::vector<int> first(offsets_.size(), -1), last(offsets_.size(), -1);
  std::vector<char> of_batch(plan.instructions.size(), 0);
  for (const Stage& stage : plan.stages) {
    for (int k : stage.gradients) of_batch[k] = 1;
  }
  for (size_t k = 0; k < plan.instructions.size(); ++k) {
    const int target = TargetOf(plan.instructions[k]);
    if (target < 0 || of_batch[k]) continue;
    const int stage = plan.levels[k];
    first[target] = first[target] < 0 ? stage : std::min(first[target], stage);
    last[target] = std::max(last[target], stage);
  }
  for (int p = 0; p < static_cast<int>(offsets_.size()); ++p) {
    if (first[p] < 0) continue;
    first_[first[p]].push_back(p);
    last_[last[p]].push_back(p);
  }
  Arena arena;
  for (size_t stage = 0; stage < first_.size(); ++stage) {
    for (int p : first_[stage]) offsets_[p] = arena.Allocate(program.parameters()[p].size());
    for (int p : last_[stage]) arena.Free(offsets_[p], program.parameters()[p].size());
  }
  floats_ = arena.size();
}

void GradientSums::Clear(size_t stage, int64_t tile) {
  for (int p : first_[stage]) std::fill_n(Of(p, tile), program_.parameters()[p].size(), 0.0f);
}

void GradientSums::Reduce(size_t stage, int64_t tiles, float* gradients, Executor* executor) const {
  if (gradients == nullptr || last_[stage].empty()) return;
  struct Range {
    int parameter;
    int64_t first, end;
  };
  constexpr int64_t kRange = 512;
  std::vector<Range> ranges;
  for (int p : last_[stage]) {
    const int64_t size = program_.parameters()[p].size();
    for (int64_t first = 0; first < size; first += kRange) {
      ranges.push_back({p, first, std::min(first + kRange, size)});
    }
  }
  executor->ParallelFor(static_cast<int64_t>(ranges.size()), [&](int64_t r, int) {
    const auto [parameter, first, end] = ranges[r];
    const float* sums = sums_.data() + offsets_[parameter];
    float* to = gradients + program_.parameters()[parameter].offset;
    double totals[kRange] = {};
    for (int64_t t = 0; t < tiles; ++t, sums += floats_) {
      for (int64_t k = first; k < end; ++k) totals[k - first] += sums[k];
    }
    for (int64_t k = first; k < end; ++k) to[k] = static_cast<float>(totals[k - first]);
  });
}

}  // namespace csc::onednn
