// What the oneDNN engine decides about a program before it knows the batch: its
// schedule, and where values live.
//
// A tile's values stay in a worker's own arena, those that no group hands on in
// a part of it that all groups share, and those that stay inside a unit nowhere
// but in strips. Only values that cross a barrier are kept for the whole batch.

#ifndef CSC_SOLVERS_ENGINES_ONEDNN_PLAN_H_
#define CSC_SOLVERS_ENGINES_ONEDNN_PLAN_H_

#include <cstdint>
#include <vector>

#include "solvers/engines/engine.h"
#include "solvers/engines/onednn/layout.h"
#include "solvers/engines/onednn/schedule.h"
#include "solvers/program/program.h"

namespace csc::onednn {

// Where a value lives, in floats for each image.
struct Storage {
  enum class Kind {
    kNone,   // never used
    kStrip,  // in the slot `offset` of the strips that a unit works on
    kGroup,  // in the worker's arena, for the images that a group takes at a time
    kTile,   // in the worker's arena, for the images of the tile
    kBatch,  // in the batch's buffer
  };
  Kind kind = Kind::kNone;
  int64_t offset = 0;        // of the buffer the value lies in
  int64_t image_stride = 0;  // floats from one image to the next
  int64_t inner_offset = 0;  // inside the image, for parts of a join
};

struct Plan : Schedule {
  std::vector<Storage> storage;  // by value
  std::vector<char> inlaid;      // by instruction: a join whose parts lie in place
  int64_t tile_floats = 0;       // of an arena, for each image of a tile
  int64_t batch_floats = 0;      // of the batch's buffer, for each image
  // Of an arena, for the images that groups take at a time, by their number.
  int64_t group_floats[kMostGroupImages + 1] = {};

  // Floats of one image of a value.
  int64_t ImageFloats(ValueId value) const {
    return layouts[value].lanes() * shapes[value].height * shapes[value].width;
  }
  // Floats of an arena for tiles of so many images.
  int64_t ArenaFloats(int64_t images) const;
};

// A plan that keeps much for each image is made again, to compute more anew.
Plan MakePlan(const Program& program, int block, const PrepareOptions& options);

}  // namespace csc::onednn

#endif  // CSC_SOLVERS_ENGINES_ONEDNN_PLAN_H_
