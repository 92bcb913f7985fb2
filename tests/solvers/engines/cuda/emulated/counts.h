// What a profiler would count of a launch: instructions of warps, rows of shared memory,
// sectors of memory. Of PTX, not of what ptxas makes of it, and of some blocks only.

#ifndef CSC_TESTS_SOLVERS_ENGINES_CUDA_EMULATED_COUNTS_H_
#define CSC_TESTS_SOLVERS_ENGINES_CUDA_EMULATED_COUNTS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tests/solvers/engines/cuda/emulated/ptx.h"

namespace csc::test::ptx {

inline constexpr uint32_t kLanes = 32;
inline constexpr int kSectorBytes = 32;
inline constexpr int kRowBytes = 128;  // of shared memory, and of a line of the cache

// Of the blocks that were run.
struct Counts {
  // Of one instruction. The least is what the same lanes would need for as many bytes
  // side by side.
  struct Line {
    uint64_t issued = 0;    // by a warp, whether or not a lane's predicate holds
    uint64_t requests = 0;  // of them, those by which some lane reaches memory
    uint64_t rows = 0, least_rows = 0;
    uint64_t sectors = 0, least_sectors = 0;  // not of shared memory
  };

  std::vector<Line> lines;  // by the kernel's instructions
  uint32_t blocks = 0;
  // Different sectors that a block reads and writes, summed over blocks, and different
  // ones over all blocks. What both stretches of neighbouring blocks touch is apart: it is
  // there once, however many blocks there are.
  uint64_t block_sectors = 0;
  uint64_t own_sectors = 0, common_sectors = 0;
};

// Counts what the blocks of a launch do, lane by lane. Lanes that do an instruction for
// the n-th time since they were last together do it together.
class Counter {
 public:
  explicit Counter(const Kernel& kernel);

  void BeginStretch() { stretches_.emplace_back(); }
  // A lane has come to an instruction, and reaches memory by it.
  void Execute(uint32_t lane, int at);
  void Access(uint32_t lane, int at, uint64_t address);
  // The lanes of a warp are together.
  void EndSegment();
  void EndBlock();
  Counts Finish();

 private:
  struct Request {
    uint32_t lanes = 0;  // by bits
    uint64_t addresses[kLanes];
  };

  void Count(const Instruction& i, const Request& request, Counts::Line* line);

  const Kernel& kernel_;
  Counts counts_;
  std::vector<uint32_t> executed_;  // [instruction][lane], since the lanes were together
  std::vector<uint32_t> most_;      // of the lanes
  std::vector<std::vector<Request>> requests_;
  std::vector<int> touched_;                      // instructions
  std::vector<uint64_t> block_;                   // sectors
  std::vector<std::vector<uint64_t>> stretches_;  // likewise, one or two
};

}  // namespace csc::test::ptx

#endif  // CSC_TESTS_SOLVERS_ENGINES_CUDA_EMULATED_COUNTS_H_
