// Aligned float memory: large buffers in huge pages where the system grants them.
// (Winograd's transforms write 36 streams at once, more than a core keeps
// translations of small pages for.)

#ifndef CSC_SOLVERS_ENGINES_ONEDNN_BUFFER_H_
#define CSC_SOLVERS_ENGINES_ONEDNN_BUFFER_H_

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#include "solvers/memory.h"

namespace csc::onednn {

class Buffer {
 public:
  Buffer() = default;
  // Zeroed. Throws Error where memory cannot hold it, std::bad_alloc where there is none.
  explicit Buffer(int64_t floats) { Grow(floats); }

  // At least this many floats; contents are lost when it grows.
  void Grow(int64_t floats) {
    if (floats <= floats_) return;
    data_.reset();
    floats_ = 0;
    RequireMemory(floats * int64_t{sizeof(float)}, "part of an engine's workspace");
    const size_t wanted = static_cast<size_t>(floats) * sizeof(float);
    const size_t alignment = wanted >= kHugePage / 2 ? kHugePage : kCacheLine;
    const size_t bytes = (wanted + alignment - 1) / alignment * alignment;
    void* memory = std::aligned_alloc(alignment, bytes);
    if (memory == nullptr) throw std::bad_alloc();
#if defined(MADV_HUGEPAGE)
    if (alignment == kHugePage) madvise(memory, bytes, MADV_HUGEPAGE);  // a hint: may fail
#endif
    std::memset(memory, 0, bytes);
    data_.reset(static_cast<float*>(memory));
    floats_ = floats;
  }

  float* data() const { return data_.get(); }
  int64_t bytes() const { return floats_ * int64_t{sizeof(float)}; }

 private:
  static constexpr size_t kCacheLine = 64;
  static constexpr size_t kHugePage = size_t{1} << 21;

  struct Release {
    void operator()(float* p) const { std::free(p); }
  };
  std::unique_ptr<float, Release> data_;
  int64_t floats_ = 0;
};

}  // namespace csc::onednn

#endif  // CSC_SOLVERS_ENGINES_ONEDNN_BUFFER_H_
