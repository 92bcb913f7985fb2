// The state of the CUDA runtime without a GPU, and its rules.

#ifndef CSC_TESTS_SOLVERS_ENGINES_CUDA_EMULATED_DEVICE_H_
#define CSC_TESTS_SOLVERS_ENGINES_CUDA_EMULATED_DEVICE_H_

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tests/solvers/engines/cuda/emulated/machine.h"
#include "tests/solvers/engines/cuda/emulated/ptx.h"
#include "tests/solvers/engines/cuda/emulated/queues.h"

namespace csc::test {

// Those of an H200.
inline constexpr int kMajor = 9;
inline constexpr int kMostShared = 227 << 10;
inline constexpr int kSharedByDefault = 48 << 10;
inline constexpr size_t kMemory = size_t{141} << 30;

// Ends the process where a rule is not kept.
void Rule(bool kept, const char* rule);

struct Node {
  const ptx::Kernel* kernel;
  ptx::Grid grid;
  std::vector<char> parameters;
  std::function<void()> call;  // of another library, in place of a kernel
  bool ordered = false;  // after the one before
};

// Nodes in the order in which they were added, each of which waits for the one before.
struct Graph {
  std::vector<std::unique_ptr<Node>> nodes;
};

struct GraphRun {
  std::vector<Node> nodes;
};

// A launch of which some blocks were run, and what they did.
struct Counted {
  Node node;
  ptx::Counts counts;
};

struct Device {
  bool IsPinned(const void* begin, size_t size) const;
  bool Holds(const void* begin, size_t size) { return memory.Find(begin, size) != nullptr; }
  // Puts bytes onto the device.
  void Write(void* to, const void* from, size_t size);
  // Of bytes to be copied from the device: they are there and somebody wrote them.
  void CheckReadable(const void* from, size_t size);
  // From the device to itself.
  void Copy(void* to, const void* from, size_t size);

  // Reads the kernels of a fat binary's PTX, which must not be compressed.
  void Load(const void* wrapper);
  Node MakeNode(const void* function, dim3 grid, dim3 block, size_t shared_bytes,
                void** arguments) const;
  void Run(const Node& node);

  std::recursive_mutex mutex;
  std::map<std::string, ptx::Kernel> kernels;
  std::map<const void*, std::string> functions;  // the host's, and the kernel of each
  std::map<const void*, int> shared;             // allowed to a function
  ptx::DeviceMemory memory;
  size_t bytes = 0;
  std::map<uintptr_t, size_t> pinned;
  std::map<const void*, std::shared_ptr<GraphRun>> graphs;
  Queues queues;
  // Blocks of a stretch where launches are counted (machine.h), before any memory is
  // allocated, whose content is then anything; 0: all blocks are run.
  uint32_t counted_stretch = 0;
  std::vector<Counted> counted;
};

// Lives as long as whoever calls at the end.
Device& TheDevice();

}  // namespace csc::test

#endif  // CSC_TESTS_SOLVERS_ENGINES_CUDA_EMULATED_DEVICE_H_
