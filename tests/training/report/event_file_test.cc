#include "training/report/event_file.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "solvers/error.h"
#include "tests/training/report/event_reader.h"
#include "tests/training/temporary_folder.h"

namespace csc::test {
namespace {

std::string Hex(const std::string& bytes) {
  std::string text;
  for (unsigned char byte : bytes) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

TEST(EventFileTest, ChecksumsAreThoseOfTheStandard) {
  // RFC 3720, appendix B.4.
  std::string rising;
  for (char i = 0; i < 32; ++i) rising.push_back(i);
  EXPECT_EQ(Unmasked(MaskedCrc(std::string(32, '\0'))), 0x8a9136aau);
  EXPECT_EQ(Unmasked(MaskedCrc(std::string(32, '\xff'))), 0x62a8ab43u);
  EXPECT_EQ(Unmasked(MaskedCrc(rising)), 0x46dd794eu);
  EXPECT_EQ(Unmasked(MaskedCrc("123456789")), 0xe3069283u);
  EXPECT_EQ(Unmasked(MaskedCrc("")), 0u);
  EXPECT_EQ(MaskedCrc("123456789"), 0xc78ab0e5u);
}

TEST(EventFileTest, WritesTheBytesThatTensorBoardsOwnWriterWrites) {
  const TemporaryFolder folder("event_bytes");
  EventFile file(folder.path(), 301, 1.5);
  file.AddScalars(400, 2.5, {{"train/loss", 0.25}, {"test/accuracy", 0.875}});
  // Made with TensorBoard 2.21's RecordWriter and Event messages.
  EXPECT_EQ(Hex(ReadFile(file.path())),
            "1800000000000000a37f4b2209000000000000f83f1a0d627261696e2e4576656e743a322a28646c"
            "100000000000000095fbfe1809000000000000f83f10ad023a020801d17949d4"
            "3700000000000000e7e8ca590900000000000004401090032a290a110a0a747261696e2f6c6f737315"
            "0000803e0a140a0d746573742f6163637572616379150000603f110142ae");
}

TEST(EventFileTest, EventsCanBeReadBackWhileTheFileIsOpen) {
  const TemporaryFolder folder("event_read");
  EventFile file(folder / "deep/er", 1, 1e9);
  for (int step = 1; step <= 3; ++step) {
    file.AddScalars(step, 1e9 + step, {{"a", step / 2.0}, {"b", -1e30}});
    const auto list = ReadEvents(file.path());
    ASSERT_EQ(list.size(), 2u + step);
    EXPECT_EQ(list[0].file_version(), "brain.Event:2");
    EXPECT_EQ(list[1].session_log().status(), events::SessionLog::START);
    EXPECT_EQ(list[1].step(), 1);
    EXPECT_EQ(list.back().step(), step);
    EXPECT_EQ(list.back().wall_time(), 1e9 + step);
    ASSERT_EQ(list.back().summary().value_size(), 2);
    EXPECT_EQ(list.back().summary().value(0).tag(), "a");
    EXPECT_EQ(list.back().summary().value(0).simple_value(), step / 2.0f);
    EXPECT_EQ(list.back().summary().value(1).simple_value(), -1e30f);
  }
}

TEST(EventFileTest, ALaterFileSortsBehindWhateverTheClockSays) {
  const TemporaryFolder folder("event_names");
  std::vector<std::string> paths;
  for (double now : {1700000000.9, 1700000000.9, 1600000000.0, 5.0, 1700000001.0}) {
    paths.push_back(EventFile(folder.path(), 1, now).path());
  }
  EXPECT_EQ(EventFiles(folder.path()), paths);
  EXPECT_NE(paths[0].find("tfevents.1700000000."), std::string::npos);
}

TEST(EventFileTest, SaysWhatIsWrongWithItsFolder) {
  const TemporaryFolder folder("event_errors");
  WriteBytes(folder / "file", "");
  CSC_EXPECT_ERROR(EventFile(folder / "file", 1, 0), "file", "folder");
}

}  // namespace
}  // namespace csc::test
