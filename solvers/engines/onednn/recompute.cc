#include "solvers/engines/onednn/recompute.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

namespace csc::onednn {

namespace {

class Recomputation {
 public:
  Recomputation(const Program& program, Recomputed recomputed, Schedule* schedule)
      : program_(program), recomputed_(recomputed), schedule_(schedule) {}

  void Run() {
    const int count = static_cast<int>(schedule_->instructions.size());
    producer_.assign(schedule_->shapes.size(), -1);
    last_level_.assign(schedule_->shapes.size(), -1);
    for (int k = 0; k < count; ++k) {
      if (At(k).result >= 0) producer_[At(k).result] = k;
      if (At(k).op == Opcode::kSoftmaxLoss) loss_level_ = schedule_->levels[k];
      for (const Term& term : At(k).terms) last_level_[term.value] = schedule_->levels[k];
    }
    for (int k = count - 1; k >= 0; --k) {  // kept in place of its normalisation
      if (At(k).op != Opcode::kNormalise) continue;
      int& last = last_level_[At(k).terms[0].value];
      last = std::max(last, last_level_[At(k).result]);
    }
    FindDropped();
    std::vector<Instruction> all;
    std::vector<int> levels;
    std::map<std::pair<ValueId, int>, ValueId> copies;  // of a value, in a stage
    for (int k = 0; k < count; ++k) {
      Instruction i = At(k);
      const int level = schedule_->levels[k];
      for (Term& term : i.terms) {
        // Others would need a pass of its own to write it, which pays where it is
        // read by nothing else.
        if (IsElementwise(i.op) || MapsAreRecomputed(level) ||
            (dropped_[term.value] && IsFrom(term.value, level))) {
          term.value = ValueIn(term.value, level, &copies, &all, &levels);
        }
      }
      all.push_back(std::move(i));
      levels.push_back(level);
    }
    schedule_->instructions = std::move(all);
    schedule_->levels = std::move(levels);
  }

 private:
  const Instruction& At(int index) const { return schedule_->instructions[index]; }

  // Whether a value is made by a stage before `level`.
  bool IsFrom(ValueId value, int level) const {
    return producer_[value] >= 0 && schedule_->levels[producer_[value]] < level;
  }

  // Values that no stage but their own has to read, linear maps and pools included.
  void FindDropped() {
    const ValueId count = static_cast<ValueId>(schedule_->shapes.size());
    dropped_.assign(count, 0);
    std::vector<std::vector<int>> readers(count);  // in later stages
    for (int k = 0; k < static_cast<int>(schedule_->instructions.size()); ++k) {
      for (const Term& term : At(k).terms) {
        if (IsFrom(term.value, schedule_->levels[k])) readers[term.value].push_back(k);
      }
    }
    for (ValueId v = 0; v < count; ++v) {
      dropped_[v] = std::all_of(readers[v].begin(), readers[v].end(), [&](int k) {
        const int level = schedule_->levels[k];
        const std::set<ValueId>& leaves = RecipeOf(v, level).leaves;
        if (leaves.empty() || At(k).op == Opcode::kJoin) return false;
        if (!IsJoin(v) || !IsElementwise(At(k).op)) return true;
        // One layer's input is made from another's that is kept; where maps are repeated all
        // are kept, as those of one layer shall not need another's.
        return recomputed_ == Recomputed::kJoins &&
               std::none_of(leaves.begin(), leaves.end(),
                            [&](ValueId x) { return IsJoin(x) && dropped_[x]; });
      });
    }
  }

  bool MapsAreRecomputed(int level) const {
    return recomputed_ == Recomputed::kMaps && loss_level_ >= 0 && level > loss_level_;
  }

  bool IsJoin(ValueId value) const {
    return producer_[value] >= 0 && At(producer_[value]).op == Opcode::kJoin;
  }

  // Whether a stage computes a value of an earlier one anew. Joins only where that saves
  // keeping them: it takes a pass of its own.
  bool IsRecomputed(ValueId value, int level) {
    return !RecipeOf(value, level).leaves.empty() && (!IsJoin(value) || dropped_[value]);
  }

  // How a stage computes a value of an earlier one anew.
  struct Recipe {
    std::set<ValueId> leaves;  // what it reads; empty where it should not
    std::set<int> maps;        // the linear maps among its instructions
  };

  const Recipe& RecipeOf(ValueId value, int level) {
    const auto [place, is_new] = recipes_.insert({{value, level}, {}});
    Recipe& recipe = place->second;
    const auto& outputs = program_.outputs();
    if (!is_new || !IsFrom(value, level) || std::count(outputs.begin(), outputs.end(), value) > 0 ||
        !MayRecompute(value, level)) {
      return recipe;
    }
    const Instruction& i = At(producer_[value]);
    Recipe all;
    if (IsConvolution(i.op)) all.maps.insert(producer_[value]);
    for (const Term& term : i.terms) {
      const bool anew = IsRecomputed(term.value, level);
      if (anew && !IsJoin(term.value)) {
        const Recipe& inner = RecipeOf(term.value, level);
        all.leaves.insert(inner.leaves.begin(), inner.leaves.end());
        all.maps.insert(inner.maps.begin(), inner.maps.end());
        continue;
      }
      const bool is_there = anew || i.op == Opcode::kNormalise || last_level_[term.value] >= level;
      if (!is_there) return recipe;
      all.leaves.insert(term.value);
    }
    // Those of a layer unfolded three times.
    constexpr size_t kFewLeaves = 4, kFewMaps = 7;
    if (all.leaves.size() <= kFewLeaves && all.maps.size() <= kFewMaps) recipe = std::move(all);
    return recipe;
  }

