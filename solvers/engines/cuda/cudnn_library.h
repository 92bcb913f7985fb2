// NVIDIA's cuDNN 9, found and opened while the program runs.

#ifndef CSC_SOLVERS_ENGINES_CUDA_CUDNN_LIBRARY_H_
#define CSC_SOLVERS_ENGINES_CUDA_CUDNN_LIBRARY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "solvers/engines/cuda/cudnn.h"
#include "solvers/engines/cuda/cudnn_abi.h"

namespace csc::cuda {

// Where it is looked for, the first first: what CSC_CUDNN_LIBRARY names and nothing else,
// or where the dynamic loader finds libcudnn.so.9, then the toolkit's folders.
std::vector<std::string> CudnnCandidates();

// Opens the first candidate that can be opened, and never closes it. Throws Error with all
// that was tried where there is none, where a function is missing and where it is not
// version 9.
cudnn::Functions OpenCudnnLibrary(const std::vector<std::string>& candidates);

// That of the process, opened by the first call; null with the reason where there is none.
const cudnn::Functions* LoadCudnn(std::string* why_not);

// A handle on the device that the calling thread has chosen; it must still be chosen
// wherever a function is called. All functions throw Error where cuDNN fails.
class CudnnHandle : public Cudnn {
 public:
  explicit CudnnHandle(const cudnn::Functions& functions);
  ~CudnnHandle() override;
  CudnnHandle(const CudnnHandle&) = delete;
  CudnnHandle& operator=(const CudnnHandle&) = delete;

  std::string version() const override;
  int64_t WorkspaceBytes(const CudnnConvolution& call) override;
  // Queues the call in `stream`, a cudaStream_t.
  void Run(const CudnnConvolution& call, void* stream);

 private:
  void Check(cudnn::Status status, const char* doing) const;
  // The descriptors of everything but the addresses.
  cudnn::Status Describe(const CudnnConvolution& call);
  void Destroy();

  const cudnn::Functions& functions_;
  cudnn::Context* context_ = nullptr;
  cudnn::TensorDescriptor* image_ = nullptr;
  cudnn::TensorDescriptor* code_ = nullptr;
  cudnn::FilterDescriptor* filters_ = nullptr;
  cudnn::ConvolutionDescriptor* convolution_ = nullptr;
};

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_CUDNN_LIBRARY_H_
