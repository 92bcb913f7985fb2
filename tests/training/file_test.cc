#include "training/file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "solvers/error.h"
#include "tests/training/temporary_folder.h"

namespace csc::test {
namespace {

TEST(FileTest, ReadsBackWhatWasWritten) {
  const TemporaryFolder folder("file");
  for (const size_t size : {0, 1, 4095, 4096, 4097, 3000000}) {
    std::string bytes(size, '\0');
    for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 31);
    WriteFile(folder / "file", bytes);
    EXPECT_TRUE(ReadFile(folder / "file") == bytes) << size;
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "file.tmp"));
}

// The system's own files say that they have 0 bytes.
TEST(FileTest, ReadsFilesThatDoNotTellTheirSize) {
  const std::string path = "/proc/self/cmdline";
  std::ifstream file(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  ASSERT_GT(bytes.size(), 1u);
  EXPECT_EQ(ReadFile(path), bytes);
}

TEST(FileTest, NamesWhatCannotBeRead) {
  const TemporaryFolder folder("file_missing");
  CSC_EXPECT_ERROR(ReadFile(folder / "nowhere"), "nowhere", "cannot be opened", "No such file");
  CSC_EXPECT_ERROR(ReadFile(folder.path()), folder.path(), "is a folder");
}

TEST(FileTest, NamesWhatCannotBeReplaced) {
  const TemporaryFolder folder("file_replaced");
  std::filesystem::create_directories(folder / "file");
  CSC_EXPECT_ERROR(WriteFile(folder / "file", "bytes"), "/file: cannot be replaced",
                   "Is a directory");
  EXPECT_FALSE(std::filesystem::exists(folder / "file.tmp"));
}

}  // namespace
}  // namespace csc::test
