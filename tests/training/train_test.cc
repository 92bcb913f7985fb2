// The driver as a user meets it: options, files, errors, interruptions.

#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "solvers/error.h"
#include "tests/training/program.h"
#include "tests/training/temporary_folder.h"
#include "training/file.h"
#include "training/onnx/onnx_file.h"

namespace csc::test {
namespace {

using Json = nlohmann::json;
using Words = std::vector<std::string>;

Ended Train(const Words& options, int signal = 0, const std::string& marker = "") {
  Words command = {"training/train"};
  command.insert(command.end(), options.begin(), options.end());
  return RunCommand(command, signal, marker);
}

Words Tiny(const std::string& out, const Words& more = {}) {
  Words options = {"--depth",      "1",  "--width",      "2", "--limit-train", "24",
                   "--limit-test", "12", "--batch-size", "8", "--out",         out};
  options.insert(options.end(), more.begin(), more.end());
  return options;
}

int Lines(const std::string& text) {
  return static_cast<int>(std::count(text.begin(), text.end(), '\n'));
}

TEST(TrainTest, HelpShowsDefaultsAndAnExample) {
  const Ended help = Train({"--help"});
  EXPECT_EQ(help.status, 0);
  EXPECT_EQ(help.err, "");
  for (const char* part :
       {"--model",         "=msd_csc",        "--data",          "=digits",      "--epochs",
        "--batch-size",    "--learning-rate", "--lr-milestones", "--momentum",   "=0.9",
        "--nesterov",      "--weight-decay",  "--augment",       "--seed",       "--limit-train",
        "--limit-test",    "--engine",        "--threads",       "--out",        "--resume",
        "--normalisation", "--unfolding",     "--algorithm",     "--arithmetic", "--memory",
        "Example:"}) {
    EXPECT_NE(help.out.find(part), std::string::npos) << part;
  }
}

TEST(TrainTest, WritesItsFilesAndEndsWithOneLineOfJson) {
  const TemporaryFolder folder("train_files");
  const std::string out = folder / "new/folder";
  const Ended ended = Train(Tiny(out, {"--epochs", "2"}));
  ASSERT_EQ(ended.status, 0) << ended.err;
  ASSERT_EQ(Lines(ended.out), 1) << ended.out;
  const Json report = Json::parse(ended.out);
  for (const char* key :
       {"test_accuracy", "train_loss", "images_per_second", "epochs", "parameters", "engine"}) {
    EXPECT_TRUE(report.contains(key)) << key;
  }
  EXPECT_EQ(report["epochs"], 2);
  // Plain lines where there is no terminal, one an epoch.
  EXPECT_EQ(ended.err.find('\r'), std::string::npos);
  EXPECT_NE(ended.err.find("epoch 2/2: train loss"), std::string::npos);

  const std::string metrics = ReadFile(out + "/metrics.csv");
  EXPECT_EQ(Lines(metrics), 3);
  const std::string labels = ReadFile(out + "/labels.txt");
  EXPECT_EQ(labels, "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n");
  const OnnxModel fused = ReadOnnx(out + "/model.onnx");
  const OnnxModel layered = ReadOnnx(out + "/model_layered.onnx");
  EXPECT_EQ(fused.network.layers.size(), layered.network.layers.size());
  EXPECT_EQ(FlattenParameters(fused.network), FlattenParameters(layered.network));
  EXPECT_EQ(fused.labels.size(), 10u);
  EXPECT_GT(ReadFile(out + "/model_portable.onnx").size(), 0u);
  const std::string page = ReadFile(out + "/report.html");
  EXPECT_NE(page.find("after epoch 2 of 2"), std::string::npos);
  EXPECT_NE(page.find("training/train --depth 1 --width 2"), std::string::npos);
  EXPECT_FALSE(std::filesystem::is_empty(out + "/events"));
}

TEST(TrainTest, EveryModelIsTrainedAndExported) {
  for (const Words& model :
       std::vector<Words>{{"msd_csc", "--normalisation", "none"},
                          {"msd_csc", "--unfolding", "3", "--algorithm", "ista"},
                          {"msd_csc_joint", "--unfolding", "2"},
                          {"layered_pursuit", "--unfolding", "2"},
                          {"msdnet"},
                          {"res_csc", "--depth", "8"},
                          {"res_csc_simplified", "--depth", "8"},
                          {"resnet", "--depth", "8", "--normalisation", "none"},
                          {"plain", "--depth", "8"},
                          {"ml_csc"},
                          {"feed_forward"}}) {
    SCOPED_TRACE(::testing::PrintToString(model));
    const TemporaryFolder out("train_models");
    Words options = {"--out",         out.path(), "--width",      "2", "--epochs", "1",
                     "--limit-train", "8",        "--limit-test", "4", "--model"};
    options.insert(options.end(), model.begin(), model.end());
    const Ended ended = Train(options);
    EXPECT_EQ(ended.status, 0) << ended.err;
    EXPECT_TRUE(std::filesystem::exists(out / "model_portable.onnx"));
  }
}

TEST(TrainTest, ErrorsAreOneLineAndAStatus) {
  const TemporaryFolder folder("train_errors");
  WriteBytes(folder / "file", "");
  WriteBytes(folder / "damaged/checkpoint.csc", "CSCTRAIN and no more");
  const std::string out = folder / "out";
  struct Case {
    Words options;
    std::string part;
  };
  for (const Case& c :
       std::vector<Case>{{{"--model", "vgg"}, "vgg"},
                         {{"--epochs", "many"}, "many"},
                         {{"--epochs", "0"}, "0"},
                         {{"--frobnicate"}, "--frobnicate"},
                         {{"stray"}, "stray"},
                         {{"--engine", "abacus"}, "abacus"},
                         {{"--arithmetic", "slow"}, "direct, float32, tf32, bf16"},
                         {{"--memory", "none"}, "fast, small"},
                         {{"--data", "folder:/no/such"}, "/no/such/train"},
                         {{"--data", "mnist"}, "mnist"},
                         {{"--lr-milestones", "5,4"}, "4"},
                         {{"--lr-milestones", "5,x"}, "5,x"},
                         {{"--threads", "-1"}, "-1"},
                         {{"--momentum", "1.5"}, "1.5"},
                         {{"--batch-size", "0"}, "0"},
                         {{"--limit-test", "-5"}, "-5"},
                         {{"--out", folder / "file"}, "file is no folder"},
                         {{"--out", ""}, "--out is empty"},
                         {{"--seed", "-1"}, "--seed: Value -1 not in range 0 to"},
                         // Before the data are looked at.
                         {{"--out", folder / "file/x", "--data", "folder:/no/such"}, "no folder"},
                         {{"--resume", "--out", folder / "damaged"}, "checkpoint.csc"}}) {
    SCOPED_TRACE(::testing::PrintToString(c.options));
    Words options = {"--out", out};
    if (std::count(c.options.begin(), c.options.end(), "--out") > 0) {
      options.clear();
    }
    options.insert(options.end(), c.options.begin(), c.options.end());
    const Ended ended = Train(options);
    EXPECT_GT(ended.status, 0);
    EXPECT_EQ(ended.out, "");
    EXPECT_EQ(Lines(ended.err), 1) << ended.err;
    EXPECT_EQ(ended.err.rfind("train: ", 0), 0u) << ended.err;
    EXPECT_NE(ended.err.find(c.part), std::string::npos) << ended.err;
  }
}

TEST(TrainTest, NotesOnTheDataReachTheUser) {
  const TemporaryFolder data("train_notes_data");
  const TemporaryFolder out("train_notes");
  for (const char* file : {"train/a/1.pgm", "train/b/2.pgm", "test/a/3.pgm", "test/b/4.pgm"}) {
    WriteBytes(data / file, "P5 8 8 255\n" + std::string(64, file[6]));
  }
  WriteBytes(data / "test/b/notes.txt", "no picture");
  const Ended ended = Train(Tiny(out.path(), {"--epochs", "1", "--data", "folder:" + data.path()}));
  ASSERT_EQ(ended.status, 0) << ended.err;
  EXPECT_NE(ended.err.find("note: skipped a file that is no picture: " + data.path() +
                           "/test/b/notes.txt\n"),
            std::string::npos)
      << ended.err;
}

TEST(TrainTest, ALossThatExplodesIsAnErrorWithAHint) {
  const TemporaryFolder out("train_explodes");
  const Ended ended =
      Train(Tiny(out.path(), {"--learning-rate", "1e30", "--normalisation", "none"}));
  EXPECT_EQ(ended.status, 1);
  EXPECT_EQ(ended.out, "");
  EXPECT_NE(ended.err.find("--learning-rate"), std::string::npos) << ended.err;
}

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

// What result.json says of how a training was computed.
std::string HowComputed(const std::string& json) {
  const Json result = Json::parse(json);
  return result["arithmetic"].get<std::string>() + " " + result["memory"].get<std::string>();
}

TEST(TrainTest, FlagsOfArithmeticAndMemoryWinOverTheEnvironment) {
  const TemporaryFolder folder("train_arithmetic");
  const auto train = [&](const std::string& name, const Words& more) {
    Words options = Tiny(folder / name, {"--epochs", "1", "--engine", "onednn"});
    options.insert(options.end(), more.begin(), more.end());
    const Ended ended = Train(options);
    EXPECT_EQ(ended.status, 0) << ended.err;
    EXPECT_NE(ReadFile(folder / name + "/report.html").find("arithmetic"), std::string::npos);
    return HowComputed(ended.out);
  };
  EXPECT_EQ(train("neither", {}), "float32 fast");
  EXPECT_EQ(train("flags", {"--arithmetic", "direct", "--memory", "small"}), "direct small");
  setenv("CSC_ARITHMETIC", "direct", 1);
  setenv("CSC_MEMORY", "small", 1);
  EXPECT_EQ(train("environment", {}), "direct small");
  EXPECT_EQ(train("both", {"--arithmetic", "float32", "--memory", "fast"}), "float32 fast");
  unsetenv("CSC_ARITHMETIC");
  unsetenv("CSC_MEMORY");
  // Not only the words.
  EXPECT_TRUE(ReadFile(folder / "flags/model.onnx") == ReadFile(folder / "environment/model.onnx"));
  EXPECT_TRUE(ReadFile(folder / "neither/model.onnx") == ReadFile(folder / "both/model.onnx"));
  EXPECT_FALSE(ReadFile(folder / "flags/model.onnx") == ReadFile(folder / "both/model.onnx"));
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
