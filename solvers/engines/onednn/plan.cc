#include "solvers/engines/onednn/plan.h"

#include <algorithm>
#include <map>

#include "solvers/engines/onednn/arena.h"
#include "solvers/engines/onednn/kernels.h"

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

class Planner {
 public:
  Planner(const Program& program, int block) : program_(program) {
    for (ValueId v = 0; v < program.num_values(); ++v) {
      plan_.shapes.push_back(program.shape(v));
    }
    plan_.layouts = ChooseLayouts(program, block);
    SplitLongSums();
    AssignLevels();
    FormUnits();
    FindLifetimes();
    InlayJoins();
    PlaceValues();
  }

  Plan Take() { return std::move(plan_); }

 private:
  struct Lifetime {
    int def_level = -1, last_level = -1;
    int def_unit = -1, last_unit = -1;  // unit numbers across all stages
  };

  // Sums of more terms than a kernel takes become a chain of sums.
  void SplitLongSums() {
    for (Instruction i : program_.instructions()) {
      while (i.op == Opcode::kPointwise && i.terms.size() > kMaxTerms) {
        Instruction head{Opcode::kPointwise};
        head.terms.assign(i.terms.begin(), i.terms.begin() + kMaxTerms);
        head.result = static_cast<ValueId>(plan_.shapes.size());
        plan_.shapes.push_back(plan_.shapes[i.result]);
        plan_.layouts.push_back(plan_.layouts[i.result]);
        i.terms.erase(i.terms.begin(), i.terms.begin() + kMaxTerms);
        i.terms.insert(i.terms.begin(), Term{head.result, {}});
        plan_.instructions.push_back(std::move(head));
      }
      plan_.instructions.push_back(std::move(i));
    }
    plan_.inlaid.assign(plan_.instructions.size(), 0);
    plan_.storage.resize(plan_.shapes.size());
  }

  // The earliest stage in which each instruction can run.
  void AssignLevels() {
    std::vector<int> of_value(plan_.shapes.size(), 0);
    std::vector<int> of_statistic(program_.statistics().size(), 0);
    for (const Instruction& i : plan_.instructions) {
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
      levels_.push_back(level);
    }
    const int count = levels_.empty() ? 1 : *std::max_element(levels_.begin(), levels_.end()) + 1;
    plan_.stages.resize(count);
  }

  // Consecutive elementwise instructions of a stage and of one shape and layout
  // form a unit.
  void FormUnits() {
    const auto shape_value = [](const Instruction& i) { return i.terms[0].value; };
    for (size_t index = 0; index < plan_.instructions.size(); ++index) {
      const Instruction& i = plan_.instructions[index];
      std::vector<Unit>& units = plan_.stages[levels_[index]].units;
      if (IsElementwise(i.op) && !units.empty()) {
        const Instruction& last = plan_.instructions[units.back().instructions.back()];
        const ValueId a = shape_value(i);
        const ValueId b = shape_value(last);
        if (IsElementwise(last.op) && plan_.shapes[a] == plan_.shapes[b] &&
            plan_.layouts[a] == plan_.layouts[b]) {
          units.back().instructions.push_back(static_cast<int>(index));
          continue;
        }
      }
      units.push_back({{static_cast<int>(index)}});
    }
  }

  void Use(ValueId value, int level, int unit) {
    Lifetime& life = lifetimes_[value];
    if (life.def_level < 0) {
      life.def_level = level;
      life.def_unit = unit;
    }
    life.last_level = std::max(life.last_level, level);
    life.last_unit = std::max(life.last_unit, unit);
  }

  void FindLifetimes() {
    lifetimes_.resize(plan_.shapes.size());
    int unit_number = 0;
    std::vector<int> last_unit_of_level;
    for (size_t level = 0; level < plan_.stages.size(); ++level) {
      for (const Unit& unit : plan_.stages[level].units) {
        for (int index : unit.instructions) {
          const Instruction& i = plan_.instructions[index];
          for (const Term& term : i.terms) Use(term.value, level, unit_number);
          if (i.result >= 0) Use(i.result, level, unit_number);
        }
        ++unit_number;
      }
      last_unit_of_level.push_back(unit_number - 1);
    }
    for (ValueId input : program_.inputs()) {
      Lifetime& life = lifetimes_[input];
      if (life.def_level < 0) continue;  // unused
      plan_.stages[life.def_level].loads.push_back(input);
      // Loaded before the stage's first unit.
      life.def_unit = life.def_level == 0 ? 0 : last_unit_of_level[life.def_level - 1] + 1;
    }
    for (ValueId output : program_.outputs()) {
      Lifetime& life = lifetimes_[output];
      if (life.def_level < 0) {  // an input that is also an output
        life = {0, 0, 0, 0};
        plan_.stages[0].loads.push_back(output);
      }
      plan_.stages[life.last_level].stores.push_back(output);
      // Stored after the stage's last unit, so nothing may take its place.
      life.last_unit = last_unit_of_level[life.last_level] + 1;
    }
  }

