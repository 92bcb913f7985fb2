// The back-end on a GPU: device 0 of those that CUDA_VISIBLE_DEVICES leaves.

#include <cuda_runtime.h>
#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "solvers/engines/cuda/backend.h"
#include "solvers/engines/cuda/cuda_cudnn.h"
#include "solvers/engines/cuda/cuda_device.h"
#include "solvers/engines/cuda/cuda_engine.h"
#include "solvers/engines/cuda/cuda_graph.h"
#include "solvers/error.h"

namespace csc::cuda {

namespace {

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
    stream_.emplace();
    copies_.emplace();
    event_ = std::make_unique<CudaEvent>();
    edge_ = ChooseEdge();
  }
  ~CudaBackend() override {
    // At the end of the process the driver may be gone: nothing to report then. cuDNN does
    // not look.
    if (WaitForAll() == cudaErrorCudartUnloading) {
      static_cast<void>(cudnn_.release());
    } else if (cudnn_ != nullptr) {
      int before = kDevice;
      cudaGetDevice(&before);
      cudaSetDevice(kDevice);  // where its handle is
      cudnn_.reset();
      cudaSetDevice(before);
    }
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
    Check(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream_->get()),
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
    Check(cudaMemcpyAsync(pinned, device, bytes, cudaMemcpyDeviceToHost, stream_->get()),
          "copying from the device");
  }
  void Copy(void* to, const void* from, int64_t bytes) override {
    const OnDevice on_device;
    Check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_->get()),
          "copying on the device");
  }
  void CopyRows(void* to, int64_t to_step, const void* from, int64_t row_bytes,
                int64_t rows) override {
    const OnDevice on_device;
    Check(cudaMemcpy2DAsync(to, to_step, from, row_bytes, row_bytes, rows, cudaMemcpyDeviceToDevice,
                            stream_->get()),
          "copying on the device");
  }
  std::unique_ptr<LaunchGraph> MakeGraph(const std::vector<Launch>& launches) override {
    const OnDevice on_device;
    return std::make_unique<CudaGraph>(launches, edge_, cudnn_.get(), stream_->get());
  }
  void Run(const LaunchGraph& graph) override {
    const OnDevice on_device;
    Check(cudaGraphLaunch(static_cast<const CudaGraph&>(graph).get(), stream_->get()),
          "launching a graph");
  }
  void Convert(const ImagesKernel& kernel, uint32_t pixels) override { LaunchFlat(kernel, pixels); }
  void Convert(const CropsKernel& kernel, uint32_t values) override { LaunchFlat(kernel, values); }
  void Synchronise() override {
    const OnDevice on_device;
    Check(cudaStreamSynchronize(copies_->get()), "copying");
    Check(cudaStreamSynchronize(stream_->get()), "computing");
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
    Order(static_cast<cudaStream_t>(stream), stream_->get());
  }
  void LetBeginAfter(void* stream) override {
    const OnDevice on_device;
    Order(stream_->get(), static_cast<cudaStream_t>(stream));
  }

 private:
  template <typename K>
  void LaunchFlat(const K& kernel, uint32_t size) {
    const OnDevice on_device;
    void* arguments[] = {const_cast<K*>(&kernel), &size};
    // Unlike <<< >>> it says itself whether it failed, whatever failed before.
    Check(
        cudaLaunchKernel(RunFlat<K>, FlatBlocks(size), kFlatThreads, arguments, 0, stream_->get()),
        "launching a kernel");
  }
  cudaStream_t StreamOf(Queue queue) const {
    return queue == Queue::kCopy ? copies_->get() : stream_->get();
  }
  cudaError_t WaitForAll() const {
    cudaStreamSynchronize(copies_->get());
    return cudaStreamSynchronize(stream_->get());
  }

  // A wait refers to the event as it was recorded last, so one serves all.
  void Order(cudaStream_t first, cudaStream_t second) {
    Check(cudaEventRecord(event_->get(), first), "recording an event");
    Check(cudaStreamWaitEvent(second, event_->get()), "waiting for an event");
  }

  std::optional<CudaStream> stream_;  // of kCompute
  std::optional<CudaStream> copies_;  // of kCopy
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
