// Memory and a stream of the device that the engine "cuda" runs on: the GPU, or
// the host where the engine's kernels run there (one .cc file for each).

#ifndef CSC_TESTS_LAYERS_DEVICE_MEMORY_H_
#define CSC_TESTS_LAYERS_DEVICE_MEMORY_H_

#include <cstddef>

namespace csc::test {

// To be called before the engine is asked for.
void ChooseDevice();

// The calling thread's of the devices that there are; the engine's is 0.
int CountDevices();
int CurrentDevice();
void SetCurrentDevice(int device);

class DeviceMemory {
 public:
  DeviceMemory(const void* host, size_t bytes);
  ~DeviceMemory();
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  void* get() const { return data_; }
  // What is there when all that was queued on TestStream is done.
  void Download(void* host) const;

 private:
  void* data_ = nullptr;
  size_t bytes_;
};

void* TestStream();  // a cudaStream_t

}  // namespace csc::test

#endif  // CSC_TESTS_LAYERS_DEVICE_MEMORY_H_
