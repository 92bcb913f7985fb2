#include <cuda_runtime_api.h>

#include <stdexcept>

#include "tests/layers/device_memory.h"

namespace csc::test {

namespace {

void Check(cudaError_t error) {
  if (error != cudaSuccess) throw std::runtime_error(cudaGetErrorString(error));
}

cudaStream_t Stream() {
  static const cudaStream_t stream = [] {
    cudaStream_t made;
    Check(cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking));
    return made;
  }();
  return stream;
}

}  // namespace

// The memory here is to be on the engine's. Where there is none, the engine says so.
void ChooseDevice() { cudaSetDevice(0); }

int CountDevices() {
  int count;
  Check(cudaGetDeviceCount(&count));
  return count;
}

int CurrentDevice() {
  int device;
  Check(cudaGetDevice(&device));
  return device;
}

void SetCurrentDevice(int device) { Check(cudaSetDevice(device)); }

DeviceMemory::DeviceMemory(const void* host, size_t bytes) : bytes_(bytes) {
  Check(cudaMalloc(&data_, bytes));
  Check(cudaMemcpyAsync(data_, host, bytes, cudaMemcpyHostToDevice, Stream()));
}

DeviceMemory::~DeviceMemory() {
  cudaStreamSynchronize(Stream());
  cudaFree(data_);
}

void DeviceMemory::Download(void* host) const {
  Check(cudaMemcpyAsync(host, data_, bytes_, cudaMemcpyDeviceToHost, Stream()));
  Check(cudaStreamSynchronize(Stream()));
}

void* TestStream() { return Stream(); }

}  // namespace csc::test
