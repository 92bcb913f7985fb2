#include "solvers/memory.h"

#include <algorithm>
#include <fstream>
#include <limits>

#include "solvers/error.h"

namespace csc {

namespace {

constexpr int64_t kUnknown = std::numeric_limits<int64_t>::max();
// Asking takes some 20 microseconds, filling this much a hundred times as long.
constexpr int64_t kSmall = int64_t{1} << 24;

// The number in a file that holds just one; "max" and no file are unknown.
int64_t ReadNumber(const char* path) {
  std::ifstream file(path);
  int64_t value = 0;
  return file >> value ? value : kUnknown;
}

int64_t FreeOfMachine() {
  std::ifstream file("/proc/meminfo");
  std::string key, unit;
  int64_t kibibytes = 0;
  while (file >> key >> kibibytes) {
    if (key == "MemAvailable:") return kibibytes * 1024;
    std::getline(file, unit);
  }
  return kUnknown;
}

int64_t FreeOfControlGroup() {
  const int64_t limit = ReadNumber("/sys/fs/cgroup/memory.max");
  const int64_t used = ReadNumber("/sys/fs/cgroup/memory.current");
  if (limit == kUnknown || used == kUnknown) return kUnknown;
  return std::max<int64_t>(0, limit - used);
}

}  // namespace

int64_t AvailableMemory() {
  const int64_t free = std::min(FreeOfMachine(), FreeOfControlGroup());
  return free == kUnknown ? free : free - free / 16;  // the rest of the machine lives on
}

void RequireMemory(int64_t bytes, const std::string& what) {
  if (bytes <= kSmall) return;
  const int64_t available = AvailableMemory();
  Require(bytes <= available, "{} takes {} MiB of memory: at most the {} MiB available expected",
          what, bytes >> 20, available >> 20);
}

}  // namespace csc
