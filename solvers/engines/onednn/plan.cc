#include "solvers/engines/onednn/plan.h"

#include <algorithm>

#include "solvers/engines/onednn/arena.h"
#include "solvers/engines/onednn/kernels.h"

namespace csc::onednn {

int64_t Plan::ArenaFloats(int64_t images) const {
  int64_t groups = 0;
  for (int64_t n = 1; n <= kMostGroupImages; ++n) {
    groups = std::max(groups, group_floats[n] * std::min(n, images));
  }
  return tile_floats * images + groups;
}

namespace {

class Planner {
 public:
  Planner(const Program& program, int block, Recomputed recomputed, Arithmetic arithmetic)
      : program_(program) {
    static_cast<Schedule&>(plan_) = MakeSchedule(program, block, recomputed, arithmetic);
    plan_.inlaid.assign(plan_.instructions.size(), 0);
    plan_.storage.resize(plan_.shapes.size());
    FindLifetimes();
    InlayJoins();
    PlaceValues();
  }

  Plan Take() { return std::move(plan_); }

 private:
  // Numbers of stages, groups and units, counted across all stages.
  struct Lifetime {
    int def_level = -1, last_level = -1;
    int def_group = -1, last_group = -1;
    int def_unit = -1, last_unit = -1;
    bool elementwise = true;  // all that write or read it
    bool stored = false;      // must outlive the units of its group
  };

  void Use(ValueId value, int level, int group, int unit, bool elementwise) {
    Lifetime& life = lifetimes_[value];
    if (life.def_level < 0) {
      life.def_level = level;
      life.def_group = group;
      life.def_unit = unit;
    }
    life.elementwise = life.elementwise && elementwise;
    life.last_level = std::max(life.last_level, level);
    life.last_group = std::max(life.last_group, group);
    life.last_unit = std::max(life.last_unit, unit);
  }

  void FindLifetimes() {
    lifetimes_.resize(plan_.shapes.size());
    std::vector<Group*> groups;
    int unit_number = 0;
    for (size_t level = 0; level < plan_.stages.size(); ++level) {
      for (Group& group : plan_.stages[level].groups) {
        const int group_number = static_cast<int>(groups.size());
        groups.push_back(&group);
        for (const Unit& unit : group.units) {
          for (int index : unit.instructions) {
            const Instruction& i = plan_.instructions[index];
            const auto use = [&](ValueId v) {
              Use(v, level, group_number, unit_number, IsElementwise(i.op));
            };
            for (const Term& term : i.terms) use(term.value);
            if (i.result >= 0) use(i.result);
          }
          units_.push_back(&unit);
          ++unit_number;
        }
      }
      for (int index : plan_.stages[level].gradients) {
        for (const Term& term : plan_.instructions[index].terms) {  // after the stage's barrier
          Use(term.value, level + 1, lifetimes_[term.value].last_group,
              lifetimes_[term.value].last_unit, false);
        }
      }
    }
    if (groups.empty()) {  // nothing to compute: inputs are outputs
      plan_.stages[0].groups.emplace_back();
      groups.push_back(&plan_.stages[0].groups[0]);
    }
    for (ValueId output : program_.outputs()) {
      Lifetime& life = lifetimes_[output];
      if (life.def_level < 0) Use(output, 0, 0, -1, false);  // an input that is also an output
      life.stored = true;
      groups[life.def_group]->stores.push_back(output);
    }
    for (ValueId input : program_.inputs()) {
      Lifetime& life = lifetimes_[input];
      life.elementwise = false;
      if (life.def_level >= 0) groups[life.def_group]->loads.push_back(input);
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
      if (IsConvolution(i.op) || i.op == Opcode::kFilterGradient || i.op == Opcode::kSoftmaxLoss) {
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
        possible =
            possible && lanes.back() >= 0 && by >= 0 && IsElementwise(plan_.instructions[by].op) &&
            plan_.levels[by] == plan_.levels[k] && !touches_primitive[part] && parent_[part] < 0 &&
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
        whole.def_group = std::min(whole.def_group, life.def_group);
        whole.def_level = std::min(whole.def_level, life.def_level);
        whole.last_unit = std::max(whole.last_unit, life.last_unit);
        whole.last_group = std::max(whole.last_group, life.last_group);
        whole.last_level = std::max(whole.last_level, life.last_level);
        whole.stored = whole.stored || life.stored;
      }
    }
  }

  Storage::Kind KindOf(ValueId v) const {
    const Lifetime& life = lifetimes_[v];
    if (life.def_level != life.last_level) return Storage::Kind::kBatch;
    return life.def_group != life.last_group ? Storage::Kind::kTile : Storage::Kind::kGroup;
  }

