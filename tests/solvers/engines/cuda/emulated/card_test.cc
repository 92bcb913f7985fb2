// The model's arithmetic, on launches whose counts are made by hand.

#include "tests/solvers/engines/cuda/emulated/card.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "tests/solvers/engines/cuda/emulated/kernel_text.h"

namespace csc::test {
namespace {

constexpr double kCycle = 1 / 1.75e9;

// Each of these instructions was issued 1000 times in the one block that was run.
class Card : public ::testing::Test {
 protected:
  Card() {
    kernels_ = ptx::Parse(KernelText(256, 256, R"(
	add.f32 	%f1, %f2, %f3;
	fma.rn.f32 	%f1, %f2, %f3, %f1;
	add.s32 	%r2, %r3, %r4;
	mov.u32 	%r3, %r4;
)"));
    launch_.node.kernel = &kernels_.at("kernel");
    launch_.node.grid = {1, 256, 0};
    launch_.counts.blocks = 1;
    launch_.counts.lines.resize(launch_.node.kernel->code.size());
    for (size_t at = 0; at < launch_.counts.lines.size(); ++at) {
      const std::string& text = launch_.node.kernel->code[at].text;
      for (const char* name : {"add.f32", "fma.rn.f32", "add.s32", "mov.u32 	%r3"}) {
        if (text.rfind(name, 0) == 0) launch_.counts.lines[at].issued = 1000;
      }
    }
  }

  double SecondsOf(Bound bound, const BlockResources& resources = {32, 0}) const {
    return TimeOf(launch_, resources).seconds[static_cast<size_t>(bound)];
  }

  std::map<std::string, ptx::Kernel> kernels_;
  Counted launch_;
};

TEST_F(Card, IssuesFourInstructionsACycleAndNoCopies) {
  EXPECT_NEAR(SecondsOf(Bound::kIssue), 3000 / 4.0 * kCycle, 1e-12);
  EXPECT_NEAR(SecondsOf(Bound::kFloat), 2000 / 4.0 * kCycle, 1e-12);
  EXPECT_EQ(SecondsOf(Bound::kProducts), 0);
}

TEST_F(Card, GivesBlocksToAllMultiprocessors) {
  const double one = SecondsOf(Bound::kIssue);
  launch_.node.grid.blocks = 132;
  EXPECT_NEAR(SecondsOf(Bound::kIssue), one, 1e-12);
  launch_.node.grid.blocks = 133;
  EXPECT_NEAR(SecondsOf(Bound::kIssue), 2 * one, 1e-12);
}

TEST_F(Card, MovesRowsAndSectors) {
  launch_.counts.lines[0].rows = 500;
  launch_.counts.block_sectors = 100;
  launch_.counts.own_sectors = 80;
  launch_.counts.common_sectors = 40;
  launch_.node.grid.blocks = 10;
  EXPECT_NEAR(SecondsOf(Bound::kMemoryUnit), 500 * kCycle, 1e-12);
  EXPECT_NEAR(SecondsOf(Bound::kLevel2), 10 * 100 * 32 / 5.5e12, 1e-15);
  EXPECT_NEAR(SecondsOf(Bound::kMemory), (10 * 80 + 40) * 32 / 4.3e12, 1e-15);
}

TEST_F(Card, FitsBlocksByRegistersSharedMemoryAndThreads) {
  EXPECT_EQ(TimeOf(launch_, {32, 0}).blocks_at_once, 8);   // of 256 threads
  EXPECT_EQ(TimeOf(launch_, {128, 0}).blocks_at_once, 2);  // of 64 Ki registers
  EXPECT_EQ(TimeOf(launch_, {33, 0}).blocks_at_once, 6);   // 40 of them: eights
  EXPECT_EQ(TimeOf(launch_, {32, 100 << 10}).blocks_at_once, 2);
  launch_.node.grid.shared_bytes = 60 << 10;
  EXPECT_EQ(TimeOf(launch_, {32, 0}).blocks_at_once, 3);
}

TEST_F(Card, IsBoundByTheSlowest) {
  LaunchTime time;
  time.seconds = {1, 2, 3, 9, 5, 6, 7, 8};
  EXPECT_EQ(time.bound(), 9);
}

}  // namespace
}  // namespace csc::test
