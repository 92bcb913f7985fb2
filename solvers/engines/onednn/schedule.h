// The order in which the oneDNN engine runs a program, and where it is cut.
//
//   Stage   between two barriers; all of it but gradients of many filters runs on
//           one tile before the next tile begins.
//   Group   of a stage, for values of about one size; runs on a few images of
//           the tile at a time, so that large values stay in the caches and
//           small ones come in numbers worth a matrix product.
//   Unit    of a group: one instruction, then elementwise ones that follow it
//           position by position.

#ifndef CSC_SOLVERS_ENGINES_ONEDNN_SCHEDULE_H_
#define CSC_SOLVERS_ENGINES_ONEDNN_SCHEDULE_H_

#include <cstdint>
#include <vector>

#include "solvers/engines/engine.h"
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
  // Filter gradients that follow once all tiles are through, summed over the whole batch.
  std::vector<int> gradients;  // indices into Schedule::instructions
};

struct Schedule {
  // In program order, long sums split. A kPointwise with a statistic normalises its sum
  // before all else.
  std::vector<Instruction> instructions;
  std::vector<Shape> shapes;    // by value, new ones included
  std::vector<Layout> layouts;  // by value
  std::vector<int> levels;      // by instruction: its stage
  std::vector<Stage> stages;    // units only; loads and stores are empty
};

// Images that a group takes at a time at most.
constexpr int64_t kMostGroupImages = 8;

// True for instructions that touch each position on its own.
bool IsElementwise(Opcode op);

// What later stages compute anew rather than read.
enum class Recomputed {
  kElementwise,  // what costs them no more than reading it would
  kJoins,        // also the inputs of every other dense layer: some time for some memory
  kMaps,         // after the loss also linear maps: much time for much memory
};

Schedule MakeSchedule(const Program& program, int block, Recomputed recomputed,
                      Arithmetic arithmetic);

}  // namespace csc::onednn

#endif  // CSC_SOLVERS_ENGINES_ONEDNN_SCHEDULE_H_
