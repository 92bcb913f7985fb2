#include "tests/solvers/engines/cuda/host_backend.h"

#include <cstdlib>
#include <cstring>
#include <utility>
#include <variant>
#include <vector>

#include "solvers/engines/cuda/cuda_engine.h"
#include "solvers/error.h"

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

class HostBackend : public cuda::Backend {
 public:
  ~HostBackend() override {
    if (allocations_ != 0) std::abort();  // a leak, or a buffer freed twice
  }

  void* Allocate(int64_t bytes) override {
    Require(bytes > 0, "{} bytes asked of the device", bytes);
    ++allocations_;
    void* memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
    Require(memory != nullptr, "no {} bytes of memory", bytes);
    std::memset(memory, kNotANumber, bytes);
    return memory;
  }
  void Free(void* memory) override {
    --allocations_;
    std::free(memory);
  }
  void Upload(void* device, const void* host, int64_t bytes) override {
    std::memcpy(device, host, bytes);
  }
  void Download(void* host, const void* device, int64_t bytes) override {
    const char* from = static_cast<const char*>(device);
    pending_.push_back({host, {from, from + bytes}});
  }
  void Copy(void* to, const void* from, int64_t bytes) override { std::memcpy(to, from, bytes); }
  void CopyRows(void* to, int64_t to_step, const void* from, int64_t row_bytes,
                int64_t rows) override {
    for (int64_t row = 0; row < rows; ++row) {
      std::memcpy(static_cast<char*>(to) + row * to_step,
                  static_cast<const char*>(from) + row * row_bytes, row_bytes);
    }
  }
  // Work is done as soon as it is queued, in one order for all streams.
  void BeginAfter(void*) override {}
  void LetBeginAfter(void*) override {}
  void Synchronise() override {
    for (const auto& [host, data] : pending_) std::memcpy(host, data.data(), data.size());
    pending_.clear();
  }
  void Run(const cuda::Launch& launch) override {
    downwards_ = !downwards_;
    std::visit([&](const auto& kernel) { Start(kernel, launch.size); }, launch.kernel);
  }

 private:
  template <typename K>
  void Start(const K& kernel, uint32_t size) const {
    for (uint32_t i = 0; i < size; ++i) {
      const uint32_t index = downwards_ ? size - 1 - i : i;
      if constexpr (cuda::HasPhases<K>::value) {
        auto shared = std::make_unique<typename K::Shared>();
        std::memset(static_cast<void*>(shared.get()), kNotANumber, sizeof(*shared));
        RunBlock(kernel, index, downwards_, shared.get(),
                 std::make_integer_sequence<int, K::kPhases>());
      } else {
        kernel(index);
      }
    }
  }

  bool downwards_ = false;
  int allocations_ = 0;
  std::vector<std::pair<void*, std::vector<char>>> pending_;
};

}  // namespace

std::unique_ptr<cuda::Backend> MakeHostBackend() { return std::make_unique<HostBackend>(); }

cuda::Tuning SmallTuning() {
  cuda::Tuning tuning;
  tuning.wide_threads = 64;
  tuning.sum_range = 37;
  tuning.gradient_blocks = 64;
  tuning.gradient_range = 29;
  return tuning;
}

std::unique_ptr<Engine> MakeHostCudaEngine(const cuda::Tuning& tuning) {
  return cuda::MakeCudaEngine(MakeHostBackend, tuning);
}

}  // namespace csc::test
