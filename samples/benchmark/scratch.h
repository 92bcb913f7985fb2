// A folder of this process for files that are handed to others; it goes when
// the object goes.

#ifndef CSC_SAMPLES_BENCHMARK_SCRATCH_H_
#define CSC_SAMPLES_BENCHMARK_SCRATCH_H_

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <system_error>

namespace csc {

class ScratchFolder {
 public:
  ScratchFolder()
      : path_(std::filesystem::temp_directory_path() / fmt::format("csc-benchmark-{}", getpid())) {
    std::filesystem::create_directory(path_);
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  std::string path() const { return path_.string(); }
  std::string File(const std::string& name) const { return (path_ / name).string(); }

 private:
  const std::filesystem::path path_;
};

}  // namespace csc

#endif  // CSC_SAMPLES_BENCHMARK_SCRATCH_H_
