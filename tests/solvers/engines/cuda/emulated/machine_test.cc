// That the machine computes, and that it stops at what a GPU would get wrong.

#include "tests/solvers/engines/cuda/emulated/machine.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "tests/solvers/engines/cuda/emulated/kernel_text.h"

namespace csc::test::ptx {
namespace {

// Of 64 threads and one parameter, the address of 64 words in %rd1; %r1 is the thread,
// %r2 four times that, and %rd3 the address of its word.
std::string KernelOf(const std::string& body) {
  return KernelText(64, 256, R"(
	shl.b32 	%r2, %r1, 2;
	mul.wide.u32 	%rd2, %r1, 4;
	add.s64 	%rd3, %rd1, %rd2;
)" + body);
}

// What the 64 words are afterwards, which begin as 0, 1, ...
std::vector<uint32_t> RunKernel(const std::string& body, bool written = true, bool early = false) {
  alignas(256) static uint32_t words[64];
  const auto kernels = Parse(KernelOf(body));
  DeviceMemory memory;
  memory.Add(words, sizeof(words));
  for (uint32_t i = 0; i < 64; ++i) words[i] = i;
  if (written) memory.MarkWritten(words, sizeof(words));
  std::vector<char> parameters(sizeof(void*));
  const void* const address = words;
  std::memcpy(parameters.data(), &address, sizeof(address));
  Run(kernels.at("kernel"), {1, 64, 0, early}, parameters, &memory);
  return {words, words + 64};
}

constexpr char kReversed[] = R"(
	mov.u32 	%r3, words;
	add.s32 	%r4, %r3, %r2;
	st.shared.u32 	[%r4], %r1;
	BARRIER
	sub.s32 	%r5, 252, %r2;
	add.s32 	%r5, %r5, %r3;
	ld.shared.u32 	%r6, [%r5];
	st.global.u32 	[%rd3], %r6;
)";

std::string Replaced(std::string text, const std::string& what, const std::string& with) {
  return text.replace(text.find(what), what.size(), with);
}

TEST(Machine, ExchangesWordsThroughSharedMemory) {
  const auto words = RunKernel(Replaced(kReversed, "BARRIER", "bar.sync \t0;"));
  for (uint32_t i = 0; i < 64; ++i) EXPECT_EQ(words[i], 63 - i);
}

TEST(Machine, BranchesAndRounds) {
  const auto words = RunKernel(R"(
	cvt.rn.f32.s32 	%f1, %r1;
	fma.rn.f32 	%f2, %f1, 0f40000000, 0f3F800000;
	setp.lt.u32 	%p1, %r1, 10;
	@%p1 bra 	$L__BB0_2;
	neg.f32 	%f2, %f2;
$L__BB0_2:
	st.global.f32 	[%rd3], %f2;
)");
  for (uint32_t i = 0; i < 64; ++i) {
    const float expected = (i < 10 ? 1.0f : -1.0f) * (2.0f * static_cast<float>(i) + 1);
    EXPECT_EQ(std::memcmp(&words[i], &expected, 4), 0) << i;
  }
}

TEST(Machine, KeepsTheSignOfShortNumbers) {
  const auto words = RunKernel(R"(
	sub.s32 	%r3, 8, %r1;
	cvt.u16.u32 	%rs1, %r3;
	st.global.u16 	[%rd3], %rs1;
	ld.global.s16 	%r4, [%rd3];
	st.global.u32 	[%rd3], %r4;
)");
  for (int i = 0; i < 64; ++i) EXPECT_EQ(static_cast<int32_t>(words[i]), 8 - i);
}

// A is 1 in row 0, B is 2 in column 0, D is 3: 8 products of 2 and the 3 in one corner.
TEST(Machine, MultipliesMatrices) {
  const auto words = RunKernel(R"(
	and.b32 	%r3, %r1, 28;
	setp.eq.s32 	%p1, %r3, 0;
	selp.f32 	%f1, 0f3F800000, 0f00000000, %p1;
	selp.f32 	%f2, 0f40000000, 0f00000000, %p1;
	mov.b32 	%r4, %f1;
	mov.b32 	%r5, %f2;
	mov.u32 	%r6, 0;
	mov.f32 	%f3, 0f40400000;
	mov.f32 	%f4, %f3;
	mov.f32 	%f5, %f3;
	mov.f32 	%f6, %f3;
	mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%f3, %f4, %f5, %f6}, {%r4, %r6, %r4, %r6}, {%r5, %r5}, {%f3, %f4, %f5, %f6};
	st.global.f32 	[%rd3], %f3;
)");
  for (uint32_t i = 0; i < 64; ++i) {
    const float expected = i % 32 == 0 ? 19 : 3;
    EXPECT_EQ(std::memcmp(&words[i], &expected, 4), 0) << i;
  }
}

