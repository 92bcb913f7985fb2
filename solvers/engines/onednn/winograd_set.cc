#include "solvers/engines/onednn/winograd_set.h"

#include <fmt/format.h>

#include <algorithm>

#include "solvers/engines/onednn/tile_set.h"

namespace csc::onednn {

namespace {

// Winograd's algorithm runs where its multiplications are at most this share of
// the direct form's. Direct convolutions reach nearly all of the machine's rate, so
// what the transforms cost must be saved in multiplications; a direct filter
// gradient is slower, and costs a reordering of its own.
struct AlgorithmRule {
  Opcode op;
  double largest_share;
};

constexpr AlgorithmRule kAlgorithmRules[] = {
    {Opcode::kAnalysis, 0.6},
    {Opcode::kSynthesis, 0.6},
    {Opcode::kFilterGradient, 1.0},
};

bool PrefersWinograd(Opcode op, const Winograd& map) {
  for (const AlgorithmRule& rule : kAlgorithmRules) {
    if (rule.op == op) return map.RelativeCost() <= rule.largest_share;
  }
  return false;
}

}  // namespace

WinogradSet::WinogradSet(const Program& program, const Plan& plan, bool allowed)
    : program_(program),
      plan_(plan),
      entries_(plan.instructions.size()),
      stage_sums_(plan.stages.size()) {
  if (!allowed) return;
  for (int k = 0; k < static_cast<int>(plan.instructions.size()); ++k) {
    const Opcode op = plan.instructions[k].op;
    if (!IsConvolution(op)) continue;
    const ConvolutionShape shape = ShapeOf(plan, plan.instructions[k], 1);
    if (!Winograd::Supports(shape)) continue;
    auto map = std::make_unique<Winograd>(shape);
    if (!PrefersWinograd(op, *map)) continue;
    Entry& entry = entries_[k];
    const int twin = FindTwin(k, shape);
    entry.map = std::move(map);
    scratch_floats_ = std::max(scratch_floats_, entry.map->scratch_floats());
    if (op == Opcode::kFilterGradient) {
      entry.gradient_offset = twin < 0 ? gradient_floats_ : entries_[twin].gradient_offset;
      if (twin < 0) gradient_floats_ += entry.map->gradient_floats();
      std::vector<int>& sums = stage_sums_[plan.levels[k]];
      const bool known = std::any_of(sums.begin(), sums.end(), [&](int other) {
        return entries_[other].gradient_offset == entry.gradient_offset;
      });
      if (!known) sums.push_back(k);
    } else if (twin >= 0) {
      entry.filters = entries_[twin].filters;
    } else {
      entry.filters = std::make_shared<Buffer>(entry.map->filter_floats());
      packed_.push_back(k);
    }
  }
}

int WinogradSet::FindTwin(int instruction, const ConvolutionShape& shape) const {
  const Instruction& i = plan_.instructions[instruction];
  for (int k = 0; k < instruction; ++k) {
    const Instruction& other = plan_.instructions[k];
    if (!entries_[k].map || other.op != i.op || other.filters != i.filters) continue;
    const ConvolutionShape its = ShapeOf(plan_, other, 1);
    if (its.image_layout == shape.image_layout && its.code_layout == shape.code_layout) return k;
  }
  return -1;
}

void WinogradSet::PackFilters(const float* parameters) {
  for (int k : packed_) {
    const ParameterInfo& info = program_.parameters()[plan_.instructions[k].filters];
    entries_[k].map->PackFilters(parameters + info.offset, entries_[k].filters->data());
  }
}

void WinogradSet::ClearGradients(size_t stage, float* sums) const {
  for (int k : stage_sums_[stage]) {
    std::fill_n(sums + entries_[k].gradient_offset, entries_[k].map->gradient_floats(), 0.0f);
  }
}

void WinogradSet::AddGradients(size_t stage, const float* sums, float* gradients) const {
  for (int k : stage_sums_[stage]) {
    const ParameterInfo& info = program_.parameters()[plan_.instructions[k].filters];
    entries_[k].map->AddGradient(sums + entries_[k].gradient_offset, gradients + info.offset);
  }
}

int64_t WinogradSet::PackedBytes() const {
  int64_t bytes = 0;
  for (int k : packed_) bytes += entries_[k].filters->bytes();
  return bytes;
}

std::string WinogradSet::Describe() const {
  std::string text;
  for (size_t k = 0; k < entries_.size(); ++k) {
    if (!entries_[k].map) continue;
    const Instruction& i = plan_.instructions[k];
    const ConvolutionShape shape = ShapeOf(plan_, i, 1);
    text += fmt::format("{} {} {} images {} codes {}: winograd 4x4, {:.0f} % of the products\n",
                        Name(i.op), program_.parameters()[i.filters].name, ToString(i.geometry),
                        ToString(shape.image), ToString(shape.code),
                        100 * entries_[k].map->RelativeCost());
  }
  return text;
}

}  // namespace csc::onednn
