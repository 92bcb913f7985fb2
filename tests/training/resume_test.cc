// Trainings that are interrupted, and what --resume makes of their folders.

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "tests/training/temporary_folder.h"
#include "tests/training/train_command.h"
#include "training/file.h"

namespace csc::test {
namespace {

// Many short epochs, so that a signal sent at the first finds it at work.
Words Long(const std::string& out, const Words& more = {}) {
  Words options = Tiny(out, {"--epochs", "120", "--checkpoint-steps", "2"});
  options.insert(options.end(), more.begin(), more.end());
  return options;
}

class InterruptionTest : public ::testing::TestWithParam<int> {};

TEST_P(InterruptionTest, ResumingGivesTheSameFiles) {
  const TemporaryFolder whole("train_whole");
  const TemporaryFolder cut("train_cut");
  ASSERT_EQ(Train(Long(whole.path())).status, 0);
  const Ended ended = Train(Long(cut.path()), GetParam(), "epoch 1/");
  EXPECT_EQ(ended.out, "");
  if (GetParam() == SIGKILL) {
    EXPECT_EQ(ended.status, -SIGKILL);
  } else {
    EXPECT_EQ(ended.status, 130);
    EXPECT_NE(ended.err.find("--resume"), std::string::npos) << ended.err;
  }
  // The options come from the checkpoint.
  const Ended resumed = Train({"--resume", "--out", cut.path()});
  ASSERT_EQ(resumed.status, 0) << resumed.err;
  EXPECT_EQ(resumed.err.find("epoch 1/"), std::string::npos);
  for (const char* file : {"metrics.csv", "checkpoint.csc", "model.onnx", "model_layered.onnx",
                           "model_portable.onnx"}) {
    EXPECT_TRUE(ReadFile(whole / file) == ReadFile(cut / file)) << file;
  }
}

INSTANTIATE_TEST_SUITE_P(, InterruptionTest, ::testing::Values(SIGINT, SIGTERM, SIGKILL),
                         [](const auto& parameter) {
                           return parameter.param == SIGINT    ? "SIGINT"
                                  : parameter.param == SIGTERM ? "SIGTERM"
                                                               : "SIGKILL";
                         });

// The engine takes the steps by itself there, and the state comes back for
// checkpoints only.
TEST(ResumeTest, ContinuesOnTheCudaEngineToTheSameFiles) {
  setenv("CSC_CUDA_LIBRARY", "tests/solvers/engines/cuda/libcsc_cuda_on_host.so", 1);
  const TemporaryFolder whole("train_cuda_whole");
  const TemporaryFolder cut("train_cuda_cut");
  const auto options = [](const std::string& out) {
    return Tiny(out, {"--engine", "cuda", "--epochs", "3", "--augment", "--gradient-clip", "1"});
  };
  const Ended ended = Train(options(whole.path()));
  ASSERT_EQ(ended.status, 0) << ended.err;
  EXPECT_EQ(Json::parse(ended.out)["engine"], "cuda");
  EXPECT_EQ(Train(options(cut.path()), SIGINT, "epoch 1/").status, 130);
  const Ended resumed = Train({"--resume", "--out", cut.path()});
  ASSERT_EQ(resumed.status, 0) << resumed.err;
  for (const char* file : {"metrics.csv", "checkpoint.csc", "model.onnx"}) {
    EXPECT_TRUE(ReadFile(whole / file) == ReadFile(cut / file)) << file;
  }
  unsetenv("CSC_CUDA_LIBRARY");
}

TEST(ResumeTest, RefusesOptionsThatDisagreeAndTakesMoreEpochs) {
  const TemporaryFolder out("train_disagree");
  ASSERT_EQ(Train(Tiny(out.path(), {"--epochs", "1"})).status, 0);
  const std::string before = ReadFile(out / "checkpoint.csc");
  for (const Words& other : std::vector<Words>{{"--model", "resnet"},
                                               {"--depth", "3"},
                                               {"--seed", "2"},
                                               {"--normalisation", "none"},
                                               {"--data", "folder:/x"},
                                               {"--augment"}}) {
    Words options = {"--resume", "--out", out.path()};
    options.insert(options.end(), other.begin(), other.end());
    const Ended ended = Train(options);
    EXPECT_EQ(ended.status, 1);
    EXPECT_EQ(Lines(ended.err), 1) << ended.err;
    EXPECT_NE(ended.err.find(other[0]), std::string::npos) << ended.err;
    EXPECT_TRUE(ReadFile(out / "checkpoint.csc") == before);
  }
  const Ended more = Train({"--resume", "--out", out.path(), "--depth", "1", "--epochs", "3"});
  ASSERT_EQ(more.status, 0) << more.err;
  EXPECT_EQ(Json::parse(more.out)["epochs"], 3);
  EXPECT_EQ(Lines(ReadFile(out / "metrics.csv")), 4);
}

// Every file of a folder, by name, with what it holds.
std::map<std::string, std::string> Contents(const std::string& folder) {
  std::map<std::string, std::string> contents;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) contents[entry.path()] = ReadFile(entry.path());
  }
  return contents;
}

TEST(ResumeTest, LeavesAFinishedTrainingAlone) {
  const TemporaryFolder out("train_finished");
  ASSERT_EQ(Train(Tiny(out.path(), {"--epochs", "2"})).status, 0);
  WriteBytes(out / "report.html", "somebody's own");  // would be written anew
  const auto before = Contents(out.path());
  for (const Words& more : std::vector<Words>{{}, {"--epochs", "2"}, {"--epochs", "1"}}) {
    Words options = {"--resume", "--out", out.path()};
    options.insert(options.end(), more.begin(), more.end());
    const Ended ended = Train(options);
    EXPECT_EQ(ended.status, 0);
    EXPECT_EQ(ended.out, ReadFile(out / "result.json"));
    EXPECT_EQ(ended.err,
              out.path() + " is finished: 2 epochs are trained, its files are left as they are\n");
    EXPECT_TRUE(Contents(out.path()) == before);
  }
}

