#include "tests/solvers/engines/cuda/host_backend.h"

#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "solvers/engines/cuda/cuda_engine.h"
#include "solvers/error.h"
#include "tests/solvers/engines/cuda/cudnn_loops.h"
#include "tests/solvers/engines/cuda/host_queues.h"

namespace csc::test {

namespace {

constexpr int kNotANumber = 0xFF;  // in every byte, of floats and doubles alike

template <typename K, int... kPhases>
void RunBlock(const K& kernel, uint32_t block, bool downwards, typename K::Shared* shared,
              std::integer_sequence<int, kPhases...>) {
  const auto all_threads = [&](const auto& phase) {
    for (uint32_t t = 0; t < K::kThreads; ++t) phase(downwards ? K::kThreads - 1 - t : t);
  };
  (all_threads([&](uint32_t thread) { kernel.template Phase<kPhases>(block, thread, *shared); }),
   ...);
}

template <typename K>
void RunTile(const K& kernel, uint32_t block, bool downwards) {
  std::vector<typename K::Registers> registers(K::kWarps);
  std::memset(static_cast<void*>(registers.data()), kNotANumber,
              sizeof(registers[0]) * registers.size());
  const auto all_warps = [&](const auto& body) {
    for (uint32_t w = 0; w < K::kWarps; ++w) body(downwards ? K::kWarps - 1 - w : w);
  };
  all_warps([&](uint32_t warp) { kernel.Begin(block, warp, &registers[warp]); });
  // No round may read what another has left.
  std::vector<uint32_t> shared;
  const auto forget = [&] { shared.assign(kernel.SharedBytes() / sizeof(uint32_t), ~uint32_t{0}); };
  for (uint32_t round = 0; round < kernel.Rounds(block); ++round) {
    forget();
    all_warps([&](uint32_t warp) { kernel.Load(block, warp, round, shared.data()); });
    all_warps([&](uint32_t warp) {
      kernel.Compute(block, warp, round, shared.data(), &registers[warp]);
    });
  }
  forget();
  all_warps([&](uint32_t warp) { kernel.Keep(block, warp, registers[warp], shared.data()); });
  all_warps([&](uint32_t warp) { kernel.End(block, warp, shared.data()); });
}

using Launches = std::vector<cuda::Launch>;

struct HostGraph : cuda::LaunchGraph {
  HostGraph(const Launches& list, HostQueues* all)
      : launches(std::make_shared<const Launches>(list)), queues(all) {}
  ~HostGraph() override { queues->ReachAll(); }

  const std::shared_ptr<const Launches> launches;
  HostQueues* const queues;
};

struct HostEvent : cuda::Event {
  std::optional<HostQueues::Point> point;
};

// Knows every algorithm but the one that is asked for first, and wants a workspace for each.
class HostCudnn : public cuda::Cudnn {
 public:
  std::string version() const override { return "9.0.0"; }
  int64_t WorkspaceBytes(const cuda::CudnnConvolution& call) override {
    if (call.op == Opcode::kAnalysis && call.algorithm != 0) return -1;
    return 4 * call.batch + 1;
  }
  static void Run(const cuda::CudnnConvolution& call) {
    Require(static_cast<int64_t>(call.workspace_bytes) == HostCudnn().WorkspaceBytes(call) &&
                reinterpret_cast<uintptr_t>(call.workspace) % 256 == 0,
            "a workspace of {} bytes at {}", call.workspace_bytes, call.workspace);
    std::memset(call.workspace, kNotANumber, call.workspace_bytes);
    RunCudnnLoops(call);
  }
};

class HostBackend : public cuda::Backend {
 public:
  explicit HostBackend(HostDevice* device) : device_(device) {}
  ~HostBackend() override {
    if (!sizes_.empty() || !pinned_.empty()) std::abort();  // a leak
  }

