#include "samples/benchmark/cases.h"

#include <gtest/gtest.h>

#include <set>

#include "solvers/error.h"

namespace csc {
namespace {

TEST(Cases, EverySuiteHasNetworksThatCanBeMade) {
  for (const Suite& suite : Suites()) {
    const std::vector<Case> cases = CasesOf(suite.name, DefaultNetwork());
    EXPECT_FALSE(cases.empty()) << suite.name;
    for (const Case& one : cases) {
      EXPECT_NO_THROW(MakeModel(one.model, {3, one.side, one.side}, 10)) << suite.name;
      EXPECT_FALSE(one.batches.empty()) << suite.name;
    }
  }
}

TEST(Cases, InferenceAndTrainingCoverEveryModel) {
  for (const char* suite : {"inference", "training", "smoke"}) {
    std::set<std::string> models;
    for (const Case& one : CasesOf(suite, DefaultNetwork())) models.insert(one.model.model);
    EXPECT_EQ(models, std::set<std::string>(ModelNames().begin(), ModelNames().end())) << suite;
  }
}

TEST(Cases, TrainingIsNormalisedAndBareWhereTheModelHasBoth) {
  std::multiset<std::string> names;
  for (const Case& one : CasesOf("training", DefaultNetwork())) {
    names.insert(NetworkName(one.model));
  }
  EXPECT_EQ(names.count("res_csc d=20 w=16"), 1);
  EXPECT_EQ(names.count("res_csc d=20 w=16 bare"), 1);
  EXPECT_EQ(names.count("layered_pursuit d=6 w=32 u=2 fista"), 1);
  EXPECT_EQ(names.count("layered_pursuit d=6 w=32 u=2 fista bare"), 0);
}

// Only then are times comparable from size to size.
TEST(Cases, SidesAreMeasuredOnEquallyManyPixels) {
  for (const Case& one : CasesOf("side", DefaultNetwork())) {
    const int64_t batch = one.batches.at(0);
    if (batch == 1) continue;  // one image, whatever its size
    EXPECT_EQ(batch * one.side * one.side, 512 * 512);
  }
}

TEST(Cases, AnUnknownSuiteIsRefusedByName) {
  try {
    CasesOf("everything", DefaultNetwork());
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("\"everything\" is unknown"), std::string::npos);
  }
}

}  // namespace
}  // namespace csc