// One that went on for more epochs and was killed before it wrote its result.
TEST(ResumeTest, TakesNoResultOfFewerEpochsForItsOwn) {
  const TemporaryFolder out("train_stale_result");
  ASSERT_EQ(Train(Tiny(out.path(), {"--epochs", "1"})).status, 0);
  const std::string first = ReadFile(out / "result.json");
  ASSERT_EQ(Train({"--resume", "--out", out.path(), "--epochs", "2"}).status, 0);
  WriteBytes(out / "result.json", first);
  std::filesystem::remove(out / "model.onnx");
  const Ended ended = Train({"--resume", "--out", out.path()});
  ASSERT_EQ(ended.status, 0) << ended.err;
  EXPECT_EQ(Json::parse(ReadFile(out / "result.json"))["epochs"], 2);
  EXPECT_TRUE(std::filesystem::exists(out / "model.onnx"));
}

// One in the folder of an earlier training, of which only the checkpoint was removed.
TEST(ResumeTest, TakesNoEarlierTrainingsResultForItsOwn) {
  const TemporaryFolder out("train_earlier_result");
  const Words options = Tiny(out.path(), {"--epochs", "3"});
  ASSERT_EQ(Train(options).status, 0);
  std::filesystem::remove(out / "checkpoint.csc");
  EXPECT_EQ(Train(options, SIGINT, "epoch 1/").status, 130);
  EXPECT_FALSE(std::filesystem::exists(out / "result.json"));
}

TEST(ResumeTest, SaysWhatKeepsItFromTheSameBits) {
  const TemporaryFolder out("train_other_bits");
  ASSERT_EQ(Train(Tiny(out.path(), {"--epochs", "4"})).status, 0);
  const Ended same = Train({"--resume", "--out", out.path()});
  EXPECT_EQ(same.err.find("note"), std::string::npos) << same.err;
  setenv("CSC_ARITHMETIC", "direct", 1);
  const Ended other = Train({"--resume", "--out", out.path(), "--epochs", "5"});
  unsetenv("CSC_ARITHMETIC");
  ASSERT_EQ(other.status, 0) << other.err;
  for (const char* part : {"float32", "direct", "not to the same bits",
                           "still drops before epochs 2, 3, as was planned for 4"}) {
    EXPECT_NE(other.err.find(part), std::string::npos) << other.err;
  }
}

TEST(ResumeTest, ComputesAsBeforeWhereNobodySaysOtherwise) {
  const TemporaryFolder out("train_as_before");
  ASSERT_EQ(Train(Tiny(out.path(), {"--epochs", "1", "--engine", "onednn", "--arithmetic", "direct",
                                    "--memory", "small"}))
                .status,
            0);
  const Words more = {"--resume", "--out", out.path(), "--lr-milestones", "none", "--epochs"};
  const auto resume = [&](const std::string& epochs, const Words& options) {
    Words words = more;
    words.push_back(epochs);
    words.insert(words.end(), options.begin(), options.end());
    return Train(words);
  };
  const Ended same = resume("2", {});
  ASSERT_EQ(same.status, 0) << same.err;
  EXPECT_EQ(HowComputed(same.out), "direct small");
  EXPECT_EQ(same.err.find("note"), std::string::npos) << same.err;
  const Ended other = resume("3", {"--arithmetic", "float32"});
  ASSERT_EQ(other.status, 0) << other.err;
  EXPECT_EQ(HowComputed(other.out), "float32 small");
  EXPECT_NE(other.err.find("not to the same bits"), std::string::npos) << other.err;
}

TEST(ResumeTest, ObeysTheEngineOfTheEnvironment) {
  const TemporaryFolder out("train_other_engine");
  ASSERT_EQ(Train(Tiny(out.path(), {"--epochs", "1"})).status, 0);
  setenv("CSC_ENGINE", "abacus", 1);
  const Ended ended = Train({"--resume", "--out", out.path()});
  unsetenv("CSC_ENGINE");
  EXPECT_EQ(ended.status, 1);
  EXPECT_NE(ended.err.find("abacus"), std::string::npos) << ended.err;
}

TEST(ResumeTest, IsRefusedWhereNothingIsThere) {
  const TemporaryFolder parent("train_nothing");
  const std::string out = parent / "none";
  const Ended ended = Train(Tiny(out, {"--epochs", "1", "--resume"}));
  EXPECT_EQ(ended.status, 1);
  EXPECT_EQ(Lines(ended.err), 1) << ended.err;
  EXPECT_NE(ended.err.find("nothing to resume"), std::string::npos) << ended.err;
  EXPECT_FALSE(std::filesystem::exists(out));
}

TEST(ResumeTest, AForgottenOneTouchesNothing) {
  const TemporaryFolder out("train_forgotten");
  ASSERT_EQ(Train(Tiny(out.path(), {"--epochs", "1"})).status, 0);
  const std::string checkpoint = ReadFile(out / "checkpoint.csc");
  const std::string model = ReadFile(out / "model.onnx");
  const Ended ended = Train(Tiny(out.path(), {"--epochs", "1", "--seed", "9"}));
  EXPECT_EQ(ended.status, 1);
  EXPECT_NE(ended.err.find("holds a training"), std::string::npos) << ended.err;
  EXPECT_TRUE(ReadFile(out / "checkpoint.csc") == checkpoint);
  EXPECT_TRUE(ReadFile(out / "model.onnx") == model);
}

}  // namespace
}  // namespace csc::test