  int Capability() override { return device_->capability; }
  cuda::Cudnn* OpenCudnn(std::string* why_not) override {
    if (device_->has_cudnn) return &cudnn_;
    *why_not = "hidden by the test";
    return nullptr;
  }
  void* Allocate(int64_t bytes) override {
    Require(bytes > 0, "{} bytes asked of the device", bytes);
    if (bytes > device_->free_bytes) return nullptr;
    void* memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
    Require(memory != nullptr, "no {} bytes of memory", bytes);
    std::memset(memory, kNotANumber, bytes);
    device_->free_bytes -= bytes;
    ++device_->allocations;
    sizes_[memory] = bytes;
    return memory;
  }
  void Free(void* memory) override {
    queues_.ReachAll();
    const auto entry = sizes_.find(memory);
    if (entry == sizes_.end()) std::abort();  // freed twice
    device_->free_bytes += entry->second;
    sizes_.erase(entry);
    std::free(memory);
  }
  // Pinned memory is known by its address: nothing else may take its place.
  void* AllocatePinned(int64_t bytes) override {
    Require(bytes > 0, "{} bytes of pinned memory asked for", bytes);
    void* memory = std::malloc(bytes);
    std::memset(memory, kNotANumber, bytes);
    ++device_->allocations;
    pinned_[memory] = bytes;
    return memory;
  }
  void FreePinned(void* memory) override {
    Synchronise();
    if (pinned_.erase(memory) != 1) std::abort();  // freed twice
    std::free(memory);
  }
  int64_t FreeBytes() override { return device_->free_bytes; }
  void Upload(void* device, const void* host, int64_t bytes) override {
    const char* from = static_cast<const char*>(host);
    Compute([device, data = std::vector<char>(from, from + bytes)] {
      std::memcpy(device, data.data(), data.size());
    });
  }
  void UploadPinned(void* device, const void* pinned, int64_t bytes, cuda::Queue queue) override {
    RequirePinned(pinned, bytes);
    ++device_->uploads;
    queues_.Add(queue, [=] { std::memcpy(device, pinned, bytes); });
  }
  // What arrives is not to be seen before it is waited for.
  void Download(void* pinned, const void* device, int64_t bytes) override {
    RequirePinned(pinned, bytes);
    ++device_->downloads;
    const int64_t task = queues_.Now(cuda::Queue::kCompute).tasks;
    Compute([=] {
      const char* from = static_cast<const char*>(device);
      arrived_.push_back({task, pinned, {from, from + bytes}});
    });
  }
  void Copy(void* to, const void* from, int64_t bytes) override {
    Compute([=] { std::memcpy(to, from, bytes); });
  }
  void CopyRows(void* to, int64_t to_step, const void* from, int64_t row_bytes,
                int64_t rows) override {
    Compute([=] {
      for (int64_t row = 0; row < rows; ++row) {
        std::memcpy(static_cast<char*>(to) + row * to_step,
                    static_cast<const char*>(from) + row * row_bytes, row_bytes);
      }
    });
  }
  // The caller's stream is the caller itself.
  void BeginAfter(void*) override {}
  void LetBeginAfter(void*) override { queues_.ReachAll(); }
  void Synchronise() override {
    queues_.ReachAll();
    ShowArrived(queues_.Now(cuda::Queue::kCompute).tasks);
  }
  std::unique_ptr<cuda::Event> MakeEvent() override { return std::make_unique<HostEvent>(); }
  void Record(cuda::Event* event, cuda::Queue queue) override {
    static_cast<HostEvent*>(event)->point = queues_.Now(queue);
  }
  void BeginAfterEvent(const cuda::Event& event, cuda::Queue queue) override {
    const auto& point = static_cast<const HostEvent&>(event).point;
    if (point) queues_.BeginAfter(*point, queue);
  }
  void Await(const cuda::Event& event) override {
    const auto& point = static_cast<const HostEvent&>(event).point;
    if (!point) return;
    queues_.Reach(*point);
    if (point->queue == cuda::Queue::kCompute) ShowArrived(point->tasks);
  }
  std::unique_ptr<cuda::LaunchGraph> MakeGraph(const Launches& launches) override {
    ++device_->graphs;
    return std::make_unique<HostGraph>(launches, &queues_);
  }
  void Run(const cuda::LaunchGraph& graph) override {
    ++device_->runs;
    Compute([this, launches = static_cast<const HostGraph&>(graph).launches] {
      for (const cuda::Launch& launch : *launches) {
        downwards_ = !downwards_;
        std::visit([&](const auto& kernel) { Start(kernel, launch.size); }, launch.kernel);
      }
    });
  }
  void Convert(const cuda::ImagesKernel& kernel, uint32_t pixels) override {
    StartLater(kernel, pixels);
  }
  void Convert(const cuda::CropsKernel& kernel, uint32_t values) override {
    StartLater(kernel, values);
  }

