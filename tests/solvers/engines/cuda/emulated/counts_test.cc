// That rows, sectors and instructions are counted as a profiler would.

#include "tests/solvers/engines/cuda/emulated/counts.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "tests/solvers/engines/cuda/emulated/kernel_text.h"
#include "tests/solvers/engines/cuda/emulated/machine.h"

namespace csc::test::ptx {
namespace {

constexpr uint32_t kWords = 1024;

// Of one warp and one parameter, the address of 1024 words in %rd1; %r1 is the lane.
// Returns what the instruction of this name costs.
Counts::Line Count(const std::string& body, const std::string& instruction) {
  const auto kernels = Parse(KernelText(32, 4096, body));
  const Kernel& kernel = kernels.at("kernel");
  alignas(256) static uint32_t words[kWords];
  DeviceMemory memory;
  memory.Add(words, sizeof(words), /*written=*/true);
  std::vector<char> parameters(sizeof(void*));
  const void* const address = words;
  std::memcpy(parameters.data(), &address, sizeof(address));
  const Counts counts = CountSome(kernel, {1, 32, 0}, parameters, 1, &memory);
  EXPECT_EQ(counts.blocks, 1u);
  for (size_t at = 0; at < kernel.code.size(); ++at) {
    if (kernel.code[at].text.rfind(instruction, 0) == 0) return counts.lines[at];
  }
  ADD_FAILURE() << "no " << instruction;
  return {};
}

// Lane i stores to word i * stride.
Counts::Line Shared(int stride) {
  return Count("	mul.lo.s32 	%r2, %r1, " + std::to_string(4 * stride) +
                   ";\n	st.shared.u32 	[%r2], 7;\n",
               "st.shared");
}

TEST(Counts, FindBankConflicts) {
  EXPECT_EQ(Shared(0).rows, 1u);
  EXPECT_EQ(Shared(1).rows, 1u);
  EXPECT_EQ(Shared(2).rows, 2u);
  EXPECT_EQ(Shared(3).rows, 1u);
  EXPECT_EQ(Shared(32).rows, 32u);
  EXPECT_EQ(Shared(32).least_rows, 1u);
}

TEST(Counts, TakeQuartersOfAWarpForVectors) {
  const auto vectors = [](int stride) {
    return Count("	mul.lo.s32 	%r2, %r1, " + std::to_string(4 * stride) +
                     ";\n	st.shared.v4.u32 	[%r2], {%r1, %r1, %r1, %r1};\n",
                 "st.shared");
  };
  EXPECT_EQ(vectors(4).rows, 4u);
  EXPECT_EQ(vectors(8).rows, 8u);
  EXPECT_EQ(vectors(8).least_rows, 4u);
}

TEST(Counts, FindSectorsOfScatteredLanes) {
  const auto global = [](int stride) {
    return Count(
        "	mul.wide.u32 	%rd2, %r1, " + std::to_string(4 * stride) +
            ";\n	add.s64 	%rd3, %rd1, %rd2;\n	ld.global.u32 	%r3, [%rd3];\n",
        "ld.global");
  };
  EXPECT_EQ(global(1).sectors, 4u);
  EXPECT_EQ(global(2).sectors, 8u);
  EXPECT_EQ(global(8).sectors, 32u);
  EXPECT_EQ(global(8).least_sectors, 4u);
  EXPECT_EQ(global(8).rows, 8u);
  EXPECT_EQ(global(0).sectors, 1u);
}

// Lanes that leave a loop early take part in its first rounds all the same.
TEST(Counts, MatchLanesOfALoop) {
  const Counts::Line line = Count(R"(
	mov.u32 	%r2, 0;
	shl.b32 	%r3, %r1, 2;
$L__BB0_1:
	st.shared.u32 	[%r3], %r2;
	add.s32 	%r2, %r2, 8;
	setp.le.u32 	%p1, %r2, %r1;
	@%p1 bra 	$L__BB0_1;
)",
                                  "st.shared");
  EXPECT_EQ(line.issued, 4u);
  EXPECT_EQ(line.requests, 4u);
  EXPECT_EQ(line.rows, 4u);
}

TEST(Counts, CountInstructionsThatNoLaneDoes) {
  const Counts::Line line = Count(R"(
	setp.gt.u32 	%p1, %r1, 31;
	@%p1 st.shared.u32 	[0], %r1;
)",
                                  "@%p1");
  EXPECT_EQ(line.issued, 1u);
  EXPECT_EQ(line.requests, 0u);
}

}  // namespace
}  // namespace csc::test::ptx
