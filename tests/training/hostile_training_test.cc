// What befalls long trainings: damaged data, damaged checkpoints, full disks,
// losses that explode, and being killed at any moment. Each ends with one clear
// line, and what was saved before continues to the same bits.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "solvers/error.h"
#include "tests/solvers/random.h"
#include "tests/training/program.h"
#include "tests/training/temporary_folder.h"
#include "training/checkpoint/checkpoint.h"
#include "training/file.h"

namespace csc::test {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

const Words kFiles = {"metrics.csv",        "checkpoint.csc",      "model.onnx",
                      "model_layered.onnx", "model_portable.onnx", "labels.txt"};

Words operator+(Words left, const Words& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

Ended Train(const Words& options, const Disturbance& disturbance = {}) {
  return RunCommand(Words{"training/train"} + options, disturbance);
}

// Steps, evaluation and checkpoints in turn, each for a good part of the time.
Words Options(const std::string& out, const std::map<std::string, std::string>& other = {}) {
  std::map<std::string, std::string> options = {
      {"--depth", "2"},       {"--width", "4"},      {"--batch-size", "16"},
      {"--epochs", "40"},     {"--threads", "2"},    {"--checkpoint-steps", "2"},
      {"--validation", "16"}, {"--augment", "true"}, {"--limit-train", "96"},
      {"--out", out}};
  for (const auto& [name, value] : other) options[name] = value;
  Words words;
  for (const auto& [name, value] : options) words.push_back(name + "=" + value);
  return words;
}

int Lines(const std::string& text) {
  return static_cast<int>(std::count(text.begin(), text.end(), '\n'));
}

std::string LastLine(const std::string& text) {
  const size_t end = text.find_last_not_of('\n');
  const size_t begin = text.rfind('\n', end);
  return text.substr(begin == std::string::npos ? 0 : begin + 1, end - begin);
}

// The line that says what was wrong is the last, and ours; libraries that read
// pictures may have written before it.
void ExpectFailure(const Ended& ended, const Words& parts) {
  EXPECT_EQ(ended.status, 1);
  EXPECT_EQ(ended.out, "");
  const std::string line = LastLine(ended.err);
  EXPECT_EQ(line.rfind("train: ", 0), 0u) << ended.err;
  for (const std::string& part : parts) EXPECT_NE(line.find(part), std::string::npos) << ended.err;
}

void ExpectNoHalfFiles(const TemporaryFolder& out) {
  for (const auto& entry : fs::directory_iterator(out.path())) {
    EXPECT_NE(entry.path().extension(), ".tmp") << entry.path();
  }
}

// The same training, never disturbed; made once.
class HostileTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    whole_ = new TemporaryFolder("hostile_whole");
    const auto start = std::chrono::steady_clock::now();
    const Ended ended = Train(Options(whole_->path()));
    seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    ASSERT_EQ(ended.status, 0) << ended.err;
  }
  static void TearDownTestSuite() { delete whole_; }

  static void ExpectAsUndisturbed(const TemporaryFolder& out) {
    for (const std::string& file : kFiles) {
      EXPECT_TRUE(ReadFile(out / file) == ReadFile(*whole_ / file)) << file;
    }
    ExpectNoHalfFiles(out);
  }

  static void ExpectResumesAsUndisturbed(const TemporaryFolder& out) {
    const Ended resumed = Train({"--resume", "--out", out.path()});
    EXPECT_EQ(resumed.status, 0) << resumed.err;
    ExpectAsUndisturbed(out);
  }

  static TemporaryFolder* whole_;
  static double seconds_;
};

TemporaryFolder* HostileTest::whole_ = nullptr;
double HostileTest::seconds_ = 0;

// Kills the training so long after its start, also while it starts or ends.
Ended TrainAndKill(const Words& options, double seconds) {
  return Train(options, {[](pid_t child) { kill(child, SIGKILL); }, "", seconds});
}

