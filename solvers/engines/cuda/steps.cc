#include "solvers/engines/cuda/steps.h"

#include <algorithm>
#include <cstddef>

#include "solvers/engines/cuda/kernels/elementwise.h"

namespace csc::cuda {

namespace {

bool IsElementwise(Opcode op) { return op == Opcode::kPointwise || op == Opcode::kMask; }

// Whose kernels end in an epilogue.
bool HasEpilogue(Opcode op) {
  return IsConvolution(op) || IsElementwise(op) || op == Opcode::kNormalise ||
         op == Opcode::kNormaliseAdjoint;
}

bool IsStatistic(Opcode op) { return op == Opcode::kMoments || op == Opcode::kNormaliseSums; }

bool IsSum(Opcode op) {
  return IsStatistic(op) || op == Opcode::kChannelGradient || op == Opcode::kScalarGradient;
}

// Terms that an epilogue adds: not where a mask looks, nor what another kernel reads.
size_t AddedTerms(const Instruction& i) {
  return i.op == Opcode::kPointwise ? i.terms.size() : i.op == Opcode::kMask ? 1 : 0;
}

class StepMaker {
 public:
  explicit StepMaker(const Program& program)
      : program_(program),
        instructions_(program.instructions()),
        uses_(program.num_values(), 0),
        absorbed_(program.num_values(), 0),
        only_mapped_(program.num_values(), true),
        producer_(program.num_values(), -1),
        step_of_(program.num_values(), -1),
        taken_(instructions_.size(), false),
        beginnings_(instructions_.size()) {
    for (size_t k = 0; k < instructions_.size(); ++k) {
      const Instruction& i = instructions_[k];
      for (size_t t = 0; t < i.terms.size(); ++t) {
        ++uses_[i.terms[t].value];
        // An operand of an epilogue: a term, where a mask looks, what weighs a sum.
        const bool maps = IsElementwise(i.op) || (IsSum(i.op) && t > 0);
        if (!maps) only_mapped_[i.terms[t].value] = false;
      }
      if (i.result >= 0) producer_[i.result] = static_cast<int>(k);
    }
    is_whole_.assign(program.num_values(), false);
    for (ValueId input : program.inputs()) is_whole_[input] = true;
    for (ValueId output : program.outputs()) {
      is_whole_[output] = true;
      only_mapped_[output] = false;
      ++uses_[output];
    }
  }

  Steps Make() {
    FindRecomputed();
    FindPlaces();
    for (size_t k = 0; k < instructions_.size(); ++k) FindConvolution(static_cast<int>(k));
    for (size_t k = 0; k < instructions_.size(); ++k) {
      if (!taken_[k]) AddInstruction(static_cast<int>(k));
    }
    for (Step& step : steps_.list) FindStored(&step);
    return std::move(steps_);
  }

 private:
  ValueId Operand(const Term& term) const {
    const int by = steps_.recomputed[term.value];
    return by < 0 ? term.value : instructions_[by].terms[0].value;
  }

  bool EndsAConvolution(const Term& term) const {
    const int by = producer_[term.value];
    return by >= 0 && uses_[term.value] == 1 && IsConvolution(instructions_[by].op);
  }

  // A map of one stored value need not be stored if its uses can map: they read as much
  // without it.
  void FindRecomputed() {
    steps_.recomputed.assign(program_.num_values(), -1);
    for (size_t k = 0; k < instructions_.size(); ++k) {
      const Instruction& i = instructions_[k];
      if (i.op != Opcode::kPointwise || i.terms.size() != 1) continue;
      if (!only_mapped_[i.result] || uses_[i.result] == 0) continue;
      if (EndsAConvolution(i.terms[0]) || steps_.recomputed[i.terms[0].value] >= 0) continue;
      steps_.recomputed[i.result] = static_cast<int>(k);
      taken_[k] = true;
    }
  }

