// A child process that is spoken to in lines.

#ifndef CSC_SAMPLES_BENCHMARK_SUBPROCESS_H_
#define CSC_SAMPLES_BENCHMARK_SUBPROCESS_H_

#include <sys/types.h>

#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace csc {

class Subprocess {
 public:
  // Starts `command`, found on the PATH, with these changes to the environment:
  // a value, or none to remove a variable. Its stderr is ours. Throws Error.
  Subprocess(const std::vector<std::string>& command,
             const std::map<std::string, std::optional<std::string>>& environment);
  // Closes its stdin and ends it if that does not.
  ~Subprocess();
  Subprocess(const Subprocess&) = delete;
  Subprocess& operator=(const Subprocess&) = delete;

  // Throws Error when the child has gone.
  void WriteLine(const std::string& line);
  // The next line of its stdout, waited for. Empty when the child has closed it.
  std::optional<std::string> ReadLine();

 private:
  pid_t pid_ = -1;
  FILE* to_ = nullptr;
  FILE* from_ = nullptr;
};

}  // namespace csc

#endif  // CSC_SAMPLES_BENCHMARK_SUBPROCESS_H_
