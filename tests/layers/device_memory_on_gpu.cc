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

void ChooseDevice() {}

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
