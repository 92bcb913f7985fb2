// A few images, one after the other, all workers on each: the latency mode.
//
// One parallel region covers an image. Each unit is split into parts that the
// workers claim one by one; whoever finds nothing left to claim waits until the
// unit is done, spinning briefly and then yielding, so that a busy machine slows
// it down in proportion and no more. A worker that never comes is not missed:
// the others claim its parts.

#include <thread>

#include "solvers/engines/onednn/executable.h"
#include "solvers/error.h"

namespace csc::onednn {

namespace {

constexpr int kSpins = 2000;  // some microseconds, the length of a short unit

void Pause(int spins) {
  if (spins >= kSpins) return std::this_thread::yield();
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

void OneDnnExecutable::RunTogether(const RunArguments& arguments, Executor* executor) {
  for (int64_t image = 0; image < arguments.batch; ++image) {
    for (Progress& progress : progress_) {
      progress.claimed.store(0);
      progress.done.store(0);
    }
    failed_.store(false);
    executor->ParallelFor(executor->num_workers(), [&](int64_t, int worker) {
      Tile tile{};
      tile.index = image;
      tile.first_image = image;
      tile.images = 1;
      tile.set = FindTileSet(1, kTogetherParts);
      tile.arena = workers_[0].arena.data();
      tile.worker = &workers_[worker];
      tile.arguments = &arguments;
      try {
        Participate(tile);
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

void OneDnnExecutable::Participate(const Tile& tile) {
  OneOmpThread one_thread;
  const Stage& stage = plan_.stages[0];
  // Step 0 loads, the last one stores, units lie between.
  const int steps = static_cast<int>(stage.units.size()) + 2;
  for (int step = 0; step < steps; ++step) {
    const bool is_unit = step > 0 && step + 1 < steps;
    const int parts = is_unit ? PartsOf(stage.units[step - 1], *tile.set) : 1;
    Progress& progress = progress_[step];
    for (int part; (part = progress.claimed.fetch_add(1)) < parts;) {
      if (is_unit) {
        RunUnit(stage.units[step - 1], tile, part, parts);
      } else if (step == 0) {
        Load(stage, tile);
      } else {
        Store(stage, tile);
      }
      progress.done.fetch_add(1);
    }
    for (int spins = 0; progress.done.load() < parts; ++spins) {
      if (failed_.load()) return;
      Pause(spins);
    }
  }
}

}  // namespace csc::onednn