  void FindPlaces() {
    std::vector<Place> parents(program_.num_values());  // of none: -1
    const auto put = [&](ValueId part, ValueId whole, int64_t channel) {
      const Shape& s = program_.shape(part);
      parents[part] = {whole, channel * s.height * s.width};
    };
    for (const Instruction& i : instructions_) {
      if (i.op == Opcode::kView && !is_whole_[i.result]) {
        put(i.result, i.terms[0].value, i.first_channel);
      } else if (i.op == Opcode::kJoin) {
        int64_t channel = 0;
        for (const Term& term : i.terms) {
          // The first join that asks has it; the others copy.
          if (!is_whole_[term.value] && parents[term.value].whole < 0) {
            put(term.value, i.result, channel);
          }
          channel += program_.shape(term.value).channels;
        }
      }
    }
    for (ValueId v = 0; v < program_.num_values(); ++v) {
      Place place = {v, 0};
      while (parents[place.whole].whole >= 0) {
        const Place& parent = parents[place.whole];
        place = {parent.whole, place.inside + parent.inside};
      }
      steps_.places.push_back(place);
    }
  }

  // A value is defined once and a convolution reads nothing that changes, so it may as
  // well run where its value is used, if that is in one place only.
  void FindConvolution(int k) {
    const Instruction& i = instructions_[k];
    if (i.op != Opcode::kPointwise || taken_[k] || i.terms.size() > Epilogue::kMaxTerms + 1) return;
    Step& step = beginnings_[k];
    for (size_t t = 0; t < i.terms.size(); ++t) {
      if (!EndsAConvolution(i.terms[t])) continue;
      const int by = producer_[i.terms[t].value];
      // Of several, the last: its operands are the least likely to wait for it.
      if (by <= step.convolution) continue;
      step = {by, {{k, static_cast<int>(t)}}, {}};
    }
    if (step.convolution >= 0) taken_[step.convolution] = true;
  }

  void AddInstruction(int k) {
    const Instruction& i = instructions_[k];
    int after = -1;
    for (const Term& term : i.terms) after = std::max(after, step_of_[Operand(term)]);
    if (IsSum(i.op)) return AddSum(k, after);
    int at = after;
    if (i.op != Opcode::kJoin && i.op != Opcode::kView) {
      at = after >= 0 && Follows(after, k) ? Append(after, k) : Begin(k);
    } else if (!steps_.IsInPlace(program_, i)) {
      at = Begin(k);
    }
    if (i.result >= 0) step_of_[i.result] = at;
  }

  int Begin(int k) {
    const Step& step = beginnings_[k];
    steps_.list.push_back(step.convolution >= 0 ? step : Step{-1, {{k}}, {}});
    return static_cast<int>(steps_.list.size()) - 1;
  }

  int Append(int number, int k) {
    Step& step = steps_.list[number];
    step.links.push_back({k, Carried(step, instructions_[k])});
    return number;
  }

  // Which of the terms of `i` the last link of a step has just computed; -1 for none.
  int Carried(const Step& step, const Instruction& i) const {
    for (size_t t = 0; t < AddedTerms(i); ++t) {
      if (i.terms[t].value == ResultOf(step.links.back())) return static_cast<int>(t);
    }
    return -1;
  }

  ValueId ResultOf(const Link& link) const { return instructions_[link.instruction].result; }

