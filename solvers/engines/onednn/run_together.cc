// A few images, one after the other, all workers on each: the latency mode.
//
// One parallel region covers an image. Each unit, and what is loaded and stored around
// them, is split into parts that the
// workers claim one by one; whoever finds nothing left to claim waits until the
// unit is done, spinning briefly and then sleeping. Beside busy programs, a worker
// that waits for one whose turn it is not keeps its own turn by sleeping; spinning
// and yielding spend it. A worker that never comes is not missed: the others claim
// its parts.

#include <algorithm>
#include <chrono>
#include <thread>

#include "solvers/engines/onednn/executable.h"
#include "solvers/error.h"

namespace csc::onednn {

namespace {

constexpr int kMostParts = 64;                  // of a unit
constexpr int kSpins = 2000;                    // some 100 microseconds, the length of a unit
constexpr std::chrono::microseconds kSleep{1};  // the system makes it some 50

void Pause(int spins) {
  if (spins >= kSpins) return std::this_thread::sleep_for(kSleep);
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

void OneDnnExecutable::RunTogether(const RunArguments& arguments, Executor* executor) {
  const int workers = std::min(executor->num_workers(), kMostParts);
  for (int64_t image = 0; image < arguments.batch; ++image) {
    for (Progress& progress : progress_) {
      progress.claimed.store(0);
      progress.done.store(0);
    }
    failed_.store(false);
    executor->ParallelFor(workers, [&](int64_t, int worker) {
      Tile tile{};
      tile.index = image;
      tile.first_image = image;
      tile.tile_images = tile.group_images = tile.images = 1;
      tile.set = FindTileSet(1, kTogetherParts);
      tile.arena = workers_[0].arena.data();
      tile.worker = &workers_[worker];
      tile.arguments = &arguments;
      try {
        OneOmpThread one_thread;
        Progress* progress = progress_.data();
        for (const Group& group : plan_.stages[0].groups) {
          Participate(group, progress, tile, worker, workers);
          progress += group.units.size() + 2;
        }
      } catch (const dnnl::error& error) {
        failed_.store(true);
        Fail("oneDNN failed: {}", error.what());
      } catch (...) {
        failed_.store(true);
        throw;
      }
    });
  }
}

void OneDnnExecutable::Participate(const Group& group, Progress* progress, const Tile& tile,
                                   int worker, int workers) {
  // Step 0 loads, the last one stores, units lie between.
  const int steps = static_cast<int>(group.units.size()) + 2;
  for (int step = 0; step < steps; ++step, ++progress) {
    const bool loads = step == 0;
    const bool stores = step + 1 == steps;
    const int parts = loads    ? (group.loads.empty() ? 0 : workers)
                      : stores ? (group.stores.empty() ? 0 : workers)
                               : PartsOf(group.units[step - 1], *tile.set, workers);
    tile.worker->stopwatch.Restart();
    // Its own part first, whose values and filters its caches may hold.
    for (int k = 0; k < parts; ++k) {
      const int part = (worker * parts / workers + k) % parts;
      const uint64_t bit = uint64_t{1} << part;
      if (progress->claimed.fetch_or(bit) & bit) continue;
      if (loads) {
        Load(group, tile, part, parts);
      } else if (stores) {
        Store(group, tile, part, parts);
      } else {
        RunUnit(group.units[step - 1], tile, part, parts);
      }
      progress->done.fetch_add(1);
    }
    for (int spins = 0; progress->done.load() < parts; ++spins) {
      if (failed_.load()) return;
      Pause(spins);
    }
  }
}

}  // namespace csc::onednn
