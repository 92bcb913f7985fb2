#include "solvers/engines/onednn/banded_set.h"

#include <fmt/format.h>

#include <algorithm>

#include "solvers/engines/onednn/direct.h"
#include "solvers/engines/onednn/direct_gradient.h"
#include "solvers/engines/onednn/tile_set.h"
#include "solvers/engines/onednn/winograd.h"

namespace csc::onednn {

namespace {

// Winograd's algorithm runs where its multiplications are at most this share of the direct
// form's. Direct sums reach nearly all of the machine's rate, so what the transforms cost must be
// saved in multiplications.
constexpr double kLargestShare = 0.5;

// Null where another algorithm is better or asked for, and `why`.
std::unique_ptr<Winograd> MakeWinograd(Opcode op, const ConvolutionShape& shape,
                                       Arithmetic arithmetic, std::string* why) {
  if (arithmetic == Arithmetic::kDirect) {
    *why = "arithmetic direct";
  } else if (!Winograd::Supports(shape)) {
    *why = "not 3x3 at stride 1";
  } else {
    auto map = std::make_unique<Winograd>(shape);
    if (map->RelativeCost() > kLargestShare) {
      *why = fmt::format("Winograd would take {:.0f} % of the products", 100 * map->RelativeCost());
    } else if (op != Opcode::kFilterGradient && map->IsBoundByFilters()) {
      *why = "Winograd would read four times as many filters for few tiles";
    } else {
      return map;
    }
  }
  return nullptr;
}

// Why a map that is not Winograd's is not our direct kernels' either.
std::string WhyNotDirect(Arithmetic arithmetic) {
  if (arithmetic == Arithmetic::kBfloat16) return "own kernels round no factors";
  return fmt::format("own kernels take at most {} taps", kMostDirectTaps);
}

}  // namespace

BandedSet::BandedSet(const Program& program, const Plan& plan, Arithmetic arithmetic)
    : program_(program),
      plan_(plan),
      entries_(plan.instructions.size()),
      stage_sums_(plan.stages.size()) {
  for (const Stage& stage : plan.stages) {
    for (int k : stage.gradients) entries_[k].of_batch = true;
  }
  for (int k = 0; k < static_cast<int>(plan.instructions.size()); ++k) {
    const Instruction& i = plan.instructions[k];
    if (IsConvolution(i.op)) {
      AddMap(k, ShapeOf(plan, i, 1), arithmetic);
    } else if (i.op == Opcode::kFilterGradient && entries_[k].of_batch) {
      entries_[k].why = "many filters: of the whole batch";
    } else if (i.op == Opcode::kFilterGradient) {
      AddGradient(k, ShapeOf(plan, i, 1), arithmetic);
    }
  }
  LinkMaps();
}

void BandedSet::LinkMaps() {
  std::vector<int> order;
  for (const Stage& stage : plan_.stages) {
    for (const Group& group : stage.groups) {
      for (const Unit& unit : group.units) {
        if (entries_[unit.instructions[0]].map) order.push_back(unit.instructions[0]);
      }
    }
  }
  for (size_t k = 0; k < order.size(); ++k) {
    entries_[order[k]].next_map = order[(k + 1) % order.size()];
  }
}

MapFilters BandedSet::filters(int instruction) const {
  const Entry& entry = entries_[instruction];
  const Entry& next = entries_[entry.next_map];
  return {entry.filters->data(), next.filters->data(), next.map->filter_floats()};
}

void BandedSet::AddMap(int k, const ConvolutionShape& shape, Arithmetic arithmetic) {
  Entry& entry = entries_[k];
  entry.map = MakeWinograd(plan_.instructions[k].op, shape, arithmetic, &entry.why);
  if (!entry.map && arithmetic != Arithmetic::kBfloat16 && Direct::Supports(shape)) {
    entry.map = std::make_unique<Direct>(shape);
  }
  if (!entry.map) {
    entry.why = WhyNotDirect(arithmetic);
    return;
  }
  const int twin = FindTwin(k, shape);
  if (twin >= 0) {
    entry.filters = entries_[twin].filters;
  } else {
    entry.filters = std::make_shared<Buffer>(entry.map->filter_floats());
    packed_.push_back(k);
  }
}

void BandedSet::AddGradient(int k, const ConvolutionShape& shape, Arithmetic arithmetic) {
  Entry& entry = entries_[k];
  entry.gradient = MakeWinograd(Opcode::kFilterGradient, shape, arithmetic, &entry.why);
  if (!entry.gradient) entry.gradient = std::make_unique<DirectGradient>(shape);
  const int twin = FindTwin(k, shape);
  entry.gradient_offset = twin < 0 ? gradient_floats_ : entries_[twin].gradient_offset;
  if (twin < 0) gradient_floats_ += entry.gradient->gradient_floats();
  std::vector<int>& sums = stage_sums_[plan_.levels[k]];
  const bool known = std::any_of(sums.begin(), sums.end(), [&](int other) {
    return entries_[other].gradient_offset == entry.gradient_offset;
  });
  if (!known) sums.push_back(k);
}

int BandedSet::FindTwin(int instruction, const ConvolutionShape& shape) const {
  const Instruction& i = plan_.instructions[instruction];
  for (int k = 0; k < instruction; ++k) {
    const Instruction& other = plan_.instructions[k];
    if (other.op != i.op || other.filters != i.filters) continue;
    const ConvolutionShape its = ShapeOf(plan_, other, 1);
    if (its.geometry == shape.geometry && its.image == shape.image && its.code == shape.code &&
        its.image_layout == shape.image_layout && its.code_layout == shape.code_layout) {
      return k;
    }
  }
  return -1;
}

void BandedSet::PackFilters(const float* parameters) {
  for (int k : packed_) {
    const ParameterInfo& info = program_.parameters()[plan_.instructions[k].filters];
    entries_[k].map->PackFilters(parameters + info.offset, entries_[k].filters->data());
  }
}

void BandedSet::ClearGradients(size_t stage, float* sums) const {
  for (int k : stage_sums_[stage]) {
    std::fill_n(sums + entries_[k].gradient_offset, entries_[k].gradient->gradient_floats(), 0.0f);
  }
}

void BandedSet::AddGradients(size_t stage, const float* sums, int64_t tile,
                             GradientSums* gradients) const {
  for (int k : stage_sums_[stage]) {
    entries_[k].gradient->AddGradient(sums + entries_[k].gradient_offset,
                                      gradients->Of(plan_.instructions[k].filters, tile));
  }
}

int64_t BandedSet::scratch_floats(int64_t images) const {
  int64_t floats = 0;
  for (const Entry& entry : entries_) {
    if (entry.map) floats = std::max(floats, entry.map->scratch_floats(images));
    if (entry.gradient) floats = std::max(floats, entry.gradient->gradient_scratch_floats(images));
  }
  return floats;
}

int64_t BandedSet::PackedBytes() const {
  int64_t bytes = 0;
  for (int k : packed_) bytes += entries_[k].filters->bytes();
  return bytes;
}

std::string BandedSet::Describe(int instruction) const {
  const Entry& entry = entries_[instruction];
  std::string text = entry.of_batch   ? "direct"
                     : entry.gradient ? entry.gradient->Describe()
                     : entry.map      ? entry.map->Describe()
                                      : "";
  if (!entry.why.empty()) text += fmt::format("{}({})", text.empty() ? "" : " ", entry.why);
  return text;
}

}  // namespace csc::onednn
