#include "tests/solvers/engines/cuda/emulated/device.h"

#include <cstring>

namespace csc::test {

void Rule(bool kept, const char* rule) {
  if (!kept) ptx::Stop(std::string("a rule was broken: ") + rule);
}

Device& TheDevice() {
  static auto* const device = new Device;
  return *device;
}

bool Device::IsPinned(const void* begin, size_t size) const {
  const auto address = reinterpret_cast<uintptr_t>(begin);
  auto next = pinned.upper_bound(address);
  if (next == pinned.begin()) return false;
  --next;
  return address + size <= next->first + next->second;
}

void Device::Write(void* to, const void* from, size_t size) {
  Rule(Holds(to, size), "a copy to what is not on the device");
  std::memcpy(to, from, size);
  memory.MarkWritten(to, size);
}

void Device::CheckReadable(const void* from, size_t size) {
  Rule(Holds(from, size), "a copy of what is not on the device");
  Rule(counted_stretch > 0 || memory.IsWritten(from, size), "a copy of nothing");
}

void Device::Copy(void* to, const void* from, size_t size) {
  CheckReadable(from, size);
  Write(to, from, size);
}

void Device::Load(const void* wrapper) {
  // As nvcc's own crt/host_runtime.h and fatbinary_section.h have it.
  struct Wrapper {
    int magic, version;
    const char* data;
  };
  struct Header {
    uint32_t magic;
    uint16_t version, bytes;
    uint64_t rest;
  };
  const char* const data = static_cast<const Wrapper*>(wrapper)->data;
  Header header;
  std::memcpy(&header, data, sizeof(header));
  const std::string all(data + header.bytes, header.rest);
  const size_t begin = all.find(".version ");
  Rule(begin != std::string::npos, "a library without PTX that can be read");
  for (auto& [name, kernel] : ptx::Parse(all.substr(begin, all.find('\0', begin) - begin))) {
    kernels[name] = kernel;
  }
}

Node Device::MakeNode(const void* function, dim3 grid, dim3 block, size_t shared_bytes,
                      void** arguments) const {
  const auto name = functions.find(function);
  Rule(name != functions.end(), "the function is no kernel");
  const auto kernel = kernels.find(name->second);
  Rule(kernel != kernels.end(), "the kernel has no PTX");
  const ptx::Kernel& k = kernel->second;
  Rule(grid.x >= 1 && grid.x <= 0x7FFFFFFF && grid.y == 1 && grid.z == 1, "grids");
  Rule(block.x >= 1 && static_cast<int>(block.x) <= k.most_threads && block.y == 1 && block.z == 1,
       "threads of a block");
  const auto allowed = shared.find(function);
  Rule(k.shared_bytes + static_cast<int>(shared_bytes) <=
           (allowed == shared.end() ? kSharedByDefault : allowed->second),
       "more shared memory than is allowed to the function");
  Node node = {&k, {grid.x, block.x, static_cast<uint32_t>(shared_bytes)}, {}, {}};
  node.parameters.resize(k.parameter_bytes);
  for (size_t p = 0; p < k.parameters.size(); ++p) {
    std::memcpy(&node.parameters[k.parameters[p].offset], arguments[p], k.parameters[p].bytes);
  }
  return node;
}

void Device::Run(const Node& node) {
  if (node.call) return node.call();
  if (counted_stretch == 0) return ptx::Run(*node.kernel, node.grid, node.parameters, &memory);
  counted.push_back(
      {node, ptx::CountSome(*node.kernel, node.grid, node.parameters, counted_stretch, &memory)});
}

}  // namespace csc::test
