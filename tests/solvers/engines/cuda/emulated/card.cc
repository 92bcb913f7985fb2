#include "tests/solvers/engines/cuda/emulated/card.h"

#include <algorithm>

namespace csc::test {

namespace {

using ptx::Op;
using ptx::Space;
using ptx::Type;

constexpr int kMultiprocessors = 132;
constexpr double kHertz = 1.75e9;
constexpr int kRegisters = 64 << 10;
constexpr int kRegisterUnit = 256;  // of a warp's allocation
constexpr int kSharedBytes = 227 << 10;
constexpr int kSharedOfSystem = 1 << 10;  // of a block
constexpr int kThreads = 2048;
constexpr int kBlocks = 32;
// Of a multiprocessor and cycle, in warps' instructions.
constexpr double kIssues = 4;
constexpr double kFloats = 4;
constexpr double kDoubles = 2;
// Products of m16n8k8 (TF32) or m16n8k16 (bfloat16): one at most, of which mma.sync is
// known to reach some 62 % on Hopper.
constexpr double kProducts = 0.62;
constexpr double kRows = 1;  // of 128 bytes
// A warp alone does not begin an instruction in every cycle, as one waits for another.
constexpr double kCyclesOfWarp = 2;
constexpr double kLevel2Bytes = 5.5e12;  // a second
constexpr double kMemoryBytes = 4.3e12;

bool IsFloat(const ptx::Instruction& i, Type type) {
  const bool computes = i.op == Op::kAdd || i.op == Op::kSubtract || i.op == Op::kMultiply ||
                        i.op == Op::kMultiplyAdd || i.op == Op::kDivide;
  return computes && i.type == type;
}

// What ptxas leaves out as a rule: copies, parameters that are operands of what uses them,
// integers made longer or shorter. Without these, inner loops of our convolutions have as
// many instructions in PTX as in the code for sm_90 within a tenth.
bool IsFree(const ptx::Instruction& i) {
  return i.op == Op::kMove || i.op == Op::kPack || i.op == Op::kUnpack ||
         (i.op == Op::kLoad && i.space == Space::kParameters) ||
         (i.op == Op::kConvert && i.type != Type::kF32 && i.type != Type::kF64 &&
          i.source_type != Type::kF32 && i.source_type != Type::kF64);
}

int CeilDiv(int a, int b) { return (a + b - 1) / b; }

int BlocksAtOnce(const ptx::Grid& grid, const BlockResources& resources) {
  const int warps = CeilDiv(static_cast<int>(grid.threads), ptx::kLanes);
  const int registers = CeilDiv(resources.registers * ptx::kLanes, kRegisterUnit) * kRegisterUnit;
  const int shared = resources.shared_bytes + static_cast<int>(grid.shared_bytes);
  return std::max(1, std::min({kBlocks, kThreads / (warps * static_cast<int>(ptx::kLanes)),
                               kRegisters / std::max(registers * warps, 1),
                               kSharedBytes / (shared + kSharedOfSystem)}));
}

}  // namespace

double LaunchTime::bound() const { return *std::max_element(seconds.begin(), seconds.end()); }

LaunchTime TimeOf(const Counted& launch, const BlockResources& resources) {
  const ptx::Counts& counts = launch.counts;
  double issued = 0, floats = 0, doubles = 0, products = 0, rows = 0;
  for (size_t at = 0; at < counts.lines.size(); ++at) {
    const ptx::Instruction& i = launch.node.kernel->code[at];
    const auto times = static_cast<double>(counts.lines[at].issued);
    if (!IsFree(i)) issued += times;
    if (IsFloat(i, Type::kF32)) floats += times;
    if (IsFloat(i, Type::kF64)) doubles += times;
    if (i.op == Op::kMmaTf32 || i.op == Op::kMmaBfloat16) products += times;
    rows += static_cast<double>(counts.lines[at].rows);
  }
  const ptx::Grid& grid = launch.node.grid;
  LaunchTime time;
  time.blocks_at_once = BlocksAtOnce(grid, resources);
  // The busiest multiprocessor has so many blocks, one after the other or at once.
  const double blocks = CeilDiv(static_cast<int>(grid.blocks), kMultiprocessors);
  const double cycle = blocks / (counts.blocks * kHertz);  // of all blocks counted
  const double waves =
      CeilDiv(static_cast<int>(grid.blocks), kMultiprocessors * time.blocks_at_once);
  const double warps = CeilDiv(static_cast<int>(grid.threads), ptx::kLanes);
  const double all = static_cast<double>(grid.blocks) / counts.blocks * ptx::kSectorBytes;
  const auto set = [&](Bound bound, double seconds) {
    time.seconds[static_cast<size_t>(bound)] = seconds;
  };
  set(Bound::kIssue, issued / kIssues * cycle);
  set(Bound::kFloat, floats / kFloats * cycle);
  set(Bound::kDouble, doubles / kDoubles * cycle);
  set(Bound::kProducts, products / kProducts * cycle);
  set(Bound::kMemoryUnit, rows / kRows * cycle);
  set(Bound::kLevel2, static_cast<double>(counts.block_sectors) * all / kLevel2Bytes);
  set(Bound::kMemory, (static_cast<double>(counts.own_sectors) * all +
                       static_cast<double>(counts.common_sectors) * ptx::kSectorBytes) /
                          kMemoryBytes);
  set(Bound::kWarp, issued / warps * kCyclesOfWarp * waves / (counts.blocks * kHertz));
  return time;
}

}  // namespace csc::test