TEST_F(HostileTest, KilledAtAnyMomentItResumesToTheSameFiles) {
  const auto continues = [](const TemporaryFolder& out) {
    return fs::exists(out / "checkpoint.csc") ? Words{"--resume", "--out", out.path()}
                                              : Options(out.path());
  };
  int killed = 0;
  ForEachSeed(10, [&](Random* random) {
    const TemporaryFolder out("hostile_killed");
    // Twice: resuming may be killed too.
    const double first = random->Real(0, seconds_);
    const double second = random->Real(0, seconds_ - first);
    SCOPED_TRACE(fmt::format("killed after {:.6f} s, again after {:.6f} s", first, second));
    killed += TrainAndKill(Options(out.path()), first).status == -SIGKILL;
    killed += TrainAndKill(continues(out), second).status == -SIGKILL;
    const Ended ended = Train(continues(out));
    EXPECT_EQ(ended.status, 0) << ended.err;
    ExpectAsUndisturbed(out);
  });
  EXPECT_GT(killed, 0);
}

TEST_F(HostileTest, KilledWhileItWritesTheModelsItResumesToTheSameFiles) {
  const TemporaryFolder out("hostile_killed_last");
  const Disturbance kill_it = {[](pid_t child) { kill(child, SIGKILL); }, "epoch 40/40"};
  EXPECT_EQ(Train(Options(out.path()), kill_it).status, -SIGKILL);
  ExpectResumesAsUndisturbed(out);
}

// From the third epoch on no file may be longer than half a checkpoint; whichever
// is the first to be so is cut off in its middle.
TEST_F(HostileTest, ADiskThatIsFullInTheMiddleOfAFileCostsNothingBefore) {
  const TemporaryFolder out("hostile_half");
  std::signal(SIGXFSZ, SIG_IGN);  // inherited: writing fails then, and does not kill
  const rlim_t half = fs::file_size(*whole_ / "checkpoint.csc") / 2;
  const Ended ended = Train(Options(out.path()), {[half](pid_t child) {
                                                    const rlimit limit = {half, half};
                                                    prlimit(child, RLIMIT_FSIZE, &limit, nullptr);
                                                  },
                                                  "epoch 2/"});
  std::signal(SIGXFSZ, SIG_DFL);
  ExpectFailure(ended, {out / "", ".tmp: cannot be written: File too large"});
  ExpectNoHalfFiles(out);
  ReadCheckpoint(out / "checkpoint.csc");
  ExpectResumesAsUndisturbed(out);
}

// Puts a link to the device that is always full in the place of a file that is
// about to be written; tries again while one of that name is there already.
Disturbance FillUp(const std::string& path, const std::string& marker) {
  return {[path](pid_t) {
            while (symlink("/dev/full", path.c_str()) != 0 && errno == EEXIST) {
            }
          },
          marker};
}

TEST_F(HostileTest, AFullDiskIsNamedAndTheLastCheckpointStays) {
  for (const char* file : {"checkpoint.csc", "metrics.csv"}) {
    SCOPED_TRACE(file);
    const TemporaryFolder out("hostile_full");
    const std::string path = out / file;
    const Ended ended = Train(Options(out.path()), FillUp(path + ".tmp", "epoch 2/"));
    ExpectFailure(ended, {path, "cannot be written", "No space left on device"});
    EXPECT_EQ(ended.err.find("epoch 40/"), std::string::npos);
    ReadCheckpoint(out / "checkpoint.csc");
    ExpectResumesAsUndisturbed(out);
  }
}

TEST_F(HostileTest, AFullDiskAtTheEndCostsNoTraining) {
  for (const char* file : {"model.onnx", "model_portable.onnx", "labels.txt", "result.json"}) {
    SCOPED_TRACE(file);
    const TemporaryFolder out("hostile_full_last");
    const std::string path = out / file;
    const Ended ended = Train(Options(out.path()), FillUp(path + ".tmp", "epoch 2/"));
    ExpectFailure(ended, {path, "cannot be written", "No space left on device"});
    EXPECT_FALSE(fs::exists(path));
    const Ended resumed = Train({"--resume", "--out", out.path()});
    EXPECT_EQ(resumed.status, 0) << resumed.err;
    EXPECT_EQ(resumed.err.find("epoch"), std::string::npos) << resumed.err;
    ExpectAsUndisturbed(out);
  }
}

