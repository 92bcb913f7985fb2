#include "solvers/engines/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>
#include <string>

#include "solvers/error.h"

namespace csc {
namespace {

using ::testing::HasSubstr;

// Leaves CSC_ENGINE unset before and after.
class Registry : public ::testing::Test {
 protected:
  Registry() { unsetenv("CSC_ENGINE"); }
  ~Registry() override { unsetenv("CSC_ENGINE"); }

  static std::string RefusalOf(const std::string& name) {
    try {
      FindEngine(name);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  }

  static std::string BestPresent() {
    for (const EngineInfo& engine : KnownEngines()) {
      if (engine.present) return engine.name;
    }
    return "";
  }
};

TEST_F(Registry, AlwaysHasTheReferenceAndItComesLast) {
  ASSERT_FALSE(KnownEngines().empty());
  EXPECT_EQ(KnownEngines().back().name, "reference");
  EXPECT_TRUE(KnownEngines().back().present);
}

TEST_F(Registry, SaysSomethingOfEveryEngineAndNamesNoneTwice) {
  std::set<std::string> names;
  for (const EngineInfo& engine : KnownEngines()) {
    EXPECT_FALSE(engine.detail.empty()) << engine.name;
    EXPECT_TRUE(names.insert(engine.name).second) << engine.name;
  }
}

TEST_F(Registry, FindsPresentEnginesByNameAndRefusesAbsentOnesWithTheReason) {
  for (const EngineInfo& engine : KnownEngines()) {
    if (engine.present) {
      EXPECT_EQ(FindEngine(engine.name).name(), engine.name);
      EXPECT_EQ(&FindEngine(engine.name), &FindEngine(engine.name));
    } else {
      EXPECT_THAT(RefusalOf(engine.name), HasSubstr(engine.name));
      EXPECT_THAT(RefusalOf(engine.name), HasSubstr(engine.detail));
    }
  }
}

TEST_F(Registry, ChoosesTheBestPresentOneWithoutAWish) {
  EXPECT_EQ(FindEngine().name(), BestPresent());
}

TEST_F(Registry, FollowsTheEnvironmentUnlessANameIsGiven) {
  setenv("CSC_ENGINE", "reference", 1);
  EXPECT_EQ(FindEngine().name(), "reference");
  EXPECT_EQ(FindEngine(BestPresent()).name(), BestPresent());
  setenv("CSC_ENGINE", "", 1);
  EXPECT_EQ(FindEngine().name(), BestPresent());
}

TEST_F(Registry, NeverFallsBackFromAnUnknownName) {
  EXPECT_THAT(RefusalOf("onednm"), HasSubstr("\"onednm\" is unknown"));
  EXPECT_THAT(RefusalOf("onednm"), HasSubstr("reference"));
  setenv("CSC_ENGINE", "fastest", 1);
  EXPECT_THAT(RefusalOf(""), HasSubstr("fastest"));
}

}  // namespace
}  // namespace csc