  bool StaysInUnit(ValueId v) const {
    const Lifetime& life = lifetimes_[v];
    return life.elementwise && life.def_unit == life.last_unit && !life.stored && parent_[v] < 0 &&
           !is_parent_[v];
  }

  // Gives slots to values that stay inside the unit, as far as there are any: those of
  // operands that die with an instruction to its result.
  void PlaceStrips(const Unit& unit) {
    std::vector<ValueId> slots(kMostSlots, -1);
    for (size_t k = 0; k < unit.instructions.size(); ++k) {
      for (ValueId& v : slots) {
        if (v >= 0 && !ReadFrom(unit, k + 1, v)) v = -1;
      }
      const ValueId result = plan_.instructions[unit.instructions[k]].result;
      if (result < 0 || !StaysInUnit(result)) continue;
      const auto free = std::find(slots.begin(), slots.end(), -1);
      if (free == slots.end()) continue;  // in the arena then
      *free = result;
      plan_.storage[result] = {Storage::Kind::kStrip, free - slots.begin(), 0, 0};
    }
  }

  // Whether an instruction of the unit from `first` on reads the value.
  bool ReadFrom(const Unit& unit, size_t first, ValueId value) const {
    for (size_t k = first; k < unit.instructions.size(); ++k) {
      if (Reads(unit.instructions[k], value)) return true;
    }
    return false;
  }

  bool Reads(int instruction, ValueId value) const {
    const std::vector<Term>& terms = plan_.instructions[instruction].terms;
    return std::any_of(terms.begin(), terms.end(),
                       [&](const Term& term) { return term.value == value; });
  }

  // The operand whose place an elementwise result may take over: one of its kind
  // that dies with this instruction and that the unit's linear map does not read.
  ValueId Inherited(const Unit& unit, size_t position, int unit_number) const {
    const Instruction& i = plan_.instructions[unit.instructions[position]];
    if (!IsElementwise(i.op) || KindOf(i.result) == Storage::Kind::kBatch ||
        parent_[i.result] >= 0) {
      return -1;
    }
    const Instruction& head = plan_.instructions[unit.instructions[0]];
    for (const Term& term : i.terms) {
      const ValueId v = term.value;
      const Lifetime& life = lifetimes_[v];
      if (plan_.storage[v].kind != KindOf(i.result) || parent_[v] >= 0 || is_parent_[v] ||
          life.last_unit != unit_number || life.stored || given_away_[v]) {
        continue;
      }
      bool needed = ReadFrom(unit, position + 1, v);
      for (const Term& t : head.terms) {
        needed = needed || (!IsElementwise(head.op) && t.value == v);
      }
      if (!needed) return v;
    }
    return -1;
  }

  // Values that live in an arena now.
  struct Living {
    Arena arena;
    std::vector<ValueId> values;
  };

  void Place(ValueId v, Storage::Kind kind, Living* living) {
    const int64_t floats = plan_.ImageFloats(v);
    plan_.storage[v] = {kind, living->arena.Allocate(floats), floats, 0};
    living->values.push_back(v);
  }

  template <typename Dead>
  void Free(Living* living, const Dead& dead) {
    for (auto v = living->values.begin(); v != living->values.end();) {
      if (dead(lifetimes_[*v])) {
        living->arena.Free(plan_.storage[*v].offset, plan_.ImageFloats(*v));
        v = living->values.erase(v);
      } else {
        ++v;
      }
    }
  }

