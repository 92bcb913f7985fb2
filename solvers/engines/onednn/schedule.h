// The order in which the oneDNN engine runs a program, and where it is cut.
//
//   Stage   between two barriers; all of it runs on one tile before the next
//           tile begins.
//   Group   of a stage, for values of about one size; runs on a few images of
//           the tile at a time, so that large values stay in the caches and
//           small ones come in numbers worth a matrix product.
//   Unit    of a group: one instruction, then elementwise ones that follow it
//           position by position.

#ifndef CSC_SOLVERS_ENGINES_ONEDNN_SCHEDULE_H_
#define CSC_SOLVERS_ENGINES_ONEDNN_SCHEDULE_H_

#include <cstdint>
#include <vector>

#include "solvers/engines/onednn/layout.h"
#include "solvers/program/program.h"

namespace csc::onednn {

struct Unit {
  std::vector<int> instructions;  // indices into Schedule::instructions
};

struct Group {
  std::vector<Unit> units;
  int64_t images = 1;           // at a time, at most
  std::vector<ValueId> loads;   // inputs to convert first
  std::vector<ValueId> stores;  // outputs to convert last
};

struct Stage {
  std::vector<Group> groups;
};

struct Schedule {
  std::vector<Instruction> instructions;  // long sums split, in program order
  std::vector<Shape> shapes;              // by value, new ones included
  std::vector<Layout> layouts;            // by value
  std::vector<int> levels;                // by instruction: its stage
  std::vector<Stage> stages;              // units only; loads and stores are empty
};

// Images that a group takes at a time at most.
constexpr int64_t kMostGroupImages = 8;

// True for instructions that touch each position on its own.
bool IsElementwise(Opcode op);

Schedule MakeSchedule(const Program& program, int block);

}  // namespace csc::onednn

#endif  // CSC_SOLVERS_ENGINES_ONEDNN_SCHEDULE_H_
