// The driver as a user meets it: options, files, errors.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/training/temporary_folder.h"
#include "tests/training/train_command.h"
#include "training/file.h"
#include "training/onnx/onnx_file.h"

namespace csc::test {
namespace {

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

}  // namespace
}  // namespace csc::test
