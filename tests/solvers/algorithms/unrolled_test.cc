#include "solvers/algorithms/unrolled.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "solvers/error.h"

namespace csc {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(MomentumFactors, OfFistaAreThePapers) {
  EXPECT_THAT(MomentumFactors(Algorithm::kFista, 3),
              ElementsAre(0.0, DoubleNear(0.2817, 1e-4), DoubleNear(0.4340, 1e-4)));
}

TEST(MomentumFactors, OfFistaGrowTowardsOne) {
  const std::vector<double> factors = MomentumFactors(Algorithm::kFista, 1000);
  for (size_t k = 1; k < factors.size(); ++k) {
    EXPECT_GT(factors[k], factors[k - 1]);
    EXPECT_LT(factors[k], 1);
  }
  EXPECT_GT(factors.back(), 0.99);
}

TEST(MomentumFactors, OfIstaAreZero) {
  EXPECT_THAT(MomentumFactors(Algorithm::kIsta, 3), ElementsAre(0, 0, 0));
  EXPECT_TRUE(MomentumFactors(Algorithm::kFista, 0).empty());
}

TEST(ParseAlgorithm, KnowsBothNamesAndRefusesOthers) {
  EXPECT_EQ(ParseAlgorithm("ista"), Algorithm::kIsta);
  EXPECT_EQ(ParseAlgorithm("fista"), Algorithm::kFista);
  for (const char* name : {"ISTA", "", "newton"}) {
    try {
      ParseAlgorithm(name);
      ADD_FAILURE() << "accepted " << name;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(std::string("\"") + name + "\""));
      EXPECT_THAT(error.what(), HasSubstr("\"ista\" or \"fista\""));
    }
  }
}

TEST(RowOf, ReadsSharedVectorsRowsAndSingleNumbers) {
  Program program;
  const int one = program.AddParameter("one", {1});
  const int vector = program.AddParameter("vector", {5});
  const int rows = program.AddParameter("rows", {3, 5});
  EXPECT_FALSE(RowOf(program, -1, 0, 5, 0, 5).present());
  const ChannelVector of_one = RowOf(program, one, 2, 5, 2, 3);
  EXPECT_EQ(of_one.offset, 0);
  EXPECT_EQ(of_one.count, 1);
  const ChannelVector of_vector = RowOf(program, vector, 2, 5, 2, 3);
  EXPECT_EQ(of_vector.offset, 2);
  EXPECT_EQ(of_vector.count, 3);
  const ChannelVector of_rows = RowOf(program, rows, 2, 5, 2, 3);
  EXPECT_EQ(of_rows.offset, 12);
  EXPECT_EQ(of_rows.count, 3);
}

TEST(StepOf, ReadsTheSharedStepOrTheIterationsOwn) {
  Program program;
  const int shared = program.AddParameter("shared", {1});
  const int own = program.AddParameter("own", {4});
  EXPECT_EQ(StepOf(program, shared, 3, -1).offset, 0);
  EXPECT_EQ(StepOf(program, own, 3, -1).offset, 3);
  EXPECT_EQ(StepOf(program, own, 3, -1).constant, -1);
}

}  // namespace
}  // namespace csc
