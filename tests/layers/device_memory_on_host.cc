#include <cstdlib>
#include <cstring>

#include "tests/layers/device_memory.h"

namespace csc::test {

void ChooseDevice() {
  setenv("CSC_CUDA_LIBRARY", "tests/solvers/engines/cuda/libcsc_cuda_on_host.so", 1);
}

int CountDevices() { return 1; }
int CurrentDevice() { return 0; }
void SetCurrentDevice(int) {}

DeviceMemory::DeviceMemory(const void* host, size_t bytes)
    : data_(std::malloc(bytes)), bytes_(bytes) {
  std::memcpy(data_, host, bytes);
}

DeviceMemory::~DeviceMemory() { std::free(data_); }

void DeviceMemory::Download(void* host) const { std::memcpy(host, data_, bytes_); }

void* TestStream() { return nullptr; }

}  // namespace csc::test
