// Cache-line aligned float memory.

#ifndef CSC_SOLVERS_ENGINES_ONEDNN_BUFFER_H_
#define CSC_SOLVERS_ENGINES_ONEDNN_BUFFER_H_

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
    const size_t bytes = (static_cast<size_t>(floats) * sizeof(float) + 63) / 64 * 64;
    void* memory = std::aligned_alloc(64, bytes);
    if (memory == nullptr) throw std::bad_alloc();
    std::memset(memory, 0, bytes);
    data_.reset(static_cast<float*>(memory));
    floats_ = floats;
  }

  float* data() const { return data_.get(); }
  int64_t bytes() const { return floats_ * int64_t{sizeof(float)}; }

 private:
  struct Release {
    void operator()(float* p) const { std::free(p); }
  };
  std::unique_ptr<float, Release> data_;
  int64_t floats_ = 0;
};

}  // namespace csc::onednn

#endif  // CSC_SOLVERS_ENGINES_ONEDNN_BUFFER_H_
