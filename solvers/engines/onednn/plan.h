// What the oneDNN engine decides about a program before it knows the batch:
// the order of instructions, where they are cut, and where values live.
//
// The batch runs in tiles of a few images. All instructions between two
// barriers (a stage) run on one tile before the next tile begins, so that a
// tile's values stay in a worker's own arena. Only values that cross a barrier
// are kept for the whole batch.

#ifndef CSC_SOLVERS_ENGINES_ONEDNN_PLAN_H_
#define CSC_SOLVERS_ENGINES_ONEDNN_PLAN_H_

#include <cstdint>
#include <vector>

#include "solvers/engines/onednn/layout.h"
#include "solvers/program/program.h"

namespace csc::onednn {

// Where a value lives, in floats for each image.
struct Storage {
  enum class Kind {
    kNone,   // never used
    kTile,   // in the worker's arena, from offset * images of the tile
    kBatch,  // in the batch's buffer, from offset * images of the batch
  };
  Kind kind = Kind::kNone;
  int64_t offset = 0;        // of the buffer the value lies in
  int64_t image_stride = 0;  // floats from one image to the next
  int64_t inner_offset = 0;  // inside the image, for parts of a join
};

// Instructions that run together: one, or several elementwise ones.
struct Unit {
  std::vector<int> instructions;  // indices into Plan::instructions
};

struct Stage {
  std::vector<Unit> units;
  std::vector<ValueId> loads;   // inputs to convert first
  std::vector<ValueId> stores;  // outputs to convert last
};

struct Plan {
  std::vector<Instruction> instructions;  // long sums split, in program order
  std::vector<Shape> shapes;              // by value, new ones included
  std::vector<Layout> layouts;            // by value
  std::vector<Storage> storage;           // by value
  std::vector<Stage> stages;
  std::vector<char> inlaid;  // by instruction: a join whose parts lie in place
  int64_t tile_floats = 0;   // of an arena, for each image of a tile
  int64_t batch_floats = 0;  // of the batch's buffer, for each image

  // Floats of one image of a value.
  int64_t ImageFloats(ValueId value) const {
    return layouts[value].lanes() * shapes[value].height * shapes[value].width;
  }
};

// True for instructions that touch each position on its own.
bool IsElementwise(Opcode op);

Plan MakePlan(const Program& program, int block);

}  // namespace csc::onednn

#endif  // CSC_SOLVERS_ENGINES_ONEDNN_PLAN_H_
