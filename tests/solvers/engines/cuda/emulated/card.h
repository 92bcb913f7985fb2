// How long an H200 would take for a launch at least: a model, from what was counted
// (counts.h) and rates of the device, published or assumed. Nothing here was measured on one.
// What it leaves out makes launches longer: latencies that no other warp hides, caches
// that miss, clocks that fall.

#ifndef CSC_TESTS_SOLVERS_ENGINES_CUDA_EMULATED_CARD_H_
#define CSC_TESTS_SOLVERS_ENGINES_CUDA_EMULATED_CARD_H_

#include <array>
#include <string>

#include "tests/solvers/engines/cuda/emulated/device.h"

namespace csc::test {

// Of a block.
struct BlockResources {
  int registers = 0;  // of a thread
  int shared_bytes = 0;
};

// What a launch is bound by, if nothing else were in the way.
enum class Bound { kIssue, kFloat, kDouble, kProducts, kMemoryUnit, kLevel2, kMemory, kWarp };
inline constexpr std::array<const char*, 8> kBoundNames = {"issue", "float", "double", "mma",
                                                           "lsu",   "l2",    "hbm",    "warp"};

struct LaunchTime {
  std::array<double, kBoundNames.size()> seconds{};  // by Bound
  int blocks_at_once = 0;                            // on a multiprocessor

  // The largest.
  double bound() const;
};

// Between the end of one kernel of a graph and the beginning of the next.
inline constexpr double kLaunchSeconds = 2e-6;

LaunchTime TimeOf(const Counted& launch, const BlockResources& resources);

}  // namespace csc::test

#endif  // CSC_TESTS_SOLVERS_ENGINES_CUDA_EMULATED_CARD_H_