  // Whether the instruction that makes a value may be repeated in a stage.
  bool MayRecompute(ValueId value, int level) const {
    const Instruction& i = At(producer_[value]);
    const bool maps =
        MapsAreRecomputed(level) && schedule_->levels[producer_[value]] <= loss_level_;
    constexpr size_t kFewTerms = 3;
    switch (i.op) {
      case Opcode::kNormalise:
      case Opcode::kJoin:
        return true;
      case Opcode::kPointwise:
      case Opcode::kMask:
        return maps || i.terms.size() <= kFewTerms;
      case Opcode::kAnalysis:
      case Opcode::kSynthesis:
        return maps;
      default:
        return false;
    }
  }

  // The value, or a copy of it that instructions appended to `all` compute.
  ValueId ValueIn(ValueId value, int level, std::map<std::pair<ValueId, int>, ValueId>* copies,
                  std::vector<Instruction>* all, std::vector<int>* levels) {
    const auto known = copies->find({value, level});
    if (known != copies->end()) return known->second;
    if (!IsRecomputed(value, level)) return value;
    Instruction i = At(producer_[value]);
    for (Term& term : i.terms) term.value = ValueIn(term.value, level, copies, all, levels);
    i.result = static_cast<ValueId>(schedule_->shapes.size());
    schedule_->shapes.push_back(schedule_->shapes[value]);
    schedule_->layouts.push_back(schedule_->layouts[value]);
    dropped_.push_back(0);
    (*copies)[{value, level}] = i.result;
    all->push_back(i);
    levels->push_back(level);
    return i.result;
  }

  const Program& program_;
  const Recomputed recomputed_;
  Schedule* const schedule_;
  int loss_level_ = -1;                                // the stage that computes the loss
  std::vector<int> producer_;                          // by value
  std::vector<int> last_level_;                        // by value: the last stage that reads it
  std::vector<char> dropped_;                          // by value
  std::map<std::pair<ValueId, int>, Recipe> recipes_;  // of a value, in a stage
};

}  // namespace

void RecomputeAcrossStages(const Program& program, Recomputed recomputed, Schedule* schedule) {
  Recomputation(program, recomputed, schedule).Run();
}

void FoldNormalisations(const Program& program, Schedule* schedule) {
  const int count = static_cast<int>(schedule->instructions.size());
  const auto at = [&](int k) -> const Instruction& { return schedule->instructions[k]; };
  std::vector<int> producer_of_value(schedule->shapes.size(), -1);
  std::vector<int> readers(schedule->shapes.size(), 0);
  for (int k = 0; k < count; ++k) {
    if (at(k).result >= 0) producer_of_value[at(k).result] = k;
    for (const Term& term : at(k).terms) ++readers[term.value];
  }
  for (ValueId output : program.outputs()) ++readers[output];
  std::vector<char> folded(count, 0);
  // The only term of `k` where no other instruction reads it, if `k` may fold it.
  const auto producer_of_term = [&](int k, Opcode op) {
    const std::vector<Term>& terms = at(k).terms;
    if (terms.size() != 1 || !terms[0].coefficient.IsOne() || readers[terms[0].value] != 1) {
      return -1;
    }
    const int producer = producer_of_value[terms[0].value];
    const bool fits =
        producer >= 0 && at(producer).op == op && schedule->levels[producer] == schedule->levels[k];
    return fits ? producer : -1;
  };
  for (int k = 0; k < count; ++k) {
    Instruction& i = schedule->instructions[k];
    // Soft thresholding has no place for a mean but within its magnitude.
    if (i.op != Opcode::kPointwise || i.shrink == Shrink::kSoft) continue;
    const int normalise = producer_of_term(k, Opcode::kNormalise);
    if (normalise < 0) continue;
    i.statistic = at(normalise).statistic;
    i.terms = at(normalise).terms;
    folded[normalise] = 1;
    const int sum = producer_of_term(k, Opcode::kPointwise);
    if (sum < 0 || at(sum).shrink != Shrink::kNone || at(sum).scale.present() ||
        at(sum).threshold.present() || at(sum).statistic >= 0) {
      continue;
    }
    i.terms = at(sum).terms;
    folded[sum] = 1;
  }
  int kept = 0;
  for (int k = 0; k < count; ++k) {
    if (folded[k]) continue;
    schedule->levels[kept] = schedule->levels[k];
    schedule->instructions[kept++] = at(k);
  }
  schedule->instructions.resize(kept, Instruction{Opcode::kPointwise});
  schedule->levels.resize(kept);
}

}  // namespace csc::onednn
