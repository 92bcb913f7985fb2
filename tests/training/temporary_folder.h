// A folder of its own for each test that writes files.

#ifndef CSC_TESTS_TRAINING_TEMPORARY_FOLDER_H_
#define CSC_TESTS_TRAINING_TEMPORARY_FOLDER_H_

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace csc::test {

// Empty at the start, removed at the end.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(const std::string& name)
      : path_(std::filesystem::path(::testing::TempDir()) / ("csc_" + name)) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string path() const { return path_.string(); }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  const std::filesystem::path path_;
};

inline void WriteBytes(const std::string& path, const std::string& bytes) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

// EXPECT_THROW that also wants one line, with every one of `parts` in it.
#define CSC_EXPECT_ERROR(statement, ...)                                      \
  do {                                                                        \
    try {                                                                     \
      statement;                                                              \
      ADD_FAILURE() << "nothing thrown by " #statement;                       \
    } catch (const ::csc::Error& error) {                                     \
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos)      \
          << "more than a line: " << error.what();                            \
      for (const std::string& part : std::vector<std::string>{__VA_ARGS__}) { \
        EXPECT_NE(std::string(error.what()).find(part), std::string::npos)    \
            << "\"" << part << "\" is missing in: " << error.what();          \
      }                                                                       \
    }                                                                         \
  } while (false)

}  // namespace csc::test

#endif  // CSC_TESTS_TRAINING_TEMPORARY_FOLDER_H_
