#include "samples/benchmark/neighbours.h"

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <string>
#include <thread>

#include "solvers/error.h"

namespace csc {

namespace {

// About 0.2 ms, as a layer of a small network takes.
constexpr int kSteps = 40000;

}  // namespace

Neighbours::Neighbours(int count, int threads) {
  for (int i = 0; i < count; ++i) {
    processes_.push_back(std::make_unique<Subprocess>(
        std::vector<std::string>{"/proc/self/exe", kNeighbourOption, std::to_string(threads)},
        std::map<std::string, std::optional<std::string>>{}));
  }
  for (const auto& process : processes_) {
    Require(process->ReadLine() == std::optional<std::string>("busy"), "a neighbour did not start");
  }
}

void BeANeighbour(int threads) {
  std::atomic<bool> stop{false};
  std::atomic<int64_t> arrived{0};
  std::vector<std::thread> team;
  for (int t = 0; t < threads; ++t) {
    team.emplace_back([&] {
      for (int64_t region = 1; !stop; ++region) {
        volatile float value = 1;
        for (int i = 0; i < kSteps; ++i) value = value * 0.999f + 0.001f;
        ++arrived;
        while (arrived < region * threads && !stop) {
        }
      }
    });
  }
  std::puts("busy");
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  stop = true;
  for (std::thread& member : team) member.join();
}

}  // namespace csc
