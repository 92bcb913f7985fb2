// The device under the engine: memory, and two queues of copies and launches.
//
// Everything else of the engine is ordinary C++. There are two back-ends: the
// GPU (cuda_backend.cu), and the one of the tests, which runs the same kernels
// in plain loops.

#ifndef CSC_SOLVERS_ENGINES_CUDA_BACKEND_H_
#define CSC_SOLVERS_ENGINES_CUDA_BACKEND_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "solvers/engines/cuda/cudnn.h"
#include "solvers/engines/cuda/kernels/images.h"
#include "solvers/engines/cuda/kernels/launch.h"

namespace csc::cuda {

// A list of launches that the device keeps and repeats as one, in order. It holds
// addresses, so it must go before the memory that they are of.
class LaunchGraph {
 public:
  virtual ~LaunchGraph() = default;
};

// Work of one queue is done in order, and that of two at the same time unless events
// order it. Everything is queued for kCompute that does not say otherwise.
enum class Queue { kCompute, kCopy };

// A point in a queue's order that others can wait for. It must go before the back-end.
class Event {
 public:
  virtual ~Event() = default;
};

// All operations but Allocate, Free and those of graphs and events themselves are
// queued, and may not have happened before Synchronise returns. All throw Error when
// the device fails. A back-end serves one thread at a time, not always the same one.
class Backend {
 public:
  virtual ~Backend() = default;

  // The device's compute capability, 90 for 9.0.
  virtual int Capability() = 0;
  // The device's cuDNN, which lives as long as the back-end; null with the reason where
  // there is none.
  virtual Cudnn* OpenCudnn(std::string* why_not) = 0;
  // At least `bytes` (> 0) at an address of 256 bytes, of any content; null
  // where so much is not free.
  virtual void* Allocate(int64_t bytes) = 0;
  virtual void Free(void* memory) = 0;
  // Memory of the host that the device reads and writes by itself while the
  // processor goes on; null where so much is not free.
  virtual void* AllocatePinned(int64_t bytes) = 0;
  virtual void FreePinned(void* memory) = 0;
  // How much could be allocated now, at most.
  virtual int64_t FreeBytes() = 0;
  // The source of an upload may be changed as soon as Upload returns.
  virtual void Upload(void* device, const void* host, int64_t bytes) = 0;
  // The same from pinned memory, which must stay as it is until the copy is known to
  // have happened.
  virtual void UploadPinned(void* device, const void* pinned, int64_t bytes, Queue queue) = 0;
  // To pinned memory.
  virtual void Download(void* pinned, const void* device, int64_t bytes) = 0;
  // From one place of the device to another.
  virtual void Copy(void* to, const void* from, int64_t bytes) = 0;
  // Rows without gaps to rows that begin `to_step` bytes from one another.
  virtual void CopyRows(void* to, int64_t to_step, const void* from, int64_t row_bytes,
                        int64_t rows) = 0;
  virtual std::unique_ptr<LaunchGraph> MakeGraph(const std::vector<Launch>& launches) = 0;
  virtual void Run(const LaunchGraph& graph) = 0;
  // Reads up to kMostImages pictures from wherever they lie this time.
  virtual void Convert(const ImagesKernel& kernel, uint32_t pixels) = 0;
  virtual void Convert(const CropsKernel& kernel, uint32_t values) = 0;
  // Waits for both queues.
  virtual void Synchronise() = 0;
  virtual std::unique_ptr<Event> MakeEvent() = 0;
  // From now on the event is that all that is in this queue now is done.
  virtual void Record(Event* event, Queue queue) = 0;
  // What is queued there from now on begins after the event, as it was recorded last;
  // one that never was has happened.
  virtual void BeginAfterEvent(const Event& event, Queue queue) = 0;
  // The processor waits.
  virtual void Await(const Event& event) = 0;
  // Orders kCompute and a stream of the caller (a cudaStream_t): what is queued
  // here from now on begins after what is in `stream`, and the other way round.
  virtual void BeginAfter(void* stream) = 0;
  virtual void LetBeginAfter(void* stream) = 0;
};

// Memory of a back-end that only grows; it must outlive its buffers.
template <void* (Backend::*kAllocate)(int64_t), void (Backend::*kFree)(void*)>
class Buffer {
 public:
  explicit Buffer(Backend* backend) : backend_(backend) {}
  ~Buffer() { Release(); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  // Content is lost where the buffer grows. Returns whether there was enough
  // memory; the buffer is empty otherwise.
  bool Grow(int64_t bytes) {
    if (bytes <= bytes_) return true;
    Release();
    data_ = (backend_->*kAllocate)(bytes);
    bytes_ = data_ != nullptr ? bytes : 0;
    return data_ != nullptr;
  }
  int64_t bytes() const { return bytes_; }
  template <typename T>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  void Release() {
    if (data_ != nullptr) (backend_->*kFree)(data_);
    data_ = nullptr;
    bytes_ = 0;
  }

  Backend* backend_;
  void* data_ = nullptr;
  int64_t bytes_ = 0;
};

using DeviceBuffer = Buffer<&Backend::Allocate, &Backend::Free>;
using PinnedBuffer = Buffer<&Backend::AllocatePinned, &Backend::FreePinned>;

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_BACKEND_H_
