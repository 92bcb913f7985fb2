// The CUDA runtime as far as cuda_backend.cu needs it, without a GPU, in place of
// NVIDIA's: kernels run from the PTX that nvcc has put into the library (machine.h),
// streams when chance has it (queues.h), and a call that breaks the manual's rules ends
// the process.

#include <cuda_runtime_api.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "tests/solvers/engines/cuda/emulated/device.h"

namespace csc::test {

namespace {

// The engine's is the first. A thread begins with the second, as that of a caller who has
// chosen it for himself: the engine must choose its own and give this one back.
constexpr int kDevices = 2;
thread_local int current_device = 1;

// Every call has the device for itself.
struct Call {
  Call() : device(TheDevice()), lock(device.mutex) {}
  Device* operator->() const { return &device; }

  Device& device;
  std::lock_guard<std::recursive_mutex> lock;
};
// And is for the engine's.
struct DeviceCall : Call {
  DeviceCall() { Rule(current_device == 0, "the calling thread has not chosen the device"); }
};

void RequireChain(const std::vector<std::unique_ptr<Node>>& nodes, const cudaGraphNode_t* before,
                  size_t count) {
  Rule(nodes.empty()
           ? count == 0
           : count == 1 && before[0] == reinterpret_cast<cudaGraphNode_t>(nodes.back().get()),
       "a kernel that does not wait for the one before");
}

}  // namespace

extern "C" {

// ---- what nvcc calls: kernels and their names ----

void** __cudaRegisterFatBinary(void* binary) {
  const Call call;
  call->Load(binary);
  static void* handle = nullptr;
  return &handle;
}
void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void**) {}
void __cudaRegisterFunction(void**, const char* function, char*, const char* name, int, uint3*,
                            uint3*, dim3*, dim3*, int*) {
  const Call call;
  call->functions[function] = name;
}
cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* function) {
  *kernel = static_cast<cudaKernel_t>(const_cast<void*>(function));
  return cudaSuccess;
}
cudaError_t __cudaLaunchKernel(cudaKernel_t, dim3, dim3, void**, size_t, cudaStream_t) {
  ptx::Stop("a launch by <<< >>>");
}
unsigned __cudaPushCallConfiguration(dim3, dim3, size_t, void*) { return 0; }
cudaError_t __cudaPopCallConfiguration(dim3*, dim3*, size_t*, void*) { return cudaSuccess; }

// ---- devices and errors ----

cudaError_t cudaDriverGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceCount(int* count) {
  *count = kDevices;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) {
  *device = current_device;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  Rule(0 <= device && device < kDevices, "there is no such device");
  current_device = device;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {};
  std::strcpy(properties->name, "emulated");
  properties->major = kMajor;
  properties->totalGlobalMem = kMemory;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  switch (attribute) {
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = kMostShared;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMajor:
      *value = kMajor;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMinor:
      *value = 0;
      return cudaSuccess;
    default:
      return cudaErrorInvalidValue;
  }
}
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* function) {
  const DeviceCall call;
  *attributes = {};
  attributes->ptxVersion = 10 * kMajor;
  return call->functions.count(function) == 1 ? cudaSuccess : cudaErrorInvalidDeviceFunction;
}
cudaError_t cudaFuncSetAttribute(const void* function, cudaFuncAttribute attribute, int value) {
  const DeviceCall call;
  Rule(attribute == cudaFuncAttributeMaxDynamicSharedMemorySize, "one attribute is known");
  const ptx::Kernel& kernel = call->kernels.at(call->functions.at(function));
  Rule(value + kernel.shared_bytes <= kMostShared, "more shared memory than there is");
  call->shared[function] = value + kernel.shared_bytes;
  return cudaSuccess;
}
const char* cudaGetErrorName(cudaError_t) { return "an error"; }
const char* cudaGetErrorString(cudaError_t) { return "an error"; }
cudaError_t cudaGetLastError() { return cudaSuccess; }

// ---- memory ----

