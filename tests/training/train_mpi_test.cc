// Several processes that train one network, against one process.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/training/program.h"
#include "tests/training/temporary_folder.h"
#include "training/checkpoint/checkpoint.h"
#include "training/file.h"

namespace csc::test {
namespace {

using Json = nlohmann::json;
using Words = std::vector<std::string>;

// Trains with so many processes; 0 means without MPI.
Ended Train(int processes, const Words& options) {
  Words command = {"training/train"};
  if (processes > 0) {
    command = {"/usr/bin/mpirun",
               "--allow-run-as-root",
               "--oversubscribe",
               "--bind-to",
               "none",
               "-np",
               std::to_string(processes),
               "training/train_mpi"};
  }
  const Words common = {"--threads",    "1",  "--depth",         "2",   "--width", "3",
                        "--limit-test", "30", "--lr-milestones", "none"};
  command.insert(command.end(), common.begin(), common.end());
  command.insert(command.end(), options.begin(), options.end());
  return RunCommand(command);
}

std::vector<float> ParametersIn(const std::string& out) {
  return ReadCheckpoint(out + "/checkpoint.csc").arrays.at("parameters");
}

// 100 images are 7 steps an epoch, the last of 4 images: three processes get
// shares of 5, 5 and 6 images, then 1, 1 and 2.
const Words kBare = {"--batch-size", "16", "--normalisation", "none", "--limit-train", "100",
                     "--epochs",     "3",  "--augment"};

TEST(TrainMpiTest, ProcessesTogetherAreOneProcessToRounding) {
  const TemporaryFolder one("mpi_one");
  Words options = kBare;
  options.insert(options.end(), {"--out", one.path()});
  ASSERT_EQ(Train(0, options).status, 0);
  const std::vector<float> expected = ParametersIn(one.path());
  const Json expected_result = Json::parse(ReadFile(one / "result.json"));
  for (int processes : {1, 2, 3}) {
    SCOPED_TRACE(processes);
    const TemporaryFolder out("mpi_many");
    options.back() = out.path();
    const Ended ended = Train(processes, options);
    ASSERT_EQ(ended.status, 0) << ended.err;
    const std::vector<float> found = ParametersIn(out.path());
    ASSERT_EQ(found.size(), expected.size());
    double largest = 0, difference = 0;
    for (size_t i = 0; i < found.size(); ++i) {
      largest = std::max(largest, std::abs(double{expected[i]}));
      difference = std::max(difference, std::abs(double{found[i]} - expected[i]));
    }
    EXPECT_LE(difference, processes == 1 ? 0 : 2e-5 * largest);
    const Json result = Json::parse(ended.out);
    EXPECT_EQ(result["processes"], processes);
    EXPECT_NEAR(result["train_loss"], expected_result["train_loss"], 1e-4);
    EXPECT_NEAR(result["test_accuracy"], expected_result["test_accuracy"], 1e-9);
    // One process reports, not each.
    EXPECT_EQ(std::count(ended.out.begin(), ended.out.end(), '\n'), 1);
  }
}

TEST(TrainMpiTest, RunsRepeatAndResumeToTheSameBits) {
  const Words common = {"--batch-size", "16", "--limit-train", "64", "--validation", "10"};
  const auto train = [&](const std::string& out, const Words& more) {
    Words options = common;
    options.insert(options.end(), {"--out", out});
    options.insert(options.end(), more.begin(), more.end());
    const Ended ended = Train(2, options);
    EXPECT_EQ(ended.status, 0) << ended.err;
  };
  const TemporaryFolder first("mpi_first");
  const TemporaryFolder second("mpi_second");
  const TemporaryFolder resumed("mpi_resumed");
  train(first.path(), {"--epochs", "3"});
  train(second.path(), {"--epochs", "3"});
  train(resumed.path(), {"--epochs", "1"});
  train(resumed.path(), {"--epochs", "3", "--resume"});
  for (const char* file : {"metrics.csv", "model.onnx"}) {
    const std::string expected = ReadFile(first / file);
    EXPECT_TRUE(ReadFile(second / file) == expected) << file;
    EXPECT_TRUE(ReadFile(resumed / file) == expected) << file;
  }
  EXPECT_TRUE(ReadFile(first / "checkpoint.csc") == ReadFile(second / "checkpoint.csc"));
}

TEST(TrainMpiTest, AnErrorEndsAllProcesses) {
  const TemporaryFolder out("mpi_error");
  const Ended ended = Train(2, {"--batch-size", "1", "--out", out.path()});
  EXPECT_NE(ended.status, 0);
  EXPECT_NE(ended.err.find("1 images for 2 processes"), std::string::npos) << ended.err;
}

}  // namespace
}  // namespace csc::test
