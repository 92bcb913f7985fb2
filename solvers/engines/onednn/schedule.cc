#include "solvers/engines/onednn/schedule.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "solvers/engines/onednn/kernels.h"
#include "solvers/engines/onednn/recompute.h"

namespace csc::onednn {

bool IsElementwise(Opcode op) {
  switch (op) {
    case Opcode::kPointwise:
    case Opcode::kMask:
    case Opcode::kMoments:
    case Opcode::kNormalise:
    case Opcode::kNormaliseSums:
    case Opcode::kNormaliseAdjoint:
    case Opcode::kScalarGradient:
    case Opcode::kChannelGradient:
      return true;
    default:
      return false;
  }
}

namespace {

// Pixels that a group takes at a time: those of one image of 32 x 32, so that what is
// packed, transformed or reordered for each call serves many. Direct maps do none of that;
// where values have so many lanes that those of a layer would leave the second-level cache,
// they take fewer.
constexpr int64_t kGroupPixels = 1024;
constexpr int64_t kWideGroupPixels = 256;
constexpr int64_t kWideLanes = 128;

int64_t GroupPixels(const Program& program, const std::vector<Layout>& layouts,
                    Arithmetic arithmetic) {
  const auto& instructions = program.instructions();
  const bool only_direct =
      arithmetic == Arithmetic::kDirect &&
      std::none_of(instructions.begin(), instructions.end(),
                   [](const Instruction& i) { return i.op == Opcode::kFilterGradient; });
  const bool wide = std::any_of(layouts.begin(), layouts.end(),
                                [](const Layout& layout) { return layout.lanes() > kWideLanes; });
  return only_direct && wide ? kWideGroupPixels : kGroupPixels;
}

class Scheduler {
 public:
  Scheduler(const Program& program, int block, Recomputed recomputed, Arithmetic arithmetic)
      : program_(program) {
    for (ValueId v = 0; v < program.num_values(); ++v) {
      schedule_.shapes.push_back(program.shape(v));
    }
    schedule_.layouts = ChooseLayouts(program, block);
    group_pixels_ = GroupPixels(program, schedule_.layouts, arithmetic);
    SplitLongSums();
    AssignLevels();
    if (schedule_.stages.size() > 1) RecomputeAcrossStages(program, recomputed, &schedule_);
    FoldNormalisations(program, &schedule_);
    OrderUnits();
  }

  Schedule Take() { return std::move(schedule_); }

 private:
  const Instruction& At(int index) const { return schedule_.instructions[index]; }

  // Sums of more terms than a kernel takes become a chain of sums.
  void SplitLongSums() {
    for (Instruction i : program_.instructions()) {
      while (i.op == Opcode::kPointwise && i.terms.size() > kMaxTerms) {
        Instruction head{Opcode::kPointwise};
        head.terms.assign(i.terms.begin(), i.terms.begin() + kMaxTerms);
        head.result = static_cast<ValueId>(schedule_.shapes.size());
        schedule_.shapes.push_back(schedule_.shapes[i.result]);
        schedule_.layouts.push_back(schedule_.layouts[i.result]);
        i.terms.erase(i.terms.begin(), i.terms.begin() + kMaxTerms);
        i.terms.insert(i.terms.begin(), Term{head.result, {}});
        schedule_.instructions.push_back(std::move(head));
      }
      schedule_.instructions.push_back(std::move(i));
    }
  }

  // The earliest stage in which each instruction can run.
  void AssignLevels() {
    std::vector<int> of_value(schedule_.shapes.size(), 0);
    std::vector<int> of_statistic(program_.statistics().size(), 0);
    for (const Instruction& i : schedule_.instructions) {
      int level = 0;
      for (const Term& term : i.terms) {
        level = std::max(level, of_value[term.value]);
      }
      const bool writes = i.op == Opcode::kMoments || i.op == Opcode::kNormaliseSums;
      if (writes) {
        of_statistic[i.statistic] = level;
      } else {
        if (i.statistic >= 0) {
          level = std::max(level, of_statistic[i.statistic] + 1);
        }
        if (i.sums_statistic >= 0) {
          level = std::max(level, of_statistic[i.sums_statistic] + 1);
        }
      }
      if (i.result >= 0) of_value[i.result] = level;
      schedule_.levels.push_back(level);
    }
    const auto& levels = schedule_.levels;
    const int count = levels.empty() ? 1 : *std::max_element(levels.begin(), levels.end()) + 1;
    schedule_.stages.resize(count);
  }

  // What an instruction works on, position by position.
  ValueId Subject(int index) const {
    const Instruction& i = At(index);
    return IsElementwise(i.op) ? i.terms[0].value : i.result;
  }

  bool SamePositions(int a, int b) const {
    const ValueId x = Subject(a), y = Subject(b);
    return x >= 0 && y >= 0 && schedule_.levels[a] == schedule_.levels[b] &&
           schedule_.shapes[x] == schedule_.shapes[y] &&
           schedule_.layouts[x] == schedule_.layouts[y];
  }

  // Program order, but elementwise instructions move next to those they can share
  // a unit with: up to the linear map whose result they finish, or down to the
  // elementwise instruction that first reads what they make of one value.
  void OrderUnits() {
    const int count = static_cast<int>(schedule_.instructions.size());
    producer_.assign(schedule_.shapes.size(), -1);
    readers_.resize(schedule_.shapes.size());
    for (int k = 0; k < count; ++k) {
      if (At(k).result >= 0) producer_[At(k).result] = k;
      for (const Term& term : At(k).terms) readers_[term.value].push_back(k);
    }
    emitted_.assign(count, 0);
    FindBatchGradients();
    for (int k = 0; k < count; ++k) {
      if (emitted_[k]) continue;
      const ValueId result = At(k).result;
      const int reader = result >= 0 && !readers_[result].empty() ? readers_[result][0] : -1;
      if (IsElementwise(At(k).op) && At(k).terms.size() == 1 && reader >= 0 &&
          IsElementwise(At(reader).op) && SamePositions(k, reader)) {
        continue;  // its reader emits it
      }
      Emit(k);
    }
  }

