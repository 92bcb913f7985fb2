// profile MODEL DEPTH PHASE ARITHMETIC BATCH [KERNEL]: how long an H200 would take for the
// network at least, by kernel, from some blocks of each launch on the emulated GPU (card.h).
// A model, not a measurement. For launches whose kernel's name holds KERNEL, every
// instruction with what it costs.

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "solvers/engines/engine.h"
#include "solvers/error.h"
#include "tests/solvers/engines/cuda/emulated/card.h"
#include "tests/solvers/engines/cuda/emulated/count_network.h"
#include "tests/solvers/engines/cuda/emulated/device.h"
#include "tests/solvers/engines/cuda/kernel_names.h"

namespace csc::test {
namespace {

constexpr char kTable[] = "tests/solvers/engines/cuda/kernel_resources.txt";

std::map<std::string, BlockResources> ReadResources() {
  std::map<std::string, BlockResources> resources;
  std::ifstream file(kTable);
  Require(file.good(), "run from the project's root: there is no {}", kTable);
  for (std::string line; std::getline(file, line);) {
    const size_t arch = line.find(" | sm_90 | ");
    if (arch == std::string::npos) continue;
    BlockResources& r = resources[line.substr(0, arch)];
    std::istringstream numbers(line.substr(arch + 11));
    numbers >> r.registers;
    numbers.ignore(3) >> r.shared_bytes;
  }
  return resources;
}

struct Row {
  int launches = 0;
  double seconds = 0;
  LaunchTime time;
  int blocks_at_once = 0;
  double rows = 0, least_rows = 0, sectors = 0, least_sectors = 0;
};

void Add(const Counted& launch, const LaunchTime& time, Row* row) {
  ++row->launches;
  row->seconds += time.bound();
  row->blocks_at_once = time.blocks_at_once;
  for (size_t b = 0; b < time.seconds.size(); ++b) row->time.seconds[b] += time.seconds[b];
  for (size_t at = 0; at < launch.counts.lines.size(); ++at) {
    const ptx::Counts::Line& line = launch.counts.lines[at];
    const bool shared = launch.node.kernel->code[at].space == ptx::Space::kShared;
    if (shared) row->rows += static_cast<double>(line.rows);
    if (shared) row->least_rows += static_cast<double>(line.least_rows);
    row->sectors += static_cast<double>(line.sectors);
    row->least_sectors += static_cast<double>(line.least_sectors);
  }
}

// Each instruction with what it cost a block.
void PrintLines(const Counted& launch, const std::string& name, const LaunchTime& time) {
  fmt::print("{}, {} blocks of {} threads:", name, launch.node.grid.blocks,
             launch.node.grid.threads);
  for (size_t b = 0; b < time.seconds.size(); ++b) {
    fmt::print(" {} {:.1f}", kBoundNames[b], time.seconds[b] * 1e6);
  }
  fmt::print(" us\n{:>9} {:>9} {:>9} {:>9} {:>9}\n", "issued", "rows", "least", "sectors", "least");
  const double blocks = launch.counts.blocks;
  for (size_t at = 0; at < launch.counts.lines.size(); ++at) {
    const ptx::Counts::Line& line = launch.counts.lines[at];
    fmt::print("{:>9.1f} {:>9.1f} {:>9.1f} {:>9.1f} {:>9.1f} {}\n",
               static_cast<double>(line.issued) / blocks, static_cast<double>(line.rows) / blocks,
               static_cast<double>(line.least_rows) / blocks,
               static_cast<double>(line.sectors) / blocks,
               static_cast<double>(line.least_sectors) / blocks, launch.node.kernel->code[at].text);
  }
}

void Print(const std::vector<Counted>& launches, int64_t batch, const std::string& lines_of) {
  const std::map<std::string, BlockResources> resources = ReadResources();
  std::map<std::string, Row> rows;
  Row all;
  for (const Counted& launch : launches) {
    const std::string name = KernelName(launch.node.kernel->name);
    const auto found = resources.find(name);
    Require(found != resources.end(), "{} does not know {}", kTable, name);
    const LaunchTime time = TimeOf(launch, found->second);
    Add(launch, time, &rows[name]);
    Add(launch, time, &all);
    if (!lines_of.empty() && name.find(lines_of) != std::string::npos)
      PrintLines(launch, name, time);
  }
  std::vector<std::pair<std::string, Row>> sorted(rows.begin(), rows.end());
  std::sort(sorted.begin(), sorted.end(),
            [](const auto& a, const auto& b) { return a.second.seconds > b.second.seconds; });
  sorted.emplace_back("all", all);
  fmt::print("{:<52} {:>8} {:>5} {:>9} |", "kernel (microseconds: a model)", "launches", "fit",
             "bound");
  for (const char* bound : kBoundNames) fmt::print(" {:>7}", bound);
  fmt::print(" | {:>9} {:>9}\n", "conflicts", "sectors");
  for (const auto& [name, row] : sorted) {
    fmt::print("{:<52} {:>8} {:>5} {:>9.1f} |", name, row.launches, row.blocks_at_once,
               row.seconds * 1e6);
    for (double seconds : row.time.seconds) fmt::print(" {:>7.1f}", seconds * 1e6);
    fmt::print(" | {:>8.2f}x {:>8.2f}x\n", row.rows / std::max(row.least_rows, 1.0),
               row.sectors / std::max(row.least_sectors, 1.0));
  }
  const double seconds = all.seconds + all.launches * kLaunchSeconds;
  fmt::print("by the model {:.0f} images a second: {:.0f} us, {:.0f} of them for {} launches\n",
             static_cast<double>(batch) / seconds, seconds * 1e6,
             all.launches * kLaunchSeconds * 1e6, all.launches);
}

int Main(int argc, char** argv) {
  Require(argc == 6 || argc == 7,
          "profile MODEL DEPTH inference|training ARITHMETIC BATCH [KERNEL]");
  const int64_t batch = std::atoll(argv[5]);
  CountedNetwork network;
  network.model = argv[1];
  network.depth = std::atoi(argv[2]);
  network.trains = std::string(argv[3]) == "training";
  network.arithmetic = ArithmeticByName(argv[4]);
  network.batch = batch;
  if (network.trains) network.stretch = 2;
  Print(CountNetwork(network), batch, argc > 6 ? argv[6] : "");
  return 0;
}

}  // namespace
}  // namespace csc::test

int main(int argc, char** argv) {
  try {
    return csc::test::Main(argc, argv);
  } catch (const csc::Error& error) {
    fmt::print(stderr, "profile: {}\n", error.what());
    return 1;
  }
}