  // A join whose parts are written by elementwise instructions of its own stage
  // costs nothing: the parts live inside it.
  void InlayJoins() {
    parent_.assign(plan_.shapes.size(), -1);
    std::vector<int> producer(plan_.shapes.size(), -1);
    for (size_t k = 0; k < plan_.instructions.size(); ++k) {
      if (plan_.instructions[k].result >= 0) {
        producer[plan_.instructions[k].result] = static_cast<int>(k);
      }
    }
    std::vector<char> touches_primitive(plan_.shapes.size(), 0);
    for (const Instruction& i : plan_.instructions) {
      if (i.op == Opcode::kAnalysis || i.op == Opcode::kSynthesis ||
          i.op == Opcode::kFilterGradient || i.op == Opcode::kSoftmaxLoss) {
        for (const Term& term : i.terms) touches_primitive[term.value] = 1;
        if (i.result >= 0) touches_primitive[i.result] = 1;
      }
    }
    for (size_t k = 0; k < plan_.instructions.size(); ++k) {
      const Instruction& join = plan_.instructions[k];
      if (join.op != Opcode::kJoin) continue;
      bool possible = true;
      int64_t channel = 0;
      std::vector<int64_t> lanes;
      for (const Term& term : join.terms) {
        const ValueId part = term.value;
        const int by = producer[part];
        lanes.push_back(FirstLaneOfPart(plan_.layouts[join.result], channel, plan_.layouts[part]));
        possible = possible && lanes.back() >= 0 && by >= 0 &&
                   IsElementwise(plan_.instructions[by].op) && levels_[by] == levels_[k] &&
                   !touches_primitive[part] && parent_[part] < 0 &&
                   std::count_if(join.terms.begin(), join.terms.end(),
                                 [&](const Term& t) { return t.value == part; }) == 1;
        channel += plan_.shapes[part].channels;
      }
      if (!possible) continue;
      plan_.inlaid[k] = 1;
      Lifetime& whole = lifetimes_[join.result];
      for (size_t p = 0; p < join.terms.size(); ++p) {
        const ValueId part = join.terms[p].value;
        parent_[part] = join.result;
        plan_.storage[part].inner_offset =
            lanes[p] * plan_.shapes[part].height * plan_.shapes[part].width;
        const Lifetime& life = lifetimes_[part];
        whole.def_unit = std::min(whole.def_unit, life.def_unit);
        whole.def_level = std::min(whole.def_level, life.def_level);
        whole.last_unit = std::max(whole.last_unit, life.last_unit);
        whole.last_level = std::max(whole.last_level, life.last_level);
      }
    }
  }

  bool Crosses(ValueId v) const { return lifetimes_[v].def_level != lifetimes_[v].last_level; }

  // The operand whose place an elementwise result may take over: one that dies
  // with this instruction.
  ValueId Inherited(const Unit& unit, size_t position, int unit_number) const {
    const Instruction& i = plan_.instructions[unit.instructions[position]];
    if (i.result < 0 || Crosses(i.result) || parent_[i.result] >= 0) return -1;
    for (const Term& term : i.terms) {
      const ValueId v = term.value;
      const Storage& s = plan_.storage[v];
      if (s.kind != Storage::Kind::kTile || parent_[v] >= 0 || is_parent_[v] ||
          lifetimes_[v].last_unit != unit_number || given_away_[v]) {
        continue;
      }
      bool used_later = false;
      for (size_t k = position + 1; k < unit.instructions.size(); ++k) {
        for (const Term& t : plan_.instructions[unit.instructions[k]].terms) {
          used_later = used_later || t.value == v;
        }
      }
      if (!used_later) return v;
    }
    return -1;
  }

