// The back-end on a GPU: device 0 of those that CUDA_VISIBLE_DEVICES leaves.

#include <cuda_runtime.h>
#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "solvers/engines/cuda/backend.h"
#include "solvers/engines/cuda/cuda_engine.h"
#include "solvers/error.h"

namespace csc::cuda {

namespace {

constexpr int kDevice = 0;
constexpr int kFlatThreads = 256;
// Left to itself ptxas spills a register or two of some to fit more blocks in.
constexpr int kBlocksAtOnce = 2;

dim3 FlatBlocks(uint32_t size) { return dim3((size + kFlatThreads - 1) / kFlatThreads); }

template <typename K>
__global__ void __launch_bounds__(kFlatThreads, kBlocksAtOnce)
    RunFlat(const K kernel, uint32_t size) {
  const uint32_t index = blockIdx.x * kFlatThreads + threadIdx.x;
  if (index < size) kernel(index);
}

template <typename K, int... kPhases>
__device__ void RunPhases(const K& kernel, typename K::Shared& shared,
                          std::integer_sequence<int, kPhases...>) {
  ((kernel.template Phase<kPhases>(blockIdx.x, threadIdx.x, shared), __syncthreads()), ...);
}

template <typename K>
__global__ void __launch_bounds__(K::kThreads, kBlocksAtOnce) RunBlocks(const K kernel) {
  __shared__ typename K::Shared shared;
  RunPhases(kernel, shared, std::make_integer_sequence<int, K::kPhases>());
}

template <typename K>
__global__ void __launch_bounds__(K::kThreads, K::kBlocksAtOnce) RunTiles(const K kernel) {
  extern __shared__ uint4 shared_memory[];  // of 16 bytes for its alignment
  uint32_t* const shared = reinterpret_cast<uint32_t*>(shared_memory);
  const uint32_t warp = threadIdx.x / kWarpLanes;
  typename K::Registers registers;
  kernel.Begin(blockIdx.x, warp, &registers);
  const uint32_t rounds = kernel.Rounds(blockIdx.x);
  for (uint32_t round = 0; round < rounds; ++round) {
    kernel.Load(blockIdx.x, warp, round, shared);
    __syncthreads();
    kernel.Compute(blockIdx.x, warp, round, shared, &registers);
    __syncthreads();
  }
  kernel.Keep(blockIdx.x, warp, registers, shared);
  __syncthreads();
  kernel.End(blockIdx.x, warp, shared);
}

void Check(cudaError_t error, const char* doing) {
  Require(error == cudaSuccess, "CUDA failed while {}: {} ({})", doing, cudaGetErrorString(error),
          cudaGetErrorName(error));
}

// Makes the engine's device the calling thread's, which may be any, as long as this
// lives: the caller may have chosen another.
class OnDevice {
 public:
  OnDevice() {
    Check(cudaGetDevice(&before_), "asking for the device");
    // Even where it is that one: a thread that never chose may be given any.
    Check(cudaSetDevice(kDevice), "choosing the device");
  }
  ~OnDevice() {
    if (before_ != kDevice) cudaSetDevice(before_);
  }
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;

 private:
  int before_ = kDevice;
};

// A chain of kernels, made node by node: nothing is captured from a stream, so
// that other threads may do what they like meanwhile.
class CudaGraph : public LaunchGraph {
 public:
  // `stream` is where it will run.
  CudaGraph(const std::vector<Launch>& launches, cudaStream_t stream) : stream_(stream) {
    cudaGraph_t graph = nullptr;
    Check(cudaGraphCreate(&graph, 0), "creating a graph");
    const std::unique_ptr<CUgraph_st, cudaError_t (*)(cudaGraph_t)> owner(graph, cudaGraphDestroy);
    for (const Launch& launch : launches) {
      std::visit([&](const auto& kernel) { Add(graph, kernel, launch.size); }, launch.kernel);
    }
    Check(cudaGraphInstantiate(&executable_, graph, 0), "preparing a graph");
    const cudaError_t uploaded = cudaGraphUpload(executable_, stream);
    if (uploaded != cudaSuccess) cudaGraphExecDestroy(executable_);
    Check(uploaded, "uploading a graph");
  }
  ~CudaGraph() override {
    cudaStreamSynchronize(stream_);
    cudaGraphExecDestroy(executable_);
  }

  cudaGraphExec_t get() const { return executable_; }