TEST_F(HostileTest, AFullDiskUnderItsMessagesDoesNotEndATraining) {
  const TemporaryFolder out("hostile_mute");
  std::string command = "exec training/train";
  for (const std::string& option : Options(out.path())) command += " " + option;
  const Ended ended = RunCommand({"/bin/sh", "-c", command + " 2>/dev/full"});
  EXPECT_EQ(ended.status, 0);
  EXPECT_EQ(Lines(ended.out), 1);
  ExpectAsUndisturbed(out);
  // Nor does it change how an error ends.
  EXPECT_EQ(RunCommand({"/bin/sh", "-c", command + " 2>/dev/full"}).status, 1);
  EXPECT_EQ(RunCommand({"/bin/sh", "-c", command + " --frobnicate 2>/dev/full"}).status, 2);
}

TEST_F(HostileTest, AResultThatCannotBePrintedIsAnError) {
  const TemporaryFolder out("hostile_unheard");
  std::string command = "exec training/train";
  for (const std::string& option : Options(out.path())) command += " " + option;
  const Ended ended = RunCommand({"/bin/sh", "-c", command + " >/dev/full"});
  ExpectFailure(ended, {"standard output", "No space left on device"});
  ExpectAsUndisturbed(out);
}

TEST_F(HostileTest, DamagedCheckpointsAreRefusedAndLeftAsTheyAre) {
  const TemporaryFolder out("hostile_checkpoint");
  const Disturbance interrupt = {[](pid_t child) { kill(child, SIGINT); }, "epoch 2/"};
  ASSERT_EQ(Train(Options(out.path()), interrupt).status, 130);
  const std::string path = out / "checkpoint.csc";
  const std::string good = ReadFile(path);
  const auto expect_refused = [&](const std::string& bytes, const Words& more, const Words& parts) {
    WriteBytes(path, bytes);
    const Ended ended = Train(Words{"--resume", "--out", out.path()} + more);
    ExpectFailure(ended, parts);
    EXPECT_EQ(Lines(ended.err), 1) << ended.err;
    EXPECT_TRUE(ReadFile(path) == bytes);
  };
  expect_refused("", {}, {path, "not a checkpoint"});
  expect_refused(good.substr(0, good.size() / 2), {}, {path, "damaged"});
  std::string flipped = good;
  flipped[good.size() - 100] ^= 4;
  expect_refused(flipped, {}, {path, "checksum"});
  expect_refused(ReadFile(*whole_ / "model.onnx"), {}, {path, "not a checkpoint"});

  // Of another network, which only looks like this one's by its options.
  const TemporaryFolder other("hostile_other");
  ASSERT_EQ(Train(Options(other.path(), {{"--width", "5"}, {"--epochs", "1"}})).status, 0);
  expect_refused(ReadFile(other / "checkpoint.csc"), {"--width", "4"}, {"--width is 4", "5"});
  Checkpoint mixed = ReadCheckpoint(other / "checkpoint.csc");
  const size_t width = mixed.description.find("\"width\":5");
  ASSERT_NE(width, std::string::npos);
  mixed.description[width + 8] = '4';
  WriteCheckpoint(other / "mixed.csc", mixed);
  expect_refused(ReadFile(other / "mixed.csc"), {}, {"another model"});

  WriteBytes(path, good);
  ExpectResumesAsUndisturbed(out);
}

TEST_F(HostileTest, ALossThatExplodesKeepsACheckpointAndExplodesAgain) {
  const TemporaryFolder out("hostile_nan");
  const Ended ended = Train(Options(
      out.path(),
      {{"--learning-rate", "1e25"}, {"--normalisation", "none"}, {"--checkpoint-steps", "1"}}));
  ExpectFailure(ended, {"epoch 1, step", "--learning-rate"});
  const std::string saved = ReadFile(out / "checkpoint.csc");
  for (float p : ReadCheckpoint(out / "checkpoint.csc").arrays.at("parameters")) {
    ASSERT_TRUE(std::isfinite(p));
  }
  const Ended again = Train({"--resume", "--out", out.path(), "--checkpoint-steps", "1"});
  EXPECT_EQ(again.status, 1);
  EXPECT_EQ(again.err, LastLine(ended.err) + "\n");
  EXPECT_TRUE(ReadFile(out / "checkpoint.csc") == saved);
  EXPECT_FALSE(fs::exists(out / "model.onnx"));
}

}  // namespace
}  // namespace csc::test
