// The part of cuDNN that the engine calls, on the emulated device, in place of NVIDIA's: a
// library that dlopen finds like any. A call that breaks the manual's rules ends the process;
// what cuDNN may decline is declined.

#include <cuda_runtime_api.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

#include "solvers/engines/cuda/cudnn_abi.h"
#include "tests/solvers/engines/cuda/cudnn_loops.h"
#include "tests/solvers/engines/cuda/emulated/device.h"

namespace csc::cuda::cudnn {

// As the engine has them: opaque. What was never set has no dimensions.
struct Context {
  int device;
  cudaStream_t stream;
};
struct TensorDescriptor {
  std::array<int, 4> dims, strides;
};
struct FilterDescriptor {
  std::array<int, 4> dims;
};
struct ConvolutionDescriptor {
  std::array<int, 2> pads, strides, dilations;
  MathType math;
};

}  // namespace csc::cuda::cudnn

namespace csc::test {

namespace {

using cuda::CudnnConvolution;
using namespace cuda::cudnn;  // NOLINT: stands for a C header

void RequireDevice(const Context* context) {
  int device = -1;
  cudaGetDevice(&device);
  Rule(context != nullptr && device == context->device, "a handle of another device");
}

template <typename T>
Status Make(T** made) {
  *made = new T();
  return kSuccess;
}
template <typename T>
Status Destroy(T* made) {
  Rule(made != nullptr, "what is destroyed was made");
  delete made;
  return kSuccess;
}

// False for what cuDNN calls a bad parameter.
bool Set(const TensorDescriptor& tensor, cuda::CudnnTensor* to) {
  const auto& [n, c, h, w] = tensor.dims;
  Rule(n > 0, "a tensor was not described");
  if (tensor.strides[3] != 1 || tensor.strides[2] != w || tensor.strides[1] != w * h ||
      tensor.strides[0] < c * h * w) {
    return false;
  }
  *to = {nullptr, c, {h, w}, tensor.strides[0]};
  return true;
}

// A call but for addresses and factors, in one order for all functions.
struct Question {
  Opcode op;
  const TensorDescriptor* image;
  const FilterDescriptor* filters;  // or their gradient
  const ConvolutionDescriptor* convolution;
  const TensorDescriptor* code;
  int algorithm;
};

// False likewise.
bool Describe(const Question& question, CudnnConvolution* call) {
  const TensorDescriptor& image = *question.image;
  const FilterDescriptor& filters = *question.filters;
  const ConvolutionDescriptor& convolution = *question.convolution;
  const TensorDescriptor& code = *question.code;
  Rule(filters.dims[0] > 0, "filters were not described");
  Rule(convolution.strides[0] > 0, "a convolution was not described");
  call->op = question.op;
  call->algorithm = question.algorithm;
  call->tf32 = convolution.math == kDefaultMath;
  call->batch = image.dims[0];
  if (!Set(image, &call->image) || !Set(code, &call->code)) return false;
  if (code.dims[0] != image.dims[0]) return false;
  if (filters.dims[0] != code.dims[1] || filters.dims[1] != image.dims[1]) return false;
  for (int axis = 0; axis < 2; ++axis) {
    call->kernel[axis] = filters.dims[2 + axis];
    call->strides[axis] = convolution.strides[axis];
    call->dilations[axis] = convolution.dilations[axis];
    call->pads[axis] = convolution.pads[axis];
    const int reach = call->dilations[axis] * (call->kernel[axis] - 1) + 1;
    const int room = image.dims[2 + axis] + 2 * call->pads[axis] - reach;
    if (room < 0 || room / call->strides[axis] + 1 != code.dims[2 + axis]) return false;
  }
  return true;
}

// One that is deterministic.
bool Knows(const CudnnConvolution& call) {
  if (call.op != Opcode::kAnalysis) {
    Rule(call.algorithm == 1, "an algorithm that adds in any order");
    return true;
  }
  const bool dilated = call.dilations[0] > 1 || call.dilations[1] > 1;
  return call.algorithm == 0 || (call.algorithm == 1 && !dilated);
}

size_t BytesWanted(const CudnnConvolution& call) {
  return call.algorithm == 0 ? 0 : sizeof(float) * (call.batch + call.code.channels);
}

Status Answer(const Context* context, const Question& question, size_t* bytes) {
  RequireDevice(context);
  CudnnConvolution call;
  if (!Describe(question, &call)) return kBadParam;
  if (!Knows(call)) return kNotSupported;
  *bytes = BytesWanted(call);
  return kSuccess;
}

// Visits the memory of each sample.
template <typename Body>
void ForSamples(const CudnnConvolution& call, const cuda::CudnnTensor& tensor, const Body& body) {
  for (int64_t n = 0; n < call.batch; ++n) {
    body(tensor.data + n * tensor.stride,
         sizeof(float) * tensor.channels * tensor.size[0] * tensor.size[1]);
  }
}

void RunOnDevice(Device* device, const CudnnConvolution& call) {
  const auto read = [&](const float* data, size_t bytes) { device->CheckReadable(data, bytes); };
  const auto written = [&](void* data, size_t bytes) {
    Rule(device->Holds(data, bytes), "results go to what is not on the device");
    device->memory.MarkWritten(data, bytes);
  };
  const size_t filter_bytes =
      sizeof(float) * call.code.channels * call.image.channels * call.kernel[0] * call.kernel[1];
  if (call.op != Opcode::kSynthesis) ForSamples(call, call.image, read);
  if (call.op != Opcode::kAnalysis) ForSamples(call, call.code, read);
  if (call.op != Opcode::kFilterGradient) read(call.filters, filter_bytes);
  if (call.workspace_bytes > 0) {
    written(call.workspace, call.workspace_bytes);
    std::memset(call.workspace, 0xFF, call.workspace_bytes);
  }
  if (call.op == Opcode::kAnalysis) ForSamples(call, call.code, written);
  if (call.op == Opcode::kSynthesis) ForSamples(call, call.image, written);
  if (call.op == Opcode::kFilterGradient) written(call.gradient, filter_bytes);
  RunCudnnLoops(call);
}

float* Floats(const void* memory) { return static_cast<float*>(const_cast<void*>(memory)); }

struct Operands {
  const void* image;
  const void* filters;  // or their gradient
  const void* code;
};

Status Queue(const Context* context, const Question& question, const Operands& operands,
             const void* alpha, const void* beta, void* workspace, size_t workspace_bytes) {
  RequireDevice(context);
  CudnnConvolution call;
  if (!Describe(question, &call)) return kBadParam;
  if (!Knows(call)) return kNotSupported;
  Rule(workspace_bytes >= BytesWanted(call), "the workspace is too small");
  Rule(reinterpret_cast<uintptr_t>(workspace) % 256 == 0, "the workspace is not aligned");
  float factors[2];
  std::memcpy(&factors[0], alpha, sizeof(float));
  std::memcpy(&factors[1], beta, sizeof(float));
  Rule(factors[1] == 0, "results are added to what is there");
  call.scale = factors[0];
  call.image.data = Floats(operands.image);
  call.code.data = Floats(operands.code);
  if (question.op == Opcode::kFilterGradient) {
    call.gradient = Floats(operands.filters);
  } else {
    call.filters = Floats(operands.filters);
  }
  call.workspace = workspace;
  call.workspace_bytes = workspace_bytes;
  Device* const device = &TheDevice();
  const std::lock_guard<std::recursive_mutex> lock(device->mutex);
  Stream* const stream = device->queues.FindAny(context->stream);
  const auto run = [=] { RunOnDevice(device, call); };
  if (stream->captured != nullptr) {
    stream->captured->nodes.push_back(std::make_unique<Node>(Node{nullptr, {}, {}, run}));
  } else {
    device->queues.Push(stream, {run, nullptr, nullptr});
  }
  return kSuccess;
}

}  // namespace

extern "C" {

size_t cudnnGetVersion() { return 90100; }
const char* cudnnGetErrorString(Status) { return "an error"; }

Status cudnnCreate(Context** context) {
  Make(context);
  cudaGetDevice(&(*context)->device);
  Rule((*context)->device == 0, "the calling thread has not chosen the device");
  return kSuccess;
}
Status cudnnDestroy(Context* context) { return Destroy(context); }
Status cudnnSetStream(Context* context, void* stream) {
  RequireDevice(context);
  context->stream = static_cast<cudaStream_t>(stream);
  return kSuccess;
}

Status cudnnCreateTensorDescriptor(TensorDescriptor** made) { return Make(made); }
Status cudnnDestroyTensorDescriptor(TensorDescriptor* made) { return Destroy(made); }
Status cudnnSetTensor4dDescriptorEx(TensorDescriptor* tensor, DataType type, int n, int c, int h,
                                    int w, int n_stride, int c_stride, int h_stride, int w_stride) {
  if (type != kFloat || n < 1 || c < 1 || h < 1 || w < 1) return kBadParam;
  *tensor = {{n, c, h, w}, {n_stride, c_stride, h_stride, w_stride}};
  return kSuccess;
}
Status cudnnCreateFilterDescriptor(FilterDescriptor** made) { return Make(made); }
Status cudnnDestroyFilterDescriptor(FilterDescriptor* made) { return Destroy(made); }
Status cudnnSetFilter4dDescriptor(FilterDescriptor* filters, DataType type, TensorFormat format,
                                  int k, int c, int h, int w) {
  if (type != kFloat || format != kNchw || k < 1 || c < 1 || h < 1 || w < 1) return kBadParam;
  filters->dims = {k, c, h, w};
  return kSuccess;
}
Status cudnnCreateConvolutionDescriptor(ConvolutionDescriptor** made) { return Make(made); }
Status cudnnDestroyConvolutionDescriptor(ConvolutionDescriptor* made) { return Destroy(made); }
Status cudnnSetConvolution2dDescriptor(ConvolutionDescriptor* convolution, int pad_h, int pad_w,
                                       int stride_h, int stride_w, int dilation_h, int dilation_w,
                                       ConvolutionMode mode, DataType type) {
  if (mode != kCrossCorrelation || type != kFloat || pad_h < 0 || pad_w < 0 || stride_h < 1 ||
      stride_w < 1 || dilation_h < 1 || dilation_w < 1) {
    return kBadParam;
  }
  *convolution = {{pad_h, pad_w}, {stride_h, stride_w}, {dilation_h, dilation_w}, kDefaultMath};
  return kSuccess;
}
Status cudnnSetConvolutionMathType(ConvolutionDescriptor* convolution, MathType math) {
  convolution->math = math;
  return kSuccess;
}

Status cudnnGetConvolutionForwardWorkspaceSize(Context* context, TensorDescriptor* image,
                                               FilterDescriptor* filters,
                                               ConvolutionDescriptor* convolution,
                                               TensorDescriptor* code, int algorithm,
                                               size_t* bytes) {
  return Answer(context, {Opcode::kAnalysis, image, filters, convolution, code, algorithm}, bytes);
}
Status cudnnGetConvolutionBackwardDataWorkspaceSize(Context* context, FilterDescriptor* filters,
                                                    TensorDescriptor* code,
                                                    ConvolutionDescriptor* convolution,
                                                    TensorDescriptor* image, int algorithm,
                                                    size_t* bytes) {
  return Answer(context, {Opcode::kSynthesis, image, filters, convolution, code, algorithm}, bytes);
}
Status cudnnGetConvolutionBackwardFilterWorkspaceSize(Context* context, TensorDescriptor* image,
                                                      TensorDescriptor* code,
                                                      ConvolutionDescriptor* convolution,
                                                      FilterDescriptor* gradient, int algorithm,
                                                      size_t* bytes) {
  return Answer(context, {Opcode::kFilterGradient, image, gradient, convolution, code, algorithm},
                bytes);
}

Status cudnnConvolutionForward(Context* context, const void* alpha, TensorDescriptor* image,
                               const void* image_data, FilterDescriptor* filters,
                               const void* filter_data, ConvolutionDescriptor* convolution,
                               int algorithm, void* workspace, size_t bytes, const void* beta,
                               TensorDescriptor* code, void* code_data) {
  return Queue(context, {Opcode::kAnalysis, image, filters, convolution, code, algorithm},
               {image_data, filter_data, code_data}, alpha, beta, workspace, bytes);
}
Status cudnnConvolutionBackwardData(Context* context, const void* alpha, FilterDescriptor* filters,
                                    const void* filter_data, TensorDescriptor* code,
                                    const void* code_data, ConvolutionDescriptor* convolution,
                                    int algorithm, void* workspace, size_t bytes, const void* beta,
                                    TensorDescriptor* image, void* image_data) {
  return Queue(context, {Opcode::kSynthesis, image, filters, convolution, code, algorithm},
               {image_data, filter_data, code_data}, alpha, beta, workspace, bytes);
}
Status cudnnConvolutionBackwardFilter(Context* context, const void* alpha, TensorDescriptor* image,
                                      const void* image_data, TensorDescriptor* code,
                                      const void* code_data, ConvolutionDescriptor* convolution,
                                      int algorithm, void* workspace, size_t bytes,
                                      const void* beta, FilterDescriptor* filters, void* gradient) {
  return Queue(context, {Opcode::kFilterGradient, image, filters, convolution, code, algorithm},
               {image_data, gradient, code_data}, alpha, beta, workspace, bytes);
}

}  // extern "C"

}  // namespace csc::test