 private:
  template <typename K>
  void Add(cudaGraph_t graph, const K& kernel, uint32_t size) {
    cudaKernelNodeParams node = {};
    // Copied by cudaGraphAddKernelNode.
    void* arguments[] = {const_cast<K*>(&kernel), &size};
    node.kernelParams = arguments;
    if constexpr (HasTiles<K>::value) {
      node.func = reinterpret_cast<void*>(RunTiles<K>);
      node.gridDim = dim3(size);
      node.blockDim = dim3(K::kThreads);
      node.sharedMemBytes = kernel.SharedBytes();
      // More than 48 KiB must be allowed, once for a function: as much as there is.
      int most = 0;
      Check(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, kDevice),
            "asking for shared memory");
      Check(cudaFuncSetAttribute(RunTiles<K>, cudaFuncAttributeMaxDynamicSharedMemorySize, most),
            "allowing shared memory");
    } else if constexpr (HasPhases<K>::value) {
      node.func = reinterpret_cast<void*>(RunBlocks<K>);
      node.gridDim = dim3(size);
      node.blockDim = dim3(K::kThreads);
    } else {
      node.func = reinterpret_cast<void*>(RunFlat<K>);
      node.gridDim = FlatBlocks(size);
      node.blockDim = dim3(kFlatThreads);
    }
    const cudaGraphNode_t before = last_;
    Check(cudaGraphAddKernelNode(&last_, graph, &before, before != nullptr ? 1 : 0, &node),
          "adding a kernel to a graph");
  }

  const cudaStream_t stream_;
  cudaGraphExec_t executable_ = nullptr;
  cudaGraphNode_t last_ = nullptr;
};

class CudaEvent : public Event {
 public:
  CudaEvent() {
    Check(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "creating an event");
  }
  ~CudaEvent() override { cudaEventDestroy(event_); }

  cudaEvent_t get() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

cudaEvent_t Get(const Event& event) { return static_cast<const CudaEvent&>(event).get(); }

class CudaBackend : public Backend {
 public:
  CudaBackend() {
    const OnDevice on_device;
    for (cudaStream_t* stream : {&stream_, &copies_}) {
      Check(cudaStreamCreateWithFlags(stream, cudaStreamNonBlocking), "creating a stream");
    }
    event_ = std::make_unique<CudaEvent>();
  }
  ~CudaBackend() override {
    // At the end of the process the driver may be gone: nothing to report then.
    WaitForAll();
    cudaStreamDestroy(copies_);
    cudaStreamDestroy(stream_);
  }

