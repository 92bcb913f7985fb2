// The back-end on a GPU: device 0 of those that CUDA_VISIBLE_DEVICES leaves.

#include <cuda_runtime.h>
#include <fmt/format.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "solvers/engines/cuda/backend.h"
#include "solvers/engines/cuda/cuda_cudnn.h"
#include "solvers/engines/cuda/cuda_device.h"
#include "solvers/engines/cuda/cuda_engine.h"
#include "solvers/error.h"

namespace csc::cuda {

namespace {

constexpr int kFlatThreads = 256;
// Left to itself ptxas spills a register or two of some to fit more blocks in.
constexpr int kBlocksAtOnce = 2;

dim3 FlatBlocks(uint32_t size) { return dim3((size + kFlatThreads - 1) / kFlatThreads); }

// Kernels of a graph follow one another by programmatic dependent launch where they are
// compiled for compute capability 9.0 or newer: the next is scheduled as soon as every block
// of the one before has said that it may or has ended, so that its launch, its blocks' start
// and its first index arithmetic cost no time of their own. CUDA's rules, and how they are
// kept:
//
// - What the kernel before writes is there once the wait returns and not sooner, whatever
//   the kernel before has said: every thread of every kernel waits before it touches
//   memory. Kernels' arguments are no such memory.
// - The wait is for the kernel before alone. As that one's threads have waited too, all
//   before it have ended.
// - Neither call does anything in a kernel that was launched in another way. Only edges
//   between two kernels may be programmatic.
// - Memory is not read-only for as long as a kernel runs then: see Read().
//
// The next may be scheduled at once: by then all blocks of this kernel have begun, so its
// blocks take what is left, and it holds the one after it back by waiting itself.
constexpr int kWaitsFrom = 90;
__device__ void WaitForKernelBefore() {
#if __CUDA_ARCH__ >= 900
  cudaGridDependencySynchronize();
  cudaTriggerProgrammaticLaunchCompletion();
#endif
}

template <typename K>
__global__ void __launch_bounds__(kFlatThreads, kBlocksAtOnce)
    RunFlat(const K kernel, uint32_t size) {
  WaitForKernelBefore();
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
  WaitForKernelBefore();
  RunPhases(kernel, shared, std::make_integer_sequence<int, K::kPhases>());
}

template <typename K>
__global__ void __launch_bounds__(K::kThreads, K::kBlocksAtOnce) RunTiles(const K kernel) {
  extern __shared__ uint4 shared_memory[];  // of 16 bytes for its alignment
  uint32_t* const shared = reinterpret_cast<uint32_t*>(shared_memory);
  const uint32_t warp = threadIdx.x / kWarpLanes;
  typename K::Registers registers;
  kernel.Begin(blockIdx.x, warp, &registers);  // index arithmetic alone
  WaitForKernelBefore();
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

#if CUDART_VERSION < 13000  // this one with edge data has its plain name since
#define cudaGraphAddDependencies cudaGraphAddDependencies_v2
#endif

// How a kernel of a graph follows the one before: see WaitForKernelBefore.
cudaGraphEdgeData ChooseEdge() {
  const char* const asked = std::getenv("CSC_CUDA_EDGES");
  const std::string edges = asked == nullptr ? "" : asked;
  Require(edges.empty() || edges == "full", "CSC_CUDA_EDGES=\"{}\" is unknown: full expected",
          edges);
  // Not the device's capability: what was compiled for an older one does not wait.
  cudaFuncAttributes kernel;
  Check(cudaFuncGetAttributes(&kernel, RunFlat<FillKernel>), "asking for a kernel");
  cudaGraphEdgeData edge = {};  // full
  if (edges.empty() && kernel.ptxVersion >= kWaitsFrom) {
    edge.from_port = cudaGraphKernelNodePortProgrammatic;
    edge.type = cudaGraphDependencyTypeProgrammatic;
  }
  return edge;
}

// A chain of kernels and calls of cuDNN, made node by node. What cuDNN launches can only be
// captured, from a stream of its own.
class CudaGraph : public LaunchGraph {
 public:
  // `stream` is where it will run; `cudnn` may be null where no launch is a call of it.
  CudaGraph(const std::vector<Launch>& launches, const cudaGraphEdgeData& edge, CudaCudnn* cudnn,
            cudaStream_t stream)
      : edge_(edge), cudnn_(cudnn), stream_(stream) {
    cudaGraph_t graph = nullptr;
    Check(cudaGraphCreate(&graph, 0), "creating a graph");
    const GraphOwner owner(graph, cudaGraphDestroy);
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
    Check(cudaGraphAddKernelNode(&last_, graph, nullptr, 0, &node), "adding a kernel to a graph");
    const cudaGraphEdgeData full = {};
    const cudaGraphEdgeData* const edge = after_kernel_ ? &edge_ : &full;
    after_kernel_ = true;
    if (before == nullptr) return;
    Check(cudaGraphAddDependencies(graph, &before, &last_, edge, 1),
          "ordering the kernels of a graph");
  }
  void Add(cudaGraph_t graph, const CudnnConvolution& call, uint32_t) {
    const GraphOwner child = cudnn_->GraphOf(call);
    const cudaGraphNode_t before = last_;
    Check(
        cudaGraphAddChildGraphNode(&last_, graph, &before, before != nullptr ? 1 : 0, child.get()),
        "adding a call of cuDNN to a graph");
    after_kernel_ = false;
  }

  const cudaGraphEdgeData edge_;  // from each kernel to the next
  CudaCudnn* const cudnn_;
  const cudaStream_t stream_;
  cudaGraphExec_t executable_ = nullptr;
  cudaGraphNode_t last_ = nullptr;
  bool after_kernel_ = false;  // what last_ is: only between two of them an edge may be early
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
    edge_ = ChooseEdge();
  }
  ~CudaBackend() override {
    // At the end of the process the driver may be gone: nothing to report then. cuDNN does
    // not look.
    if (WaitForAll() == cudaErrorCudartUnloading) static_cast<void>(cudnn_.release());
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
  Cudnn* OpenCudnn(std::string* why_not) override {
    if (cudnn_ != nullptr) return cudnn_.get();
    const OnDevice on_device;
    const cudnn::Functions* const functions = LoadCudnn(why_not);
    if (functions == nullptr) return nullptr;
    try {
      cudnn_ = std::make_unique<CudaCudnn>(*functions);
    } catch (const Error& error) {
      *why_not = error.what();
    }
    return cudnn_.get();
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
    return std::make_unique<CudaGraph>(launches, edge_, cudnn_.get(), stream_);
  }
  void Run(const LaunchGraph& graph) override {
    const OnDevice on_device;
    Check(cudaGraphLaunch(static_cast<const CudaGraph&>(graph).get(), stream_),
          "launching a graph");
  }
  void Convert(const ImagesKernel& kernel, uint32_t pixels) override { LaunchFlat(kernel, pixels); }
  void Convert(const CropsKernel& kernel, uint32_t values) override { LaunchFlat(kernel, values); }
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
  template <typename K>
  void LaunchFlat(const K& kernel, uint32_t size) {
    const OnDevice on_device;
    void* arguments[] = {const_cast<K*>(&kernel), &size};
    // Unlike <<< >>> it says itself whether it failed, whatever failed before.
    Check(cudaLaunchKernel(RunFlat<K>, FlatBlocks(size), kFlatThreads, arguments, 0, stream_),
          "launching a kernel");
  }
  cudaStream_t StreamOf(Queue queue) const { return queue == Queue::kCopy ? copies_ : stream_; }
  cudaError_t WaitForAll() const {
    cudaStreamSynchronize(copies_);
    return cudaStreamSynchronize(stream_);
  }

  // A wait refers to the event as it was recorded last, so one serves all.
  void Order(cudaStream_t first, cudaStream_t second) {
    Check(cudaEventRecord(event_->get(), first), "recording an event");
    Check(cudaStreamWaitEvent(second, event_->get()), "waiting for an event");
  }

  cudaStream_t stream_ = nullptr;  // of kCompute
  cudaStream_t copies_ = nullptr;  // of kCopy
  std::unique_ptr<CudaEvent> event_;
  cudaGraphEdgeData edge_;
  std::unique_ptr<CudaCudnn> cudnn_;  // null until it is asked for
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
