// What calls of the CUDA runtime share: errors, the engine's device, streams.

#ifndef CSC_SOLVERS_ENGINES_CUDA_CUDA_DEVICE_H_
#define CSC_SOLVERS_ENGINES_CUDA_CUDA_DEVICE_H_

#include <cuda_runtime_api.h>

#include "solvers/error.h"

namespace csc::cuda {

// The first of those that CUDA_VISIBLE_DEVICES leaves.
inline constexpr int kDevice = 0;

inline void Check(cudaError_t error, const char* doing) {
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

class CudaStream {
 public:
  CudaStream() {
    Check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "creating a stream");
  }
  ~CudaStream() { cudaStreamDestroy(stream_); }
  CudaStream(const CudaStream&) = delete;
  CudaStream& operator=(const CudaStream&) = delete;

  cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_CUDA_DEVICE_H_
