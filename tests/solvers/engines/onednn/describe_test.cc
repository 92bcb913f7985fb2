// What the engine says of how a program runs.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "solvers/engines/registry.h"
#include "solvers/program/program.h"
#include "training/models/training_program.h"

namespace csc::test {
namespace {

using ::testing::ElementsAre;
using ::testing::MatchesRegex;

std::vector<std::string> LinesOf(const Program& program, Arithmetic arithmetic) {
  const auto executable = FindEngine("onednn").Prepare(program, {arithmetic});
  std::istringstream stream(executable->Describe());
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// Maps of each kind of algorithm, one after the other.
Program SomeMaps() {
  Program program;
  const int f = program.AddParameter("F", {16, 16, 3, 3});
  const int wide = program.AddParameter("wide", {16, 16, 5, 5});
  const int strided = program.AddParameter("strided", {16, 16, 3, 3});
  const int large = program.AddParameter("large", {16, 16, 7, 7});
  ValueId x = program.AddInput({16, 16, 16});
  x = program.Analysis(x, f, SamePadded({3, 3}, {1, 1}, {2, 2}));
  x = program.Pointwise({{x, {}}}, Shrink::kNonnegative);
  x = program.Synthesis(x, wide, SamePadded({5, 5}), 16, 16);
  x = program.Analysis(x, strided, SamePadded({3, 3}, {2, 2}));
  x = program.Analysis(x, large, SamePadded({7, 7}));
  program.MarkOutput(x);
  return program;
}

TEST(DescribeTest, NamesEachUnitInOrderWithItsAlgorithmAndWhy) {
  EXPECT_THAT(
      LinesOf(SomeMaps(), Arithmetic::kFloat32),
      ElementsAre(
          MatchesRegex("  0 analysis F 3x3 dilation 2x2 \\[16, 16, 16\\] -> \\[16, 16, 16\\], "
                       "with elementwise 1: winograd .*\\([0-9]+ % of the products\\)"),
          "  2 synthesis wide 5x5 [16, 16, 16] -> [16, 16, 16]: direct (not 3x3 at stride 1)",
          "  3 analysis strided 3x3 stride 2x2 [16, 16, 16] -> [16, 8, 8]: direct (not 3x3 at "
          "stride 1)",
          MatchesRegex("  4 analysis large 7x7 \\[16, 8, 8\\] -> \\[16, 8, 8\\]: "
                       "oneDNN .* \\(own kernels take at most 32 taps\\)")));
}

TEST(DescribeTest, SaysThatArithmeticForbidsAnAlgorithm) {
  const auto lines = LinesOf(SomeMaps(), Arithmetic::kDirect);
  EXPECT_THAT(lines[0], testing::EndsWith(": direct (arithmetic direct)"));
}

// Gradients and recomputed values included: as many lines as units, each map with an
// algorithm.
TEST(DescribeTest, LeavesNoMapOfATrainingStepOut) {
  ModelOptions options;
  options.model = "msd_csc";
  options.depth = 2;
  options.width = 8;
  const Model model = MakeModel(options, {3, 16, 16}, 5);
  const Program program = BuildTrainingProgram(model).program;
  const auto& instructions = program.instructions();
  int maps = 0;
  for (const std::string& line : LinesOf(program, Arithmetic::kFloat32)) {
    EXPECT_NE(line.back(), ' ') << line;
    for (const char* op : {" analysis ", " synthesis ", " filter_gradient "}) {
      if (line.find(op) == std::string::npos) continue;
      ++maps;
      EXPECT_THAT(line, MatchesRegex(".*: (winograd|direct|oneDNN) .*\\)"));
    }
  }
  EXPECT_GE(maps, std::count_if(instructions.begin(), instructions.end(), [](const auto& i) {
              return i.op == Opcode::kAnalysis || i.op == Opcode::kSynthesis ||
                     i.op == Opcode::kFilterGradient;
            }));
}

}  // namespace
}  // namespace csc::test