  void PlaceValues() {
    is_parent_.assign(plan_.shapes.size(), 0);
    given_away_.assign(plan_.shapes.size(), 0);
    for (ValueId parent : parent_) {
      if (parent >= 0) is_parent_[parent] = 1;
    }
    PlaceBatchValues();
    int unit_number = 0;
    int group_number = 0;
    for (Stage& stage : plan_.stages) {
      Living of_tile;
      for (Group& group : stage.groups) {
        Living of_group;
        const auto living_of = [&](Storage::Kind kind) {
          return kind == Storage::Kind::kTile ? &of_tile : &of_group;
        };
        const auto place = [&](ValueId v) {
          const Storage::Kind kind = KindOf(v);
          if (kind != Storage::Kind::kBatch) Place(v, kind, living_of(kind));
        };
        for (ValueId v : group.loads) place(v);
        for (const Unit& unit : group.units) {
          PlaceStrips(unit);
          for (size_t k = 0; k < unit.instructions.size(); ++k) {
            const Instruction& i = plan_.instructions[unit.instructions[k]];
            if (i.result < 0) continue;
            const ValueId root = RootOf(i.result);
            if (plan_.storage[root].kind != Storage::Kind::kNone) continue;
            const ValueId heir = Inherited(unit, k, unit_number);
            if (heir >= 0) {
              plan_.storage[root] = plan_.storage[heir];
              given_away_[heir] = 1;
              auto& values = living_of(plan_.storage[root].kind)->values;
              std::replace(values.begin(), values.end(), heir, root);
            } else {
              place(root);
            }
          }
          // Values die at the end of the unit, never inside it; those of the tile at
          // the end of the group, whose other images still need them.
          Free(&of_group,
               [&](const Lifetime& life) { return life.last_unit <= unit_number && !life.stored; });
          ++unit_number;
        }
        Free(&of_tile, [&](const Lifetime& life) { return life.last_group <= group_number; });
        int64_t& floats = plan_.group_floats[group.images];
        floats = std::max(floats, of_group.arena.size());
        ++group_number;
      }
      plan_.tile_floats = std::max(plan_.tile_floats, of_tile.arena.size());
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

  // Values that cross a barrier share space with others at other times. The largest are
  // placed first, each as low as those leave it: the order of time leaves holes.
  void PlaceBatchValues() {
    std::vector<ValueId> values;
    for (ValueId v = 0; v < static_cast<ValueId>(lifetimes_.size()); ++v) {
      if (lifetimes_[v].def_level >= 0 && parent_[v] < 0 && KindOf(v) == Storage::Kind::kBatch) {
        values.push_back(v);
      }
    }
    std::stable_sort(values.begin(), values.end(), [&](ValueId a, ValueId b) {
      return plan_.ImageFloats(a) > plan_.ImageFloats(b);
    });
    std::vector<std::pair<int64_t, ValueId>> by_offset;
    for (ValueId v : values) {
      const int64_t floats = plan_.ImageFloats(v);
      int64_t offset = 0;
      for (const auto& [at, other] : by_offset) {
        if (!LiveTogether(v, other) || (offset == at && TakesOver(v, other))) continue;
        if (at >= offset + floats) break;
        offset = std::max(offset, at + plan_.ImageFloats(other));
      }
      plan_.storage[v] = {Storage::Kind::kBatch, offset, floats, 0};
      by_offset.insert(std::upper_bound(by_offset.begin(), by_offset.end(), std::pair(offset, v)),
                       {offset, v});
      plan_.batch_floats = std::max(plan_.batch_floats, offset + floats);
    }
  }

  // Whether value v, image by image, may be written where another of its stage lies: one
  // that is read for the last time before v is written, or position by position with it.
  bool TakesOver(ValueId v, ValueId other) const {
    const Lifetime& mine = lifetimes_[v];
    const Lifetime& its = lifetimes_[other];
    if (its.last_level != mine.def_level || its.stored || is_parent_[v] || is_parent_[other] ||
        !(plan_.shapes[v] == plan_.shapes[other]) || !(plan_.layouts[v] == plan_.layouts[other])) {
      return false;
    }
    if (its.last_unit != mine.def_unit) return its.last_unit < mine.def_unit;
    const Unit& unit = *units_[mine.def_unit];
    if (!IsElementwise(plan_.instructions[unit.instructions[0]].op) &&
        Reads(unit.instructions[0], other)) {
      return false;
    }
    for (size_t k = 0; k < unit.instructions.size(); ++k) {
      const Instruction& i = plan_.instructions[unit.instructions[k]];
      if (i.result == v) return IsElementwise(i.op) && !ReadFrom(unit, k + 1, other);
    }
    return false;
  }

  bool LiveTogether(ValueId a, ValueId b) const {
    const Lifetime& x = lifetimes_[a];
    const Lifetime& y = lifetimes_[b];
    return x.def_level <= y.last_level && y.def_level <= x.last_level;
  }

  const Program& program_;
  Plan plan_;
  std::vector<const Unit*> units_;  // by number
  std::vector<Lifetime> lifetimes_;
  std::vector<ValueId> parent_;  // by value: the join it lies in, or -1
  std::vector<char> is_parent_;
  std::vector<char> given_away_;  // its place was taken over
  std::vector<std::pair<ValueId, int64_t>> inner_;
};

}  // namespace

Plan MakePlan(const Program& program, int block, const PrepareOptions& options) {
  const auto make = [&](Recomputed recomputed) {
    return Planner(program, block, recomputed, options.arithmetic).Take();
  };
  if (options.memory == Memory::kSmall) return make(Recomputed::kMaps);
  Plan plan = make(Recomputed::kElementwise);
  constexpr int64_t kMuch = 2000000;  // floats an image: 8 MB
  if (plan.batch_floats > kMuch) plan = make(Recomputed::kJoins);
  return plan;
}

}  // namespace csc::onednn