  // A tile writes and reads the sums of its gradients of so many filters, for products of few
  // positions. Sums of the whole batch are kept once, and its values instead.
  bool HasManyFilters(int index) const {
    constexpr int64_t kImages = 32;  // whose values are as much
    int64_t filters = At(index).geometry.kernel[0] * At(index).geometry.kernel[1], values = 0;
    for (const Term& term : At(index).terms) {
      const Shape& shape = schedule_.shapes[term.value];
      const int64_t lanes = schedule_.layouts[term.value].lanes();
      filters *= lanes;
      values += lanes * shape.height * shape.width;
    }
    return filters > kImages * values;
  }

  // Gradients of a parameter are summed in one way, all of them.
  void FindBatchGradients() {
    std::map<int, std::vector<int>> of_parameter;
    for (int k = 0; k < static_cast<int>(schedule_.instructions.size()); ++k) {
      if (At(k).op == Opcode::kFilterGradient) of_parameter[At(k).filters].push_back(k);
    }
    for (const auto& [parameter, gradients] : of_parameter) {
      const auto layout = [&](int k, size_t term) -> const Layout& {
        return schedule_.layouts[At(k).terms[term].value];
      };
      const int first = gradients[0];
      const bool whole_batch = std::all_of(gradients.begin(), gradients.end(), [&](int k) {
        // Inputs are loaded by the groups that read them.
        return HasManyFilters(k) && producer_[At(k).terms[0].value] >= 0 &&
               producer_[At(k).terms[1].value] >= 0 && layout(k, 0) == layout(first, 0) &&
               layout(k, 1) == layout(first, 1);
      });
      if (!whole_batch) continue;
      for (int k : gradients) {
        schedule_.stages[schedule_.levels[k]].gradients.push_back(k);
        emitted_[k] = 1;
      }
    }
  }

  void Emit(int index) {
    if (emitted_[index]) return;
    for (const Term& term : At(index).terms) {
      const int producer = producer_[term.value];
      if (producer >= 0) Emit(producer);
    }
    emitted_[index] = 1;
    AddToUnits(index);
    const Opcode op = At(index).op;
    if (IsConvolution(op)) EmitFinishers(index);
  }

  // Emits the elementwise instructions that need nothing but what is there and,
  // directly or not, the result of linear map `index`.
  void EmitFinishers(int index) {
    std::set<int> candidates;  // in program order; all read what is finished
    const auto finish = [&](ValueId value) {
      if (value >= 0) candidates.insert(readers_[value].begin(), readers_[value].end());
    };
    finish(At(index).result);
    while (!candidates.empty()) {
      const int k = *candidates.begin();
      candidates.erase(candidates.begin());
      if (emitted_[k] || !IsElementwise(At(k).op) || !SamePositions(index, k)) continue;
      const std::vector<Term>& terms = At(k).terms;
      if (!std::all_of(terms.begin(), terms.end(),
                       [&](const Term& term) { return IsReady(term.value, index); })) {
        continue;
      }
      Emit(k);
      finish(At(k).result);
    }
  }

  // Whether a value is there, or one postponed instruction of the same positions
  // as `index` makes it.
  bool IsReady(ValueId value, int index) const {
    const int producer = producer_[value];
    if (producer < 0 || emitted_[producer]) return true;
    if (!IsElementwise(At(producer).op) || !SamePositions(producer, index) ||
        At(producer).terms.size() != 1) {
      return false;
    }
    const int source = producer_[At(producer).terms[0].value];
    return source < 0 || emitted_[source];
  }

  void AddToUnits(int index) {
    std::vector<Group>& groups = schedule_.stages[schedule_.levels[index]].groups;
    if (IsElementwise(At(index).op) && !groups.empty()) {
      std::vector<int>& last = groups.back().units.back().instructions;
      const Opcode head = At(last[0]).op;
      if ((IsElementwise(head) || IsConvolution(head)) && SamePositions(last[0], index)) {
        last.push_back(index);
        return;
      }
    }
    int64_t pixels = 1;
    const auto consider = [&](ValueId v) {
      pixels = std::max(pixels, schedule_.shapes[v].height * schedule_.shapes[v].width);
    };
    for (const Term& term : At(index).terms) consider(term.value);
    if (At(index).result >= 0) consider(At(index).result);
    const int64_t images = std::clamp<int64_t>(group_pixels_ / pixels, 1, kMostGroupImages);
    if (groups.empty() || groups.back().images != images) {
      groups.emplace_back();
      groups.back().images = images;
    }
    groups.back().units.push_back({{index}});
  }

  const Program& program_;
  int64_t group_pixels_ = kGroupPixels;
  Schedule schedule_;
  std::vector<int> producer_;              // by value
  std::vector<std::vector<int>> readers_;  // by value, in program order
  std::vector<char> emitted_;              // by instruction
};

}  // namespace

Schedule MakeSchedule(const Program& program, int block, Recomputed recomputed,
                      Arithmetic arithmetic) {
  return Scheduler(program, block, recomputed, arithmetic).Take();
}

}  // namespace csc::onednn
