// How the oneDNN engine lays values out: [N][blocks][H][W][block], with the
// channels in segments that each start a block of their own.
//
// A joined value is the row of its parts' segments, so that joining and viewing
// never split a block. The lanes that pad a segment are always zero.

#ifndef CSC_SOLVERS_ENGINES_ONEDNN_LAYOUT_H_
#define CSC_SOLVERS_ENGINES_ONEDNN_LAYOUT_H_

#include <cstdint>
#include <vector>

#include "solvers/program/program.h"

namespace csc::onednn {

// Channel layout of a value.
struct Layout {
  std::vector<int64_t> segments;  // channels of each
  int block = 16;                 // lanes

  int64_t channels() const;
  int64_t lanes() const;  // physical channels, a multiple of `block`
  // For each channel its lane.
  std::vector<int64_t> LaneOfChannel() const;
  bool operator==(const Layout& other) const {
    return segments == other.segments && block == other.block;
  }
};

// Chooses a layout for every value of the program. Values that meet in a
// pointwise instruction, or are a gradient and its primal, are laid out alike.
std::vector<Layout> ChooseLayouts(const Program& program, int block);

// Where the first of `channels` channels from `first_channel` lies, if they are
// whole segments of `whole` laid out exactly as `part`; -1 otherwise.
int64_t FirstLaneOfPart(const Layout& whole, int64_t first_channel, const Layout& part);

}  // namespace csc::onednn

#endif  // CSC_SOLVERS_ENGINES_ONEDNN_LAYOUT_H_