  void PlaceTileValue(ValueId v, Arena* arena) {
    const int64_t floats = plan_.ImageFloats(v);
    plan_.storage[v] = {Storage::Kind::kTile, arena->Allocate(floats), floats, 0};
  }

  void PlaceValues() {
    is_parent_.assign(plan_.shapes.size(), 0);
    given_away_.assign(plan_.shapes.size(), 0);
    for (ValueId parent : parent_) {
      if (parent >= 0) is_parent_[parent] = 1;
    }
    PlaceBatchValues();
    int unit_number = 0;
    for (Stage& stage : plan_.stages) {
      Arena arena;
      std::vector<ValueId> live;
      const auto place = [&](ValueId v) {
        PlaceTileValue(v, &arena);
        live.push_back(v);
      };
      for (ValueId v : stage.loads) {
        if (!Crosses(v)) place(v);
      }
      for (const Unit& unit : stage.units) {
        for (size_t k = 0; k < unit.instructions.size(); ++k) {
          const Instruction& i = plan_.instructions[unit.instructions[k]];
          if (i.result < 0) continue;
          const ValueId root = RootOf(i.result);
          if (plan_.storage[root].kind != Storage::Kind::kNone) continue;
          const ValueId heir = IsElementwise(i.op) ? Inherited(unit, k, unit_number) : -1;
          if (heir >= 0) {
            plan_.storage[root] = plan_.storage[heir];
            given_away_[heir] = 1;
            std::replace(live.begin(), live.end(), heir, root);
          } else {
            place(root);
          }
        }
        // Values die at the end of the unit, never inside it.
        for (auto v = live.begin(); v != live.end();) {
          if (lifetimes_[*v].last_unit <= unit_number) {
            arena.Free(plan_.storage[*v].offset, plan_.ImageFloats(*v));
            v = live.erase(v);
          } else {
            ++v;
          }
        }
        ++unit_number;
      }
      plan_.tile_floats = std::max(plan_.tile_floats, arena.size());
    }
    for (ValueId v = 0; v < static_cast<ValueId>(parent_.size()); ++v) {
      if (parent_[v] < 0) continue;
      // Parents may be parts themselves.
      int64_t inner = 0;
      for (ValueId p = v; parent_[p] >= 0; p = parent_[p]) {
        inner += plan_.storage[p].inner_offset;
      }
      inner_.push_back({v, inner});
    }
    for (const auto& [v, inner] : inner_) {
      plan_.storage[v] = plan_.storage[RootOf(v)];
      plan_.storage[v].inner_offset = inner;
    }
  }

  ValueId RootOf(ValueId v) const {
    while (parent_[v] >= 0) v = parent_[v];
    return v;
  }

  // Values that cross a barrier, reusing space between levels.
  void PlaceBatchValues() {
    Arena arena;
    std::vector<ValueId> live;
    for (int level = 0; level < static_cast<int>(plan_.stages.size()); ++level) {
      for (ValueId v = 0; v < static_cast<ValueId>(lifetimes_.size()); ++v) {
        if (lifetimes_[v].def_level != level || !Crosses(v) || parent_[v] >= 0) {
          continue;
        }
        const int64_t floats = plan_.ImageFloats(v);
        plan_.storage[v] = {Storage::Kind::kBatch, arena.Allocate(floats), floats, 0};
        live.push_back(v);
      }
      for (auto v = live.begin(); v != live.end();) {
        if (lifetimes_[*v].last_level <= level) {
          arena.Free(plan_.storage[*v].offset, plan_.ImageFloats(*v));
          v = live.erase(v);
        } else {
          ++v;
        }
      }
    }
    plan_.batch_floats = arena.size();
  }

  const Program& program_;
  Plan plan_;
  std::vector<int> levels_;  // by instruction
  std::vector<Lifetime> lifetimes_;
  std::vector<ValueId> parent_;  // by value: the join it lies in, or -1
  std::vector<char> is_parent_;
  std::vector<char> given_away_;  // its place was taken over
  std::vector<std::pair<ValueId, int64_t>> inner_;
};

}  // namespace

Plan MakePlan(const Program& program, int block) { return Planner(program, block).Take(); }

}  // namespace csc::onednn
