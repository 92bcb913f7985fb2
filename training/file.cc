#include "training/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "solvers/error.h"

namespace csc {

namespace {

// Closes its file descriptor.
class Descriptor {
 public:
  Descriptor(const std::string& path, int flags)
      : path_(path), fd_(open(path.c_str(), flags | O_CLOEXEC, 0666)) {
    if (fd_ < 0) Throw("opened");
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { close(fd_); }

  void Write(const std::string& bytes) {
    size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t n = write(fd_, bytes.data() + done, bytes.size() - done);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) Throw("written");
      done += n;
    }
  }
  // All that is left.
  std::string Read() {
    struct stat status;
    if (fstat(fd_, &status) != 0) Throw("read");
    // One byte more than a file has, so that its end is met without growing. A
    // pipe has no size, so it is nothing to rely on.
    std::string bytes(static_cast<size_t>(status.st_size) + 1, '\0');
    size_t done = 0;
    for (;;) {
      if (done == bytes.size()) bytes.resize(2 * done);
      const ssize_t n = read(fd_, &bytes[done], bytes.size() - done);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) Throw("read");
      if (n == 0) break;
      done += n;
    }
    bytes.resize(done);
    return bytes;
  }
  void Sync() {
    // Some file systems cannot sync; the rename is atomic all the same.
    if (fsync(fd_) != 0 && errno != EINVAL && errno != ENOTSUP) {
      Throw("written to the disk");
    }
  }

 private:
  [[noreturn]] void Throw(const char* what) {
    Fail("{}: cannot be {}: {}", path_, what, std::strerror(errno));
  }
  const std::string path_;
  const int fd_;
};

}  // namespace

void WriteFile(const std::string& path, const std::string& bytes) {
  const std::string temporary = path + ".tmp";
  try {
    {
      Descriptor file(temporary, O_WRONLY | O_CREAT | O_TRUNC);
      file.Write(bytes);
      file.Sync();
    }
    if (std::rename(temporary.c_str(), path.c_str()) != 0) {
      Fail("{}: cannot be replaced: {}", path, std::strerror(errno));
    }
  } catch (const Error&) {
    unlink(temporary.c_str());  // half a file helps nobody, least of all on a full disk
    throw;
  }
  // The new name itself lives in the folder.
  std::string folder = std::filesystem::path(path).parent_path().string();
  Descriptor(folder.empty() ? "." : folder, O_RDONLY | O_DIRECTORY).Sync();
}

std::string ReadFile(const std::string& path) {
  std::error_code error;
  Require(!std::filesystem::is_directory(path, error), "{}: is a folder: a file expected", path);
  return Descriptor(path, O_RDONLY).Read();
}

}  // namespace csc