using MachineDeathTest = ::testing::Test;

TEST(MachineDeathTest, FindsAMissingBarrier) {
  EXPECT_DEATH(RunKernel(Replaced(kReversed, "BARRIER", "")),
               "reads what another writes|writes what another reads|nobody has written");
}

TEST(MachineDeathTest, FindsABarrierThatNotAllReach) {
  EXPECT_DEATH(RunKernel(R"(
	setp.lt.u32 	%p1, %r1, 40;
	@%p1 bra 	$L__BB0_2;
	bar.sync 	0;
$L__BB0_2:
)"),
               "different barriers");
}

TEST(MachineDeathTest, FindsRacesInMemory) {
  EXPECT_DEATH(RunKernel("	st.global.u32 	[%rd1], %r1;\n"), "memory: two threads write");
}

TEST(MachineDeathTest, LetsThreadsWriteTheSame) {
  EXPECT_EQ(RunKernel("	st.global.u32 	[%rd1], 7;\n")[0], 7u);
}

TEST(MachineDeathTest, FindsAddressesThatAreWrong) {
  EXPECT_DEATH(RunKernel("	ld.global.u32 	%r3, [%rd3+4];\n"), "outside all memory");
  EXPECT_DEATH(RunKernel("	ld.global.u32 	%r3, [%rd3+2];\n"), "misaligned");
  EXPECT_DEATH(RunKernel("	st.shared.u32 	[%r2+4], %r1;\n"), "past the end of shared memory");
}

TEST(MachineDeathTest, FindsReadsOfWhatNobodyWrote) {
  EXPECT_DEATH(RunKernel("	ld.global.u32 	%r3, [%rd3];\n", false), "nobody has written");
  EXPECT_DEATH(RunKernel("	ld.shared.u32 	%r3, [%r2];\n"),
               "shared memory: nobody has written");
}

TEST(MachineDeathTest, FindsProductsInDivergentCode) {
  EXPECT_DEATH(RunKernel(R"(
	setp.lt.u32 	%p1, %r1, 40;
	@%p1 bra 	$L__BB0_2;
	mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%f3, %f4, %f5, %f6}, {%r4, %r6, %r4, %r6}, {%r5, %r5}, {%f3, %f4, %f5, %f6};
$L__BB0_2:
)"),
               "different products|without all lanes");
}

TEST(MachineDeathTest, FindsKernelsThatBeginEarlyAndDoNotWait) {
  const auto run = [](const std::string& body) { return RunKernel(body, true, true); };
  const std::string wait = "\tgriddepcontrol.wait;\n\tgriddepcontrol.launch_dependents;\n";
  const std::string load = "\tld.global.u32 \t%r3, [%rd3];\n";
  const std::string store = "\tst.global.u32 \t[%rd3], %r2;\n";
  EXPECT_EQ(run(wait + load + store)[1], 4u);
  EXPECT_DEATH(run(load + wait), "memory that the launch before may use");
  EXPECT_DEATH(run(store + wait), "memory that the launch before may use");
  EXPECT_DEATH(run(""), "may end before its turn");
  EXPECT_DEATH(
      run("\tsetp.lt.u32 \t%p1, %r1, 40;\n\t@%p1 bra \t$L__BB0_2;\n" + wait + "$L__BB0_2:\n"),
      "may end before its turn");
  EXPECT_DEATH(run(wait + Replaced(load, "global", "global.nc")), "read as read-only");
}

TEST(MachineDeathTest, StopsAtWhatItDoesNotKnow) {
  EXPECT_DEATH(RunKernel("	vote.sync.any.pred 	%p1, %p2, -1;\n"), "vote");
  for (const char* line :
       {"shr.s64 \t%rd4, %rd2, 1;", "shr.u16 \t%rs1, 8, 1;", "shr.s16 \t%rs1, 8, 1;",
        "mul.wide.u16 \t%r3, 2, 3;", "mul.wide.s16 \t%r3, 2, 3;"}) {
    SCOPED_TRACE(line);
    EXPECT_DEATH(RunKernel(std::string("\t") + line + "\n"), "no such integer arithmetic: ");
  }
}

}  // namespace
}  // namespace csc::test::ptx
