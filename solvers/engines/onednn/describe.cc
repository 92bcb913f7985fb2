// How a program runs, for people: CSC_VERBOSE=2.

#include <fmt/format.h>

#include "solvers/engines/onednn/executable.h"

namespace csc::onednn {

namespace {

// "  4 analysis layer0.F 3x3 dilation 2x2 [17, 8, 8] -> [16, 8, 8], with elementwise 5, 6".
std::string UnitText(const Program& program, const Plan& plan, const Unit& unit) {
  const int head = unit.instructions[0];
  const Instruction& i = plan.instructions[head];
  std::string text = fmt::format("{:3} {}", head, Name(i.op));
  if (i.filters >= 0) {
    text += fmt::format(" {} {}", program.parameters()[i.filters].name, ToString(i.geometry));
  }
  std::string separator = " ";
  for (const Term& term : i.terms) {
    text += separator + ToString(plan.shapes[term.value]);
    separator = " and ";
    if (IsElementwise(i.op)) break;  // all have one shape
  }
  if (i.result >= 0) text += " -> " + ToString(plan.shapes[i.result]);
  separator = ", with elementwise ";
  for (size_t n = 1; n < unit.instructions.size(); ++n) {
    text += fmt::format("{}{}", separator, unit.instructions[n]);
    separator = ", ";
  }
  return text;
}

}  // namespace

// One line a unit, and one a gradient of the whole batch, in the order in which they run: the
// number of its first instruction, what that does to values of which sizes, and what follows it
// in the same pass; then, where there is a choice, what computes it and why.
std::string OneDnnExecutable::Describe() const {
  std::string text;
  const auto add = [&](const Unit& unit) {
    const int head = unit.instructions[0];
    std::string how;
    for (const auto& set : tile_sets_) {
      if (set->parts(head).empty()) continue;
      how += (how.empty() ? ": " : "; ") + set->Describe(head);
    }
    const std::string own = banded_.Describe(head);
    if (!own.empty()) how += (how.empty() ? ": " : " ") + own;
    text += UnitText(program_, plan_, unit) + how + "\n";
  };
  for (const Stage& stage : plan_.stages) {
    for (const Group& group : stage.groups) {
      for (const Unit& unit : group.units) add(unit);
    }
    for (int k : stage.gradients) add({{k}});
  }
  return text;
}

}  // namespace csc::onednn
