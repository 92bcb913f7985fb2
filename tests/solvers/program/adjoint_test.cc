#include "solvers/program/adjoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "solvers/error.h"
#include "solvers/program/cost.h"
#include "solvers/program/program.h"

namespace csc {
namespace {

using ::testing::HasSubstr;

class Adjoint : public ::testing::Test {
 protected:
  int Count(Opcode op) const {
    int count = 0;
    for (const Instruction& i : program_.instructions()) count += i.op == op;
    return count;
  }

  Program program_;
};

TEST_F(Adjoint, ComputesNoInputGradientUnlessAsked) {
  const int filters = program_.AddParameter("F", {2, 1, 3, 3});
  const ValueId x = program_.AddInput({1, 4, 4});
  const ValueId y = program_.Analysis(x, filters, SamePadded({3, 3}));
  const ValueId gradient = program_.AddInput(program_.shape(y));
  EXPECT_EQ(Differentiate(&program_, {{y, gradient}}), (std::vector<ValueId>{-1, -1}));
  EXPECT_EQ(Count(Opcode::kSynthesis), 0);
  EXPECT_EQ(Count(Opcode::kFilterGradient), 1);
}

TEST_F(Adjoint, ComputesNothingForFrozenParametersBelowTheFirstTrainableOne) {
  const int frozen = program_.AddParameter("frozen", {2, 1, 3, 3}, /*trainable=*/false);
  const int trained = program_.AddParameter("trained", {2, 2, 1, 1});
  const ValueId x = program_.AddInput({1, 4, 4});
  const ValueId y = program_.Analysis(x, frozen, SamePadded({3, 3}));
  const ValueId z = program_.Analysis(y, trained, {});
  const ValueId gradient = program_.AddInput(program_.shape(z));
  Differentiate(&program_, {{z, gradient}});
  EXPECT_EQ(Count(Opcode::kFilterGradient), 1);
  EXPECT_EQ(Count(Opcode::kSynthesis), 0);
}

TEST_F(Adjoint, SaysThatAnInputDoesNotMatter) {
  const ValueId x = program_.AddInput({1, 2, 2});
  const ValueId unused = program_.AddInput({3, 1, 1});
  const ValueId y = program_.Combine({{x, {2}}});
  const ValueId gradient = program_.AddInput({1, 2, 2});
  const auto gradients = Differentiate(&program_, {{y, gradient}}, {true});
  ASSERT_EQ(gradients.size(), 3u);
  EXPECT_GE(gradients[0], 0);
  EXPECT_EQ(gradients[1], -1);
  (void)unused;
}

TEST_F(Adjoint, RefusesAGradientOfAnotherShape) {
  const ValueId x = program_.AddInput({1, 2, 2});
  const ValueId gradient = program_.AddInput({1, 2, 3});
  try {
    Differentiate(&program_, {{x, gradient}}, {true});
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("[1, 2, 3]"));
    EXPECT_THAT(error.what(), HasSubstr("[1, 2, 2]"));
  }
}

TEST_F(Adjoint, RefusesASecondDifferentiation) {
  // Even of a linear program: its gradients would be added twice.
  const int filters = program_.AddParameter("F", {2, 1, 3, 3});
  const ValueId x = program_.AddInput({1, 4, 4});
  const ValueId y = program_.Analysis(x, filters, SamePadded({3, 3}));
  const ValueId gradient = program_.AddInput(program_.shape(y));
  Differentiate(&program_, {{y, gradient}});
  EXPECT_THROW(Differentiate(&program_, {{y, gradient}}), Error);
}

TEST_F(Adjoint, RefusesViewsThatDoNotTileTheirValue) {
  const auto refuse = [](const std::vector<std::pair<int, int>>& views, const char* expected) {
    Program program;
    const ValueId x = program.AddInput({4, 2, 2});
    std::vector<Seed> seeds;
    for (const auto& [first, channels] : views) {
      const ValueId view = program.View(x, first, channels);
      seeds.push_back({view, program.AddInput(program.shape(view))});
    }
    try {
      Differentiate(&program, seeds, {true});
      ADD_FAILURE() << "accepted";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(expected));
    }
  };
  refuse({{1, 3}}, "channels 1 to 3");
  refuse({{0, 2}, {3, 1}}, "channels 3 to 3");
  refuse({{0, 3}, {2, 2}}, "channels 2 to 3");
  refuse({{0, 2}, {0, 4}}, "channels 0 to 1");
  refuse({{0, 2}, {2, 1}}, "first 3 of 4");
}

TEST_F(Adjoint, OfTheProximalStepCostsAsManyConvolutionsAsTheStepAndItsGradients) {
  // One analysis and one synthesis forward; the same two backward, and two
  // filter gradients. The first synthesis of the adjoint is not made where x
  // needs no gradient and z is an input.
  const int filters = program_.AddParameter("F", {4, 2, 3, 3});
  const int step = program_.AddParameter("c", {1});
  const Geometry same = SamePadded({3, 3});
  const ValueId x = program_.AddInput({2, 6, 6});
  const ValueId z = program_.Analysis(x, filters, same);
  const ValueId synthesis = program_.Synthesis(z, filters, same, 6, 6);
  const ValueId residual = program_.Combine({{synthesis, {}}, {x, {-1}}});
  const ValueId correction = program_.Analysis(residual, filters, same, {1, step});
  const ValueId y = program_.Pointwise({{z, {}}, {correction, {-1}}}, Shrink::kNonnegative);
  const ValueId gradient = program_.AddInput(program_.shape(y));
  const int64_t forward = CostOf(program_).convolutions;
  EXPECT_EQ(forward, 3);
  Differentiate(&program_, {{y, gradient}});
  EXPECT_EQ(CostOf(program_).convolutions, forward + 2 + 3);
}

}  // namespace
}  // namespace csc