  int Capability() override {
    int major = 0, minor = 0;
    Check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, kDevice),
          "asking for the compute capability");
    Check(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, kDevice),
          "asking for the compute capability");
    return 10 * major + minor;
  }
  void* Allocate(int64_t bytes) override {
    const OnDevice on_device;
    void* memory = nullptr;
    const cudaError_t error = cudaMalloc(&memory, bytes);
    if (error != cudaErrorMemoryAllocation) {
      Check(error, "allocating memory");
    } else {
      cudaGetLastError();  // it would show in the next launch
    }
    return memory;
  }
  void Free(void* memory) override {
    WaitForAll();
    cudaFree(memory);
  }
  void* AllocatePinned(int64_t bytes) override {
    const OnDevice on_device;
    void* memory = nullptr;
    const cudaError_t error = cudaHostAlloc(&memory, bytes, cudaHostAllocDefault);
    if (error != cudaErrorMemoryAllocation) {
      Check(error, "allocating pinned memory");
    } else {
      cudaGetLastError();
    }
    return memory;
  }
  void FreePinned(void* memory) override {
    WaitForAll();
    cudaFreeHost(memory);
  }
  int64_t FreeBytes() override {
    const OnDevice on_device;
    size_t available = 0, total = 0;
    Check(cudaMemGetInfo(&available, &total), "asking for free memory");
    return static_cast<int64_t>(available);
  }
  void Upload(void* device, const void* host, int64_t bytes) override {
    const OnDevice on_device;
    Check(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream_),
          "copying to the device");
    // From memory that happens to be pinned the copy may still be running.
    cudaPointerAttributes attributes;
    const cudaError_t known = cudaPointerGetAttributes(&attributes, host);
    if (known != cudaSuccess || attributes.type != cudaMemoryTypeUnregistered) {
      cudaGetLastError();
      Synchronise();
    }
  }
  void UploadPinned(void* device, const void* pinned, int64_t bytes, Queue queue) override {
    const OnDevice on_device;
    Check(cudaMemcpyAsync(device, pinned, bytes, cudaMemcpyHostToDevice, StreamOf(queue)),
          "copying to the device");
  }
  void Download(void* pinned, const void* device, int64_t bytes) override {
    const OnDevice on_device;
    Check(cudaMemcpyAsync(pinned, device, bytes, cudaMemcpyDeviceToHost, stream_),
          "copying from the device");
  }
  void Copy(void* to, const void* from, int64_t bytes) override {
    const OnDevice on_device;
    Check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_),
          "copying on the device");
  }
  void CopyRows(void* to, int64_t to_step, const void* from, int64_t row_bytes,
                int64_t rows) override {
    const OnDevice on_device;
    Check(cudaMemcpy2DAsync(to, to_step, from, row_bytes, row_bytes, rows, cudaMemcpyDeviceToDevice,
                            stream_),
          "copying on the device");
  }
  std::unique_ptr<LaunchGraph> MakeGraph(const std::vector<Launch>& launches) override {
    const OnDevice on_device;
    return std::make_unique<CudaGraph>(launches, stream_);
  }
  void Run(const LaunchGraph& graph) override {
    const OnDevice on_device;
    Check(cudaGraphLaunch(static_cast<const CudaGraph&>(graph).get(), stream_),
          "launching a graph");
  }
  void Convert(const ImagesKernel& kernel, uint32_t pixels) override {
    const OnDevice on_device;
    void* arguments[] = {const_cast<ImagesKernel*>(&kernel), &pixels};
    // Unlike <<< >>> it says itself whether it failed, whatever failed before.
    Check(cudaLaunchKernel(RunFlat<ImagesKernel>, FlatBlocks(pixels), kFlatThreads, arguments, 0,
                           stream_),
          "launching a kernel");
  }
  void Synchronise() override {
    const OnDevice on_device;
    Check(cudaStreamSynchronize(copies_), "copying");
    Check(cudaStreamSynchronize(stream_), "computing");
  }
  std::unique_ptr<Event> MakeEvent() override {
    const OnDevice on_device;
    return std::make_unique<CudaEvent>();
  }
  void Record(Event* event, Queue queue) override {
    const OnDevice on_device;
    Check(cudaEventRecord(Get(*event), StreamOf(queue)), "recording an event");
  }
  void BeginAfterEvent(const Event& event, Queue queue) override {
    const OnDevice on_device;
    Check(cudaStreamWaitEvent(StreamOf(queue), Get(event)), "waiting for an event");
  }
  void Await(const Event& event) override {
    const OnDevice on_device;
    Check(cudaEventSynchronize(Get(event)), "computing");
  }
  void BeginAfter(void* stream) override {
    const OnDevice on_device;
    Order(static_cast<cudaStream_t>(stream), stream_);
  }
  void LetBeginAfter(void* stream) override {
    const OnDevice on_device;
    Order(stream_, static_cast<cudaStream_t>(stream));
  }

 private:
  cudaStream_t StreamOf(Queue queue) const { return queue == Queue::kCopy ? copies_ : stream_; }
  void WaitForAll() const {
    cudaStreamSynchronize(copies_);
    cudaStreamSynchronize(stream_);
  }

  // A wait refers to the event as it was recorded last, so one serves all.
  void Order(cudaStream_t first, cudaStream_t second) {
    Check(cudaEventRecord(event_->get(), first), "recording an event");
    Check(cudaStreamWaitEvent(second, event_->get()), "waiting for an event");
  }

  cudaStream_t stream_ = nullptr;  // of kCompute
  cudaStream_t copies_ = nullptr;  // of kCopy
  std::unique_ptr<CudaEvent> event_;
};

std::string VersionText(int version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

// Whether there is a device that this library can use; `detail` names it, or
// says what is missing.
bool FindDevice(std::string* detail) {
  int runtime = 0, driver = 0, devices = 0;
  cudaRuntimeGetVersion(&runtime);
  if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0) {
    *detail = "no CUDA device: no NVIDIA driver is installed";
    return false;
  }
  cudaError_t error = cudaGetDeviceCount(&devices);
  if (error == cudaErrorInsufficientDriver) {
    *detail = fmt::format("driver too old: it knows CUDA {}, the library was built with {}",
                          VersionText(driver), VersionText(runtime));
    return false;
  }
  cudaDeviceProp properties;
  if (error == cudaSuccess && devices == 0) error = cudaErrorNoDevice;
  if (error == cudaSuccess) error = cudaGetDeviceProperties(&properties, kDevice);
  if (error != cudaSuccess) {
    *detail = fmt::format("no CUDA device: {}", cudaGetErrorString(error));
    return false;
  }
  *detail = fmt::format("{} (compute capability {}.{}, {:.1f} GiB), CUDA {}, driver for {}",
                        properties.name, properties.major, properties.minor,
                        static_cast<double>(properties.totalGlobalMem) / (1 << 30),
                        VersionText(runtime), VersionText(driver));
  // Finds out whether the library holds code for this device.
  const OnDevice on_device;
  cudaFuncAttributes attributes;
  error = cudaFuncGetAttributes(&attributes, RunFlat<FillKernel>);
  if (error != cudaSuccess) {
    *detail = fmt::format("no usable CUDA device: {}: {}", *detail, cudaGetErrorString(error));
    return false;
  }
  return true;
}

}  // namespace

std::unique_ptr<Engine> OpenEngine(std::string* detail) {
  if (!FindDevice(detail)) return nullptr;
  return MakeCudaEngine([] { return std::make_unique<CudaBackend>(); });
}

}  // namespace csc::cuda