cudaError_t cudaMalloc(void** memory, size_t bytes) {
  const DeviceCall call;
  if (call->bytes + bytes > kMemory) return cudaErrorMemoryAllocation;
  *memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  call->memory.Add(*memory, bytes, call->counted_stretch > 0);
  call->bytes += bytes;
  return cudaSuccess;
}
cudaError_t cudaFree(void* memory) {
  const Call call;
  call->queues.FinishAll();
  Rule(call->memory.BytesAt(memory) > 0, "memory freed that was not allocated");
  call->bytes -= call->memory.BytesAt(memory);
  call->memory.Remove(memory);
  std::free(memory);
  return cudaSuccess;
}
cudaError_t cudaHostAlloc(void** memory, size_t bytes, unsigned) {
  const DeviceCall call;
  *memory = std::malloc(bytes);
  std::memset(*memory, 0xFF, bytes);
  call->pinned[reinterpret_cast<uintptr_t>(*memory)] = bytes;
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void* memory) {
  const Call call;
  call->queues.FinishAll();
  Rule(call->pinned.erase(reinterpret_cast<uintptr_t>(memory)) == 1, "memory that is not pinned");
  std::free(memory);
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t* available, size_t* total) {
  const DeviceCall call;
  *total = kMemory;
  *available = kMemory - call->bytes;
  return cudaSuccess;
}
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* memory) {
  const Call call;
  *attributes = {};
  attributes->type = call->Holds(memory, 1)      ? cudaMemoryTypeDevice
                     : call->IsPinned(memory, 1) ? cudaMemoryTypeHost
                                                 : cudaMemoryTypeUnregistered;
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  const DeviceCall call;
  Device* const device = &call.device;
  Stream* const in = call->queues.Find(stream);
  const bool pinned = device->IsPinned(kind == cudaMemcpyHostToDevice ? from : to, bytes);
  switch (kind) {
    case cudaMemcpyHostToDevice:
      if (pinned) {
        call->queues.Push(in, {[=] { device->Write(to, from, bytes); }, nullptr, nullptr});
      } else {
        const char* const begin = static_cast<const char*>(from);
        const std::vector<char> staged(begin, begin + bytes);
        call->queues.Push(in, {[=] { device->Write(to, staged.data(), bytes); }, nullptr, nullptr});
      }
      break;
    case cudaMemcpyDeviceToHost: {
      const auto download = [=] {
        device->CheckReadable(from, bytes);
        std::memcpy(to, from, bytes);
      };
      call->queues.Push(in, {download, nullptr, nullptr});
      if (!pinned) call->queues.Finish(in);  // the processor waits
      break;
    }
    case cudaMemcpyDeviceToDevice:
      call->queues.Push(in, {[=] { device->Copy(to, from, bytes); }, nullptr, nullptr});
      break;
    default:
      return cudaErrorInvalidMemcpyDirection;
  }
  return cudaSuccess;
}
cudaError_t cudaMemcpy2DAsync(void* to, size_t to_step, const void* from, size_t from_step,
                              size_t row_bytes, size_t rows, cudaMemcpyKind kind,
                              cudaStream_t stream) {
  const DeviceCall call;
  Rule(kind == cudaMemcpyDeviceToDevice, "on the device");
  Rule(row_bytes <= to_step && row_bytes <= from_step, "rows overlap");
  Device* const device = &call.device;
  call->queues.Push(call->queues.Find(stream),
                    {[=] {
                       for (size_t row = 0; row < rows; ++row) {
                         device->Copy(static_cast<char*>(to) + row * to_step,
                                      static_cast<const char*>(from) + row * from_step, row_bytes);
                       }
                     },
                     nullptr, nullptr});
  return cudaSuccess;
}

// ---- streams and events ----

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  const DeviceCall call;
  *stream = reinterpret_cast<cudaStream_t>(call->queues.Add());
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const Call call;
  call->queues.Remove(call->queues.Find(stream));
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const Call call;
  call->queues.Finish(call->queues.Find(stream));
  return cudaSuccess;
}
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  const DeviceCall call;
  Rule(stream != nullptr, "the default stream cannot be captured");
  Rule(mode == cudaStreamCaptureModeRelaxed, "a library that may load its kernels is captured");
  call->queues.Find(stream)->captured = std::make_shared<Graph>();
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const DeviceCall call;
  const auto captured = std::move(call->queues.FindAny(stream)->captured);
  Rule(captured != nullptr, "the stream is not being captured");
  *graph = reinterpret_cast<cudaGraph_t>(new Graph(std::move(*captured)));
  return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  const DeviceCall call;
  *event = reinterpret_cast<cudaEvent_t>(new EventState);
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const Call call;
  delete reinterpret_cast<EventState*>(event);
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const DeviceCall call;
  Stream* const in = call->queues.Find(stream);
  const auto point = std::make_shared<Point>(Point{in});
  reinterpret_cast<EventState*>(event)->point = point;
  call->queues.Push(in, {nullptr, nullptr, point});
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  const DeviceCall call;
  const auto& point = reinterpret_cast<EventState*>(event)->point;
  // One that was never recorded has happened.
  if (point) call->queues.Push(call->queues.Find(stream), {nullptr, point, nullptr});
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const DeviceCall call;
  const auto point = reinterpret_cast<EventState*>(event)->point;
  if (point) call->queues.Reach(*point);
  return cudaSuccess;
}

// ---- kernels and graphs ----

