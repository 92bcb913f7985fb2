// How many launches the steps of training are that we measure, and of which kernels: on
// small networks each costs about as much as what it computes.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <string>
#include <typeinfo>
#include <utility>
#include <variant>
#include <vector>

#include "solvers/engines/cuda/bind.h"
#include "solvers/engines/cuda/plan.h"
#include "tests/solvers/engines/cuda/kernel_names.h"
#include "training/models/model.h"
#include "training/models/training_program.h"

namespace csc::cuda {
namespace {

std::string Name(const Launch& launch) {
  return std::visit([](const auto& kernel) { return test::Demangled(typeid(kernel).name()); },
                    launch.kernel);
}

// Those of a step of training; prints them by kind.
size_t Launches(const ModelOptions& options, int64_t batch, Arithmetic arithmetic) {
  const Model model = MakeModel(options, {3, 32, 32}, 10);
  const Program program = BuildTrainingProgram(model).program;
  const Plan plan = MakePlan(program, arithmetic);
  Tuning tuning;
  tuning.capability = 90;
  const SgdOptions sgd;
  BoundRun run;
  BindRun(program, plan, tuning, batch, {}, &sgd, &run);
  std::map<std::string, int> kinds;
  for (const Launch& launch : run.launches) ++kinds[Name(launch)];
  std::vector<std::pair<int, std::string>> sorted;
  for (const auto& [name, count] : kinds) sorted.emplace_back(-count, name);
  std::sort(sorted.begin(), sorted.end());
  std::printf("%s, %s, batch %lld: %zu launches\n", options.model.c_str(), csc::Name(arithmetic),
              static_cast<long long>(batch), run.launches.size());
  for (const auto& [count, name] : sorted) std::printf("  %5d %s\n", -count, name.c_str());
  return run.launches.size();
}

TEST(Launches, OfResCsc20) {
  ModelOptions options;
  options.model = "res_csc";
  options.depth = 20;
  EXPECT_EQ(Launches(options, 128, Arithmetic::kFloat32), 195u);
  EXPECT_EQ(Launches(options, 128, Arithmetic::kTf32), 202u);
}

TEST(Launches, OfMsdCsc) {
  ModelOptions options;
  options.depth = 12;
  options.width = 32;
  options.unfolding = 2;
  EXPECT_EQ(Launches(options, 128, Arithmetic::kFloat32), 605u);
  EXPECT_EQ(Launches(options, 128, Arithmetic::kTf32), 606u);
  EXPECT_EQ(Launches(options, 128, Arithmetic::kBfloat16), 606u);
  options.normalisation = "none";
  EXPECT_EQ(Launches(options, 128, Arithmetic::kFloat32), 398u);
}

TEST(Launches, PackAllFiltersOfAKindTogether) {
  Program program;
  ValueId x = program.AddInput({4, 8, 8});
  for (int k = 0; k < 49; ++k) {  // one more than a launch takes
    const int filters = program.AddParameter("F" + std::to_string(k), {4, 4, 3, 3});
    x = program.Analysis(x, filters, {{3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}});
  }
  program.MarkOutput(x);
  const std::vector<Launch> launches = BindFilters(program, MakePlan(program), {});
  ASSERT_EQ(launches.size(), 2u);
  EXPECT_EQ(launches[0].size, 48u * 144);
  EXPECT_EQ(launches[1].size, 144u);
}

}  // namespace
}  // namespace csc::cuda