 private:
  void Compute(std::function<void()> task) { queues_.Add(cuda::Queue::kCompute, std::move(task)); }
  template <typename K>
  void StartLater(const K& kernel, uint32_t size) {
    Compute([=] {
      downwards_ = !downwards_;
      Start(kernel, size);
    });
  }
  // What was asked for before this task.
  void ShowArrived(int64_t before) {
    while (!arrived_.empty() && arrived_.front().task < before) {
      const Arrival& arrival = arrived_.front();
      std::memcpy(arrival.pinned, arrival.data.data(), arrival.data.size());
      arrived_.pop_front();
    }
  }
  void RequirePinned(const void* memory, int64_t bytes) const {
    const char* begin = static_cast<const char*>(memory);
    for (const auto& [address, size] : pinned_) {
      const char* pinned = static_cast<const char*>(address);
      if (pinned <= begin && begin + bytes <= pinned + size) return;
    }
    Fail("{} bytes of memory that is not pinned", bytes);
  }

  template <typename K>
  void Start(const K& kernel, uint32_t size) const {
    if constexpr (std::is_same_v<K, cuda::CudnnConvolution>) {
      HostCudnn::Run(kernel);
    } else {
      StartKernel(kernel, size);
    }
  }
  template <typename K>
  void StartKernel(const K& kernel, uint32_t size) const {
    for (uint32_t i = 0; i < size; ++i) {
      const uint32_t index = downwards_ ? size - 1 - i : i;
      if constexpr (cuda::HasTiles<K>::value) {
        RunTile(kernel, index, downwards_);
      } else if constexpr (cuda::HasPhases<K>::value) {
        auto shared = std::make_unique<typename K::Shared>();
        std::memset(static_cast<void*>(shared.get()), kNotANumber, sizeof(*shared));
        RunBlock(kernel, index, downwards_, shared.get(),
                 std::make_integer_sequence<int, K::kPhases>());
      } else {
        kernel(index);
      }
    }
  }

  HostDevice* const device_;
  HostQueues queues_;
  HostCudnn cudnn_;
  bool downwards_ = false;
  std::map<void*, int64_t> sizes_;
  std::map<void*, int64_t> pinned_;
  struct Arrival {
    int64_t task;
    void* pinned;
    std::vector<char> data;
  };
  std::deque<Arrival> arrived_;
};

}  // namespace

std::unique_ptr<cuda::Backend> MakeHostBackend() {
  static HostDevice device;
  return MakeHostBackend(&device);
}

std::unique_ptr<cuda::Backend> MakeHostBackend(HostDevice* device) {
  return std::make_unique<HostBackend>(device);
}

cuda::Tuning SmallTuning() {
  cuda::Tuning tuning;
  tuning.wide_threads = 64;
  tuning.sum_range = 37;
  tuning.gradient_blocks = 64;
  tuning.gradient_range = 29;
  tuning.tensor_blocks = 0;
  tuning.split_threads = 0.004;  // some 540
  tuning.split_products = 4;
  tuning.cudnn_products = 0;
  return tuning;
}

std::unique_ptr<Engine> MakeHostCudaEngine(const cuda::Tuning& tuning) {
  static HostDevice device;
  return MakeHostCudaEngine(tuning, &device);
}

std::unique_ptr<Engine> MakeHostCudaEngine(const cuda::Tuning& tuning, HostDevice* device) {
  return cuda::MakeCudaEngine([device] { return MakeHostBackend(device); }, tuning);
}

}  // namespace csc::test