cudaError_t cudaLaunchKernel(const void* function, dim3 grid, dim3 block, void** arguments,
                             size_t shared_bytes, cudaStream_t stream) {
  const DeviceCall call;
  Device* const device = &call.device;
  const Node node = device->MakeNode(function, grid, block, shared_bytes, arguments);
  call->queues.Push(call->queues.Find(stream), {[=] { device->Run(node); }, nullptr, nullptr});
  return cudaSuccess;
}
cudaError_t cudaGraphCreate(cudaGraph_t* graph, unsigned) {
  *graph = reinterpret_cast<cudaGraph_t>(new Graph);
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete reinterpret_cast<Graph*>(graph);
  return cudaSuccess;
}
cudaError_t cudaGraphAddKernelNode(cudaGraphNode_t* node, cudaGraph_t graph,
                                   const cudaGraphNode_t* before, size_t count,
                                   const cudaKernelNodeParams* parameters) {
  const DeviceCall call;
  auto& nodes = reinterpret_cast<Graph*>(graph)->nodes;
  Rule(before == nullptr && count == 0, "dependencies come after the node");
  nodes.push_back(std::make_unique<Node>(
      call->MakeNode(parameters->func, parameters->gridDim, parameters->blockDim,
                     parameters->sharedMemBytes, parameters->kernelParams)));
  *node = reinterpret_cast<cudaGraphNode_t>(nodes.back().get());
  return cudaSuccess;
}
cudaError_t cudaGraphAddChildGraphNode(cudaGraphNode_t* node, cudaGraph_t graph,
                                       const cudaGraphNode_t* before, size_t count,
                                       cudaGraph_t child) {
  const DeviceCall call;
  auto& nodes = reinterpret_cast<Graph*>(graph)->nodes;
  RequireChain(nodes, before, count);
  for (const auto& copied : reinterpret_cast<Graph*>(child)->nodes) {
    nodes.push_back(std::make_unique<Node>(*copied));
    nodes.back()->ordered = true;
  }
  *node = reinterpret_cast<cudaGraphNode_t>(nodes.back().get());
  return cudaSuccess;
}
cudaError_t cudaGraphAddDependencies(cudaGraph_t graph, const cudaGraphNode_t* from,
                                     const cudaGraphNode_t* to, const cudaGraphEdgeData* edges,
                                     size_t count) {
  const DeviceCall call;
  const auto& nodes = reinterpret_cast<Graph*>(graph)->nodes;
  const auto is = [&](cudaGraphNode_t node, size_t from_last) {
    return nodes.size() > from_last &&
           reinterpret_cast<Node*>(node) == nodes[nodes.size() - 1 - from_last].get();
  };
  Rule(count == 1 && is(*from, 1) && is(*to, 0), "a kernel that does not wait for the one before");
  constexpr cudaGraphEdgeData kEarly = {
      cudaGraphKernelNodePortProgrammatic, 0, cudaGraphDependencyTypeProgrammatic, {}};
  constexpr cudaGraphEdgeData kFull = {};
  Node* const node = nodes.back().get();
  Rule(!node->ordered, "an edge that is there already");
  node->ordered = true;
  node->grid.early = std::memcmp(edges, &kEarly, sizeof(kEarly)) == 0;
  Rule(node->grid.early || std::memcmp(edges, &kFull, sizeof(kFull)) == 0, "no such edge");
  // Everything that can begin early does, unless it is asked not to.
  const bool can = !node->call && !nodes[nodes.size() - 2]->call;
  Rule(can || !node->grid.early, "an early edge that is not between kernels");
  const char* const edges_asked = std::getenv("CSC_CUDA_EDGES");
  const bool full = edges_asked != nullptr && std::string(edges_asked) == "full";
  Rule(!can || node->grid.early != full, "a kernel that begins at the wrong time");
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* run, cudaGraph_t graph, unsigned long long) {
  const DeviceCall call;
  const auto made = std::make_shared<GraphRun>();
  for (const auto& node : reinterpret_cast<Graph*>(graph)->nodes) {
    Rule(node->ordered || made->nodes.empty(), "a kernel that does not wait for the one before");
    made->nodes.push_back(*node);
  }
  call->graphs[made.get()] = made;
  *run = reinterpret_cast<cudaGraphExec_t>(made.get());
  return cudaSuccess;
}
cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t) { return cudaSuccess; }
cudaError_t cudaGraphLaunch(cudaGraphExec_t run, cudaStream_t stream) {
  const DeviceCall call;
  Device* const device = &call.device;
  const std::weak_ptr<GraphRun> graph = call->graphs.at(run);
  call->queues.Push(call->queues.Find(stream), {[=] {
                                                  const auto still_there = graph.lock();
                                                  Rule(still_there != nullptr,
                                                       "a graph destroyed before it ran");
                                                  for (const Node& node : still_there->nodes)
                                                    device->Run(node);
                                                },
                                                nullptr, nullptr});
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t run) {
  const Call call;
  call->graphs.erase(run);
  return cudaSuccess;
}

}  // extern "C"

}  // namespace csc::test
