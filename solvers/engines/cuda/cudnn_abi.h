// The part of cuDNN 9's C interface that the engine calls, declared here so that building
// needs no cuDNN. cudnn_abi_test compares it with NVIDIA's headers where there are any.

#ifndef CSC_SOLVERS_ENGINES_CUDA_CUDNN_ABI_H_
#define CSC_SOLVERS_ENGINES_CUDA_CUDNN_ABI_H_

#include <cstddef>

namespace csc::cuda::cudnn {

// Opaque, as are NVIDIA's.
struct Context;
struct TensorDescriptor;
struct FilterDescriptor;
struct ConvolutionDescriptor;

// cudnnStatus_t, of which there are more.
enum Status : int { kSuccess = 0, kBadParam = 2000, kNotSupported = 3000 };
enum DataType : int { kFloat = 0 };
enum TensorFormat : int { kNchw = 0 };
enum ConvolutionMode : int { kCrossCorrelation = 1 };
// kDefaultMath lets products of float32 be those of TF32, from compute capability 8.0 on.
enum MathType : int { kDefaultMath = 0, kFmaMath = 3 };

// X(result, name after "cudnn", parameters). Streams are cudaStream_t, algorithms the enums
// of their functions.
#define CSC_CUDNN_FUNCTIONS(X)                                                                  \
  X(size_t, GetVersion, ())                                                                     \
  X(const char*, GetErrorString, (Status))                                                      \
  X(Status, Create, (Context**))                                                                \
  X(Status, Destroy, (Context*))                                                                \
  X(Status, SetStream, (Context*, void*))                                                       \
  X(Status, CreateTensorDescriptor, (TensorDescriptor**))                                       \
  X(Status, DestroyTensorDescriptor, (TensorDescriptor*))                                       \
  X(Status, SetTensor4dDescriptorEx,                                                            \
    (TensorDescriptor*, DataType, int, int, int, int, int, int, int, int))                      \
  X(Status, CreateFilterDescriptor, (FilterDescriptor**))                                       \
  X(Status, DestroyFilterDescriptor, (FilterDescriptor*))                                       \
  X(Status, SetFilter4dDescriptor,                                                              \
    (FilterDescriptor*, DataType, TensorFormat, int, int, int, int))                            \
  X(Status, CreateConvolutionDescriptor, (ConvolutionDescriptor**))                             \
  X(Status, DestroyConvolutionDescriptor, (ConvolutionDescriptor*))                             \
  X(Status, SetConvolution2dDescriptor,                                                         \
    (ConvolutionDescriptor*, int, int, int, int, int, int, ConvolutionMode, DataType))          \
  X(Status, SetConvolutionMathType, (ConvolutionDescriptor*, MathType))                         \
  X(Status, GetConvolutionForwardWorkspaceSize,                                                 \
    (Context*, TensorDescriptor*, FilterDescriptor*, ConvolutionDescriptor*, TensorDescriptor*, \
     int, size_t*))                                                                             \
  X(Status, GetConvolutionBackwardDataWorkspaceSize,                                            \
    (Context*, FilterDescriptor*, TensorDescriptor*, ConvolutionDescriptor*, TensorDescriptor*, \
     int, size_t*))                                                                             \
  X(Status, GetConvolutionBackwardFilterWorkspaceSize,                                          \
    (Context*, TensorDescriptor*, TensorDescriptor*, ConvolutionDescriptor*, FilterDescriptor*, \
     int, size_t*))                                                                             \
  X(Status, ConvolutionForward,                                                                 \
    (Context*, const void*, TensorDescriptor*, const void*, FilterDescriptor*, const void*,     \
     ConvolutionDescriptor*, int, void*, size_t, const void*, TensorDescriptor*, void*))        \
  X(Status, ConvolutionBackwardData,                                                            \
    (Context*, const void*, FilterDescriptor*, const void*, TensorDescriptor*, const void*,     \
     ConvolutionDescriptor*, int, void*, size_t, const void*, TensorDescriptor*, void*))        \
  X(Status, ConvolutionBackwardFilter,                                                          \
    (Context*, const void*, TensorDescriptor*, const void*, TensorDescriptor*, const void*,     \
     ConvolutionDescriptor*, int, void*, size_t, const void*, FilterDescriptor*, void*))

// The functions of a library that has been opened.
struct Functions {
#define CSC_DECLARE(result, name, parameters) result(*name) parameters = nullptr;
  CSC_CUDNN_FUNCTIONS(CSC_DECLARE)
#undef CSC_DECLARE
};

}  // namespace csc::cuda::cudnn

#endif  // CSC_SOLVERS_ENGINES_CUDA_CUDNN_ABI_H_
