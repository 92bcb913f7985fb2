// The command line.

#ifndef CSC_SAMPLES_BENCHMARK_OPTIONS_H_
#define CSC_SAMPLES_BENCHMARK_OPTIONS_H_

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "samples/benchmark/cases.h"
#include "solvers/executor.h"

namespace csc {

struct Options {
  std::string suite = "quick";
  ModelOptions network = DefaultNetwork();
  std::vector<std::string> phases;
  std::vector<int64_t> batches;
  std::vector<int64_t> sides;
  std::vector<std::string> engines;
  std::vector<std::string> arithmetics;
  std::vector<std::string> paths;
  std::vector<std::string> rivals;
  std::vector<int64_t> rival_batches = {8, 32, 128};
  std::string rival_device;  // "cpu", "cuda"; empty: that of the first engine
  std::string python = "python3";
  bool times = false;
  int neighbours = 0;
  int be_a_neighbour = 0;
  int threads = NumAvailableCpus();
  double seconds = 2;
  std::string json;      // file; "-" is stdout, in place of the table
  std::string pictures;  // folder
};

// Options are stored when `app` parses a command line; both must live then.
void AddOptions(CLI::App* app, Options* options);

// The cases of the suite after what the command line says of phases, batches and
// sides. Throws Error for options that do not go together.
std::vector<Case> SelectedCases(const CLI::App& app, const Options& options);

}  // namespace csc

#endif  // CSC_SAMPLES_BENCHMARK_OPTIONS_H_
