// One call of cuDNN, as data: a launch like those of our own kernels, of which a back-end
// makes the call.

#ifndef CSC_SOLVERS_ENGINES_CUDA_CUDNN_CONVOLUTION_H_
#define CSC_SOLVERS_ENGINES_CUDA_CUDNN_CONVOLUTION_H_

#include <cstddef>
#include <cstdint>

#include "solvers/engines/cuda/kernels/host_device.h"
#include "solvers/program/program.h"

namespace csc::cuda {

// NCHW, where samples begin `stride` floats from one another.
struct CudnnTensor {
  float* data = nullptr;
  int32_t channels = 0;
  int32_t size[2] = {};
  int32_t stride = 0;
};

// code = F image (kAnalysis), image = F^T code (kSynthesis) or F's gradient from both
// (kFilterGradient), times `scale`; what was there before is not read.
struct CudnnConvolution {
  Opcode op = Opcode::kAnalysis;
  int32_t algorithm = 0;  // of cudnnConvolutionFwdAlgo_t, ...BwdDataAlgo_t or ...BwdFilterAlgo_t
  bool tf32 = false;      // else products are those of float32
  int32_t batch = 0;
  CudnnTensor image;
  CudnnTensor code;
  const float* filters = nullptr;  // [code channels][image channels][kernel]
  float* gradient = nullptr;       // the same, of kFilterGradient
  int32_t kernel[2] = {};
  int32_t strides[2] = {};
  int32_t dilations[2] = {};
  int32_t pads[2] = {};  // on both sides
  float scale = 1;
  void* workspace = nullptr;  // at an address of 256 bytes
  size_t workspace_bytes = 0;
};

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_CUDNN_CONVOLUTION_H_
