// Runs whose inputs and outputs are on the GPU already, for callers that hold
// device memory (cv::cuda::GpuMat, other CUDA code).
//
// Executables of the engine "cuda" implement this interface besides their own;
// those of other engines do not:
//
//   auto* on_device = dynamic_cast<cuda::DeviceExecutable*>(executable.get());
//
// No CUDA header is needed to call it.

#ifndef CSC_SOLVERS_ENGINES_CUDA_DEVICE_RUN_H_
#define CSC_SOLVERS_ENGINES_CUDA_DEVICE_RUN_H_

#include <cstdint>
#include <vector>

namespace csc::cuda {

class DeviceExecutable {
 public:
  virtual ~DeviceExecutable() = default;

  // One dense NCHW array of device memory for each input and each output of the
  // program, as in RunArguments; a null output is not written. `stream` is a
  // cudaStream_t of the engine's device, null for the default stream.
  //
  // Returns as soon as the work is queued: it begins after what is in `stream`
  // now, and what is put into `stream` later begins after it. The arrays must
  // live until then. Nothing is copied to the host. After a Reserve of this
  // batch nothing is allocated and no device is waited for.
  //
  // Throws Error for arguments that do not fit the program, and for programs
  // with a loss or gradients, which are run from the host.
  virtual void RunOnDevice(int64_t batch, const std::vector<const float*>& inputs,
                           const std::vector<float*>& outputs, void* stream) = 0;
};

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_DEVICE_RUN_H_
