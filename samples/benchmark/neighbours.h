// Busy neighbours: other programs that want every core of the machine.

#ifndef CSC_SAMPLES_BENCHMARK_NEIGHBOURS_H_
#define CSC_SAMPLES_BENCHMARK_NEIGHBOURS_H_

#include <memory>
#include <vector>

#include "samples/benchmark/subprocess.h"

namespace csc {

// The hidden option that makes this program a neighbour, with the number of its
// threads.
inline constexpr char kNeighbourOption[] = "--be-a-neighbour";

// `count` processes of `threads` threads that do what an OpenMP program with
// active waiting does, until the object goes: short pieces of arithmetic, and
// between them barriers at which every thread spins.
class Neighbours {
 public:
  Neighbours(int count, int threads);

 private:
  std::vector<std::unique_ptr<Subprocess>> processes_;
};

// What such a process does; returns when its stdin is closed.
void BeANeighbour(int threads);

}  // namespace csc

#endif  // CSC_SAMPLES_BENCHMARK_NEIGHBOURS_H_
