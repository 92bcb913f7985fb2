// NVIDIA's cuDNN on the engine's device, its calls as graphs.

#ifndef CSC_SOLVERS_ENGINES_CUDA_CUDA_CUDNN_H_
#define CSC_SOLVERS_ENGINES_CUDA_CUDA_CUDNN_H_

#include <cuda_runtime_api.h>

#include <cstdint>
#include <memory>
#include <string>

#include "solvers/engines/cuda/cuda_device.h"
#include "solvers/engines/cuda/cudnn_library.h"

namespace csc::cuda {

using GraphOwner = std::unique_ptr<CUgraph_st, cudaError_t (*)(cudaGraph_t)>;

// cuDNN on the engine's device, whatever device the calling thread has chosen.
class CudaCudnn : public Cudnn {
 public:
  explicit CudaCudnn(const cudnn::Functions& functions) : handle_(functions) {}

  std::string version() const override { return handle_.version(); }
  int64_t WorkspaceBytes(const CudnnConvolution& call) override {
    const OnDevice on_device;
    return handle_.WorkspaceBytes(call);
  }
  // What cuDNN would launch.
  GraphOwner GraphOf(const CudnnConvolution& call) {
    // The relaxed mode, as cuDNN loads kernels when it needs them first. Other threads may
    // do what they like meanwhile.
    Check(cudaStreamBeginCapture(stream_.get(), cudaStreamCaptureModeRelaxed), "calling cuDNN");
    cudaGraph_t graph = nullptr;
    try {
      handle_.Run(call, stream_.get());
    } catch (...) {
      cudaStreamEndCapture(stream_.get(), &graph);
      if (graph != nullptr) cudaGraphDestroy(graph);
      throw;
    }
    Check(cudaStreamEndCapture(stream_.get(), &graph), "calling cuDNN");
    return GraphOwner(graph, cudaGraphDestroy);
  }

 private:
  const CudaStream stream_;  // nothing ever runs there
  CudnnHandle handle_;
};

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_CUDA_CUDNN_H_