  // Whether the epilogue of a step has room for an instruction, whose operands are there
  // as soon as each element of the step is.
  bool Follows(int number, int k) const {
    const Step& step = steps_.list[number];
    const Instruction& i = instructions_[k];
    if (!IsElementwise(i.op) || beginnings_[k].convolution >= 0) return false;
    const Instruction& first = instructions_[step.instruction()];
    if (!HasEpilogue(first.op) || program_.shape(first.result) != program_.shape(i.result)) {
      return false;
    }
    if (step.links.size() >= Epilogue::kMaxStages) return false;
    const bool after_convolution = step.convolution >= 0 || IsConvolution(first.op);
    if (after_convolution && i.op == Opcode::kMask && IsSummedAndScaled(i.result)) return false;
    size_t terms = AddedTerms(i) - (Carried(step, i) >= 0 ? 1 : 0);
    for (const Link& link : step.links) {
      terms += AddedTerms(instructions_[link.instruction]) - (link.carried >= 0 ? 1 : 0);
    }
    if (terms > Epilogue::kMaxTerms) return false;
    return std::all_of(i.terms.begin(), i.terms.end(), [&](const Term& term) {
      const ValueId operand = Operand(term);
      return step_of_[operand] < number ||
             std::any_of(step.links.begin(), step.links.end(),
                         [&](const Link& link) { return ResultOf(link) == operand; });
    });
  }

  // What batch normalisation's adjoint begins with: a gradient behind its mask, summed for
  // the threshold and the scale and, scaled, for the statistic. In a pass of its own this is
  // done in passing, and 4 or 5 values are read or written in place of 7 where it is done at
  // the end of a convolution, which cannot sum.
  bool IsSummedAndScaled(ValueId value) const {
    bool summed = false, scaled = false;
    for (const Instruction& i : instructions_) {
      for (const Term& term : i.terms) {
        if (term.value != value) continue;
        summed = summed || IsSum(i.op);
        scaled = scaled || (i.op == Opcode::kPointwise && i.scale.present());
      }
    }
    return summed && scaled;
  }

  void AddSum(int k, int after) {
    const Instruction& i = instructions_[k];
    const ValueId value = i.terms[0].value;
    if (after >= 0 && AddToStep(&steps_.list[after], after, k)) {
      absorbed_[value] +=
          static_cast<int>(std::count_if(i.terms.begin(), i.terms.end(), [value](const Term& term) {
            return term.value == value;
          }));
      return;
    }
    if (!steps_.list.empty() && steps_.list.back().links.empty() &&
        Shares(&steps_.list.back().sums[0], k)) {
      return;
    }
    steps_.list.push_back({-1, {}, {{-1, {k}}}});
  }

  // Where the value is a result of the step, and what weighs it is there before, or itself.
  bool AddToStep(Step* step, int number, int k) {
    const Instruction& i = instructions_[k];
    const auto link = std::find_if(step->links.begin(), step->links.end(),
                                   [&](const Link& l) { return ResultOf(l) == i.terms[0].value; });
    if (link == step->links.end() || step->convolution >= 0) return false;
    if (!EndsInEpilogue(program_, *step)) return false;
    if (IsConvolution(instructions_[step->instruction()].op)) return false;
    if (i.terms.back().value == i.terms[0].value) {
      if (i.channel_sum == ChannelSum::kTimesSignOfSecond) return false;
    } else if (step_of_[Operand(i.terms.back())] >= number) {
      return false;
    }
    const auto position = static_cast<int>(link - step->links.begin());
    for (Sums& sums : step->sums) {
      if (sums.link == position) return Shares(&sums, k);
    }
    if (step->sums.size() >= Epilogue::kMaxSums) return false;
    step->sums.push_back({position, {k}});
    return true;
  }

  // Whether sums of the same value leave the other of the two that a pass gives, the plain
  // and the weighted one, to instruction k; then it is added.
  bool Shares(Sums* sums, int k) const {
    const Instruction& one = instructions_[sums->instructions[0]];
    const Instruction& other = instructions_[k];
    const bool shares = sums->instructions.size() == 1 && !IsStatistic(one.op) &&
                        !IsStatistic(other.op) && one.terms[0].value == other.terms[0].value &&
                        (one.terms.size() == 1) != (other.terms.size() == 1);
    if (shares) sums->instructions.push_back(k);
    return shares;
  }

