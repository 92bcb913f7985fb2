// What ptxas says of the kernels, against the table of what it has said before:
// nothing spilled ever, and no register more or less without a line changed.

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "tests/solvers/engines/cuda/kernel_names.h"

namespace csc::test {
namespace {

constexpr char kLog[] = "solvers/engines/cuda/csc_cuda_resources.txt";
constexpr char kTable[] = "tests/solvers/engines/cuda/kernel_resources.txt";

struct Resources {
  std::vector<std::string> lines;  // as those of the table, sorted
  std::vector<std::string> spilling;
};

Resources ReadLog(std::istream& log) {
  Resources found;
  const std::regex entry("Compiling entry function '(\\w+)' for '(sm_\\d+)'");
  const std::regex spills("(\\d+) bytes spill stores, (\\d+) bytes spill loads");
  const std::regex used("Used (\\d+) registers(?:.*[ ,](\\d+) bytes smem)?");
  std::string line, kernel, arch;
  std::smatch match;
  while (std::getline(log, line)) {
    if (std::regex_search(line, match, entry)) {
      kernel = KernelName(match[1]);
      arch = match[2];
    } else if (std::regex_search(line, match, spills)) {
      if (match[1] != "0" || match[2] != "0") found.spilling.push_back(kernel + " " + arch);
    } else if (std::regex_search(line, match, used)) {
      const std::string shared = match[2].matched ? match[2].str() : "0";
      found.lines.push_back(kernel + " | " + arch + " | " + match[1].str() + " | " + shared);
    }
  }
  std::sort(found.lines.begin(), found.lines.end());
  return found;
}

// The first line of a file, and the rest but for comments.
struct Recorded {
  std::string compiler;
  std::vector<std::string> lines;
};

Recorded ReadTable() {
  std::ifstream file(kTable);
  Recorded table;
  std::getline(file, table.compiler);
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line[0] != '#') table.lines.push_back(line);
  }
  return table;
}

TEST(Resources, OfKernelsAreThoseRecordedAndNothingSpills) {
  std::ifstream log(kLog);
  if (!log) GTEST_SKIP() << "there is no CUDA toolkit to compile the kernels with";
  std::string compiler;
  std::getline(log, compiler);
  const Resources found = ReadLog(log);
  EXPECT_GT(found.lines.size(), 100u) << "the log of ptxas was not understood";
  for (const std::string& kernel : found.spilling) ADD_FAILURE() << kernel << " spills";

  const Recorded table = ReadTable();
  if (compiler != table.compiler) {
    if (HasFailure()) return;
    GTEST_SKIP() << "nothing spills; registers were recorded with " << table.compiler
                 << ", this is " << compiler;
  }
  if (found.lines != table.lines) {
    std::ostringstream text;
    for (const std::string& line : found.lines) text << line << "\n";
    ADD_FAILURE() << kTable << " says otherwise; it would have to hold\n" << text.str();
  }
}

}  // namespace
}  // namespace csc::test
