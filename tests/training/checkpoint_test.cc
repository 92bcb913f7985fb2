#include "training/checkpoint/checkpoint.h"

#include <gtest/gtest.h>

#include <string>

#include "solvers/error.h"
#include "tests/training/temporary_folder.h"
#include "training/file.h"

namespace csc::test {
namespace {

Checkpoint Example() {
  return {"{\"epoch\": 3}", {{"parameters", {1.5f, -2, 3e-40f}}, {"velocity", {}}}};
}

TEST(CheckpointTest, ComesBackAsItWas) {
  const TemporaryFolder folder("checkpoint_round_trip");
  const std::string path = folder / "checkpoint.csc";
  WriteCheckpoint(path, Example());
  const Checkpoint read = ReadCheckpoint(path);
  EXPECT_EQ(read.description, Example().description);
  EXPECT_EQ(read.arrays, Example().arrays);
  EXPECT_FALSE(std::filesystem::exists(path + ".tmp"));
}

TEST(CheckpointTest, ReplacesTheOneBeforeAndIgnoresTheRestOfACrash) {
  const TemporaryFolder folder("checkpoint_replace");
  const std::string path = folder / "checkpoint.csc";
  WriteCheckpoint(path, Example());
  WriteBytes(path + ".tmp", "half a check");  // what a killed writer leaves
  EXPECT_EQ(ReadCheckpoint(path).description, Example().description);
  Checkpoint next = Example();
  next.description = "{}";
  WriteCheckpoint(path, next);
  EXPECT_EQ(ReadCheckpoint(path).description, "{}");
}

TEST(CheckpointTest, AnyChangedByteIsNoticed) {
  const TemporaryFolder folder("checkpoint_damage");
  const std::string path = folder / "checkpoint.csc";
  WriteCheckpoint(path, Example());
  const std::string good = ReadFile(path);
  for (size_t i = 0; i < good.size(); ++i) {
    for (int bit : {0, 7}) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ (1 << bit));
      WriteBytes(path, bad);
      CSC_EXPECT_ERROR(ReadCheckpoint(path), path);
    }
  }
}

TEST(CheckpointTest, AnyTruncationIsNoticed) {
  const TemporaryFolder folder("checkpoint_truncation");
  const std::string path = folder / "checkpoint.csc";
  WriteCheckpoint(path, Example());
  const std::string good = ReadFile(path);
  for (size_t size = 0; size < good.size(); ++size) {
    WriteBytes(path, good.substr(0, size));
    CSC_EXPECT_ERROR(ReadCheckpoint(path), path);
  }
  WriteBytes(path, good + "x");
  CSC_EXPECT_ERROR(ReadCheckpoint(path), path);
}

TEST(CheckpointTest, SaysWhatIsWrong) {
  const TemporaryFolder folder("checkpoint_messages");
  const std::string path = folder / "checkpoint.csc";
  CSC_EXPECT_ERROR(ReadCheckpoint(path), path, "No such file");
  CSC_EXPECT_ERROR(ReadCheckpoint(folder.path()), "folder");
  WriteBytes(path, "some text that is long enough for a header");
  CSC_EXPECT_ERROR(ReadCheckpoint(path), "not a checkpoint");
  WriteCheckpoint(path, Example());
  std::string later = ReadFile(path);
  later[8] = 3;
  WriteBytes(path, later);
  CSC_EXPECT_ERROR(ReadCheckpoint(path), "version 3", "version 2 expected");
}

TEST(WriteFileTest, NamesAPlaceThatCannotBeWritten) {
  const TemporaryFolder folder("file_unwritable");
  CSC_EXPECT_ERROR(WriteFile(folder / "no/such/file", "x"), "no/such/file");
  std::filesystem::create_directories(folder / "taken");
  CSC_EXPECT_ERROR(WriteFile(folder / "taken", "x"), "taken");
  EXPECT_FALSE(std::filesystem::exists(folder / "taken.tmp"));
}

}  // namespace
}  // namespace csc::test
