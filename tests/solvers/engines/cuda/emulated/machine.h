// Runs kernels of PTX on the host, thread by thread, and stops at whatever the
// manuals forbid: reads and writes out of bounds, at addresses that are no multiple
// of their size or of what nobody wrote; two threads at one address without a
// barrier between them, one of them writing something else; products of a warp in code
// where its lanes have parted; threads that leave before a barrier; kernels that begin
// early and touch memory before they have waited. Blocks, warps and lanes run in an order
// left to chance.

#ifndef CSC_TESTS_SOLVERS_ENGINES_CUDA_EMULATED_MACHINE_H_
#define CSC_TESTS_SOLVERS_ENGINES_CUDA_EMULATED_MACHINE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/solvers/engines/cuda/emulated/counts.h"
#include "tests/solvers/engines/cuda/emulated/ptx.h"

namespace csc::test::ptx {

// Who has touched a word since the last time that all had waited for one another
// (`epoch`), by the number of the thread.
struct Accesses {
  static constexpr uint32_t kSeveral = ~uint32_t{0};

  uint32_t write_epoch = 0, read_epoch = 0;
  uint32_t writer = 0, reader = 0;

  // Empty, or what is wrong.
  const char* Read(uint32_t epoch, uint32_t thread);
  // `same`: what is there already is written again.
  const char* Write(uint32_t epoch, uint32_t thread, bool same);
};

// All allocations of the device.
class DeviceMemory {
 public:
  struct Block {
    char* data;
    size_t bytes;
    std::vector<bool> written;     // by words
    std::vector<Accesses> access;  // likewise; within one launch
  };

  // Leaves what is there as it is where it counts as written.
  void Add(void* data, size_t bytes, bool written = false);
  void Remove(void* data);
  // Null where these bytes are not within one allocation.
  Block* Find(const void* data, size_t bytes);
  // 0 for what is no beginning of one.
  size_t BytesAt(const void* data) const;
  // Another's writes: copies.
  void MarkWritten(const void* data, size_t bytes);
  bool IsWritten(const void* data, size_t bytes);

 private:
  std::map<uintptr_t, std::unique_ptr<Block>> blocks_;
  Block* latest_ = nullptr;
};

struct Grid {
  uint32_t blocks = 0;
  uint32_t threads = 0;
  uint32_t shared_bytes = 0;
  // Begins while the launch before still runs, and those before that one if it does not
  // wait for them. So each thread must wait, and before that touch no memory but its own:
  // then it does not matter when it began, and the launches may run one by one here.
  bool early = false;
};

// `parameters`: as the kernel declares them.
void Run(const Kernel& kernel, const Grid& grid, const std::vector<char>& parameters,
         DeviceMemory* memory);

// Runs two stretches of so many neighbouring blocks, or all where there are no more. As
// other blocks are left out, global memory holds anything: it is not checked who wrote it.
Counts CountSome(const Kernel& kernel, const Grid& grid, const std::vector<char>& parameters,
                 uint32_t stretch, DeviceMemory* memory);

}  // namespace csc::test::ptx

#endif  // CSC_TESTS_SOLVERS_ENGINES_CUDA_EMULATED_MACHINE_H_