  void FindStored(Step* step) {
    for (size_t l = 0; l < step->links.size(); ++l) {
      const ValueId value = ResultOf(step->links[l]);
      if (value < 0 || !HasEpilogue(instructions_[step->links[l].instruction].op)) continue;
      const bool carried = l + 1 < step->links.size() && step->links[l + 1].carried >= 0;
      step->links[l].stored = uses_[value] > absorbed_[value] + (carried ? 1 : 0);
    }
  }

  const Program& program_;
  const std::vector<Instruction>& instructions_;
  std::vector<int> uses_;          // by value, as an output too
  std::vector<int> absorbed_;      // by value: uses in sums of the step that computes it
  std::vector<bool> only_mapped_;  // by value: where an epilogue can map what it reads
  std::vector<int> producer_;      // by value, -1: an input
  std::vector<bool> is_whole_;     // by value
  std::vector<int> step_of_;       // by value: after which it is there, -1: from the first on
  std::vector<bool> taken_;        // by instruction: it needs no step of its own
  std::vector<Step> beginnings_;   // by instruction: with the convolution that it takes along
  Steps steps_;
};

}  // namespace

bool Steps::IsInPlace(const Program& program, const Instruction& copy, const Term& term) const {
  const bool view = copy.op == Opcode::kView;
  const Shape& s = program.shape(term.value);
  int64_t channel = view ? -copy.first_channel : 0;
  for (const Term* part = copy.terms.data(); part != &term; ++part) {
    channel += program.shape(part->value).channels;
  }
  const Place& from = places[term.value];
  const Place& to = places[copy.result];
  return from.whole == to.whole && from.inside == to.inside + channel * s.height * s.width;
}

bool Steps::IsInPlace(const Program& program, const Instruction& copy) const {
  return std::all_of(copy.terms.begin(), copy.terms.end(),
                     [&](const Term& term) { return IsInPlace(program, copy, term); });
}

std::vector<Reading> Steps::ReadingsOf(const Program& program, const Step& step) const {
  const std::vector<Instruction>& instructions = program.instructions();
  std::vector<Reading> readings;
  const auto add = [&](ValueId value, int instruction) {
    const int by = recomputed[value];
    readings.push_back({by < 0 ? value : instructions[by].terms[0].value, instruction});
  };
  if (step.convolution >= 0) add(instructions[step.convolution].terms[0].value, step.convolution);
  for (const Link& link : step.links) {
    const Instruction& i = instructions[link.instruction];
    for (size_t t = 0; t < i.terms.size(); ++t) {
      if (static_cast<int>(t) != link.carried) add(i.terms[t].value, link.instruction);
    }
  }
  for (const Sums& sums : step.sums) {
    const ValueId summed =
        sums.link < 0 ? -1 : instructions[step.links[sums.link].instruction].result;
    for (int k : sums.instructions) {
      for (const Term& term : instructions[k].terms) {
        if (term.value != summed) add(term.value, k);
      }
    }
  }
  return readings;
}

std::vector<ValueId> Steps::ReadBy(const Program& program, const Step& step) const {
  std::vector<ValueId> written, read;
  for (const Link& link : step.links) {
    written.push_back(program.instructions()[link.instruction].result);
  }
  const auto holds = [](const std::vector<ValueId>& values, ValueId value) {
    return std::find(values.begin(), values.end(), value) != values.end();
  };
  for (const Reading& reading : ReadingsOf(program, step)) {
    if (holds(written, reading.value) || holds(read, reading.value)) continue;
    read.push_back(reading.value);
  }
  return read;
}

bool EndsInEpilogue(const Program& program, const Step& step) {
  const Instruction& first = program.instructions()[step.instruction()];
  return HasEpilogue(first.op) &&
         (step.convolution >= 0 || AddedTerms(first) <= Epilogue::kMaxTerms);
}

Steps MakeSteps(const Program& program) { return StepMaker(program).Make(); }

}  // namespace csc::cuda
