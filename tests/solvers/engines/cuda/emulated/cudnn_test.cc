// That the emulated cuDNN stops where a rule is broken, and what its calls do in a stream.

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <vector>

#include "solvers/engines/cuda/cudnn_abi.h"

namespace csc::cuda::cudnn {

extern "C" {
#define CSC_DECLARE(result, name, parameters) result cudnn##name parameters;
CSC_CUDNN_FUNCTIONS(CSC_DECLARE)
#undef CSC_DECLARE
}

namespace {

constexpr int kImplicitGemm = 0, kPrecomputed = 1;
constexpr float kOne = 1, kNothing = 0;
constexpr size_t kBytes = 256;  // of each array; 4 x 4 floats are used

// 1 x 1 filters of one channel on two images of 2 x 2.
class CudnnDeathTest : public ::testing::Test {
 protected:
  void SetUp() override {
    cudaSetDevice(0);
    cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking);
    for (float** memory : {&image_, &filters_, &code_}) {
      void* allocated = nullptr;
      cudaMalloc(&allocated, kBytes);
      *memory = static_cast<float*>(allocated);
    }
    cudaMalloc(&workspace_, kBytes);
    cudnnCreate(&context_);
    cudnnSetStream(context_, stream_);
    for (TensorDescriptor** tensor : {&x_, &y_}) {
      cudnnCreateTensorDescriptor(tensor);
      cudnnSetTensor4dDescriptorEx(*tensor, kFloat, 2, 1, 2, 2, 4, 4, 2, 1);
    }
    cudnnCreateFilterDescriptor(&w_);
    cudnnSetFilter4dDescriptor(w_, kFloat, kNchw, 1, 1, 1, 1);
    cudnnCreateConvolutionDescriptor(&convolution_);
    cudnnSetConvolution2dDescriptor(convolution_, 0, 0, 1, 1, 1, 1, kCrossCorrelation, kFloat);
  }
  void TearDown() override {
    cudaSetDevice(0);
    cudnnDestroyConvolutionDescriptor(convolution_);
    cudnnDestroyFilterDescriptor(w_);
    cudnnDestroyTensorDescriptor(y_);
    cudnnDestroyTensorDescriptor(x_);
    cudnnDestroy(context_);
    cudaFree(workspace_);
    cudaFree(code_);
    cudaFree(filters_);
    cudaFree(image_);
    cudaStreamDestroy(stream_);
  }

  void Fill(float* memory, float value) {
    const std::vector<float> values(kBytes / sizeof(float), value);
    cudaMemcpyAsync(memory, values.data(), kBytes, cudaMemcpyHostToDevice, stream_);
  }
  Status Convolve(int algorithm, size_t workspace_bytes, const float* beta = &kNothing) {
    return cudnnConvolutionForward(context_, &kOne, x_, image_, w_, filters_, convolution_,
                                   algorithm, workspace_, workspace_bytes, beta, y_, code_);
  }
  void Wait() { cudaStreamSynchronize(stream_); }
  float FirstResult() {
    float result = -1;
    cudaMemcpyAsync(&result, code_, sizeof(result), cudaMemcpyDeviceToHost, stream_);
    Wait();
    return result;
  }

  cudaStream_t stream_ = nullptr;
  float *image_ = nullptr, *filters_ = nullptr, *code_ = nullptr;
  void* workspace_ = nullptr;
  Context* context_ = nullptr;
  TensorDescriptor *x_ = nullptr, *y_ = nullptr;
  FilterDescriptor* w_ = nullptr;
  ConvolutionDescriptor* convolution_ = nullptr;
};

TEST_F(CudnnDeathTest, FindsWorkspacesThatAreTooSmall) {
  size_t bytes = 0;
  EXPECT_EQ(cudnnGetConvolutionForwardWorkspaceSize(context_, x_, w_, convolution_, y_,
                                                    kPrecomputed, &bytes),
            kSuccess);
  EXPECT_GT(bytes, 0u);
  EXPECT_DEATH(Convolve(kPrecomputed, bytes - 1), "the workspace is too small");
}

TEST_F(CudnnDeathTest, FindsWhatNobodyWroteAndWhatIsNotReplaced) {
  EXPECT_DEATH((Convolve(kImplicitGemm, 0), Wait()), "a copy of nothing");
  EXPECT_DEATH(Convolve(kImplicitGemm, 0, &kOne), "added to what is there");
}

TEST_F(CudnnDeathTest, FindsCallsForAnotherDevice) {
  cudaSetDevice(1);
  EXPECT_DEATH(Convolve(kImplicitGemm, 0), "a handle of another device");
}

TEST_F(CudnnDeathTest, FindsAlgorithmsThatAddInAnyOrder) {
  size_t bytes = 0;
  EXPECT_DEATH(
      cudnnGetConvolutionBackwardDataWorkspaceSize(context_, w_, y_, convolution_, x_, 0, &bytes),
      "adds in any order");
}

TEST_F(CudnnDeathTest, RefusesShapesThatDoNotFit) {
  cudnnSetFilter4dDescriptor(w_, kFloat, kNchw, 1, 1, 2, 2);
  EXPECT_EQ(Convolve(kImplicitGemm, 0), kBadParam);
}

TEST_F(CudnnDeathTest, RunsWhatWasCapturedWhereItsGraphRuns) {
  Fill(image_, 3);
  Fill(filters_, 5);
  Fill(code_, 0);
  cudaStream_t captured;
  cudaStreamCreateWithFlags(&captured, cudaStreamNonBlocking);
  cudaStreamBeginCapture(captured, cudaStreamCaptureModeRelaxed);
  cudnnSetStream(context_, captured);
  EXPECT_EQ(Convolve(kImplicitGemm, 0), kSuccess);
  EXPECT_DEATH(cudaStreamSynchronize(captured), "being captured");
  cudaGraph_t child, graph;
  cudaStreamEndCapture(captured, &child);
  cudaStreamDestroy(captured);
  EXPECT_EQ(FirstResult(), 0);
  cudaGraphCreate(&graph, 0);
  cudaGraphNode_t node;
  cudaGraphAddChildGraphNode(&node, graph, nullptr, 0, child);
  EXPECT_DEATH(cudaGraphAddChildGraphNode(&node, graph, nullptr, 0, child), "does not wait");
  cudaGraphDestroy(child);
  cudaGraphExec_t run;
  cudaGraphInstantiate(&run, graph, 0);
  cudaGraphDestroy(graph);
  cudaGraphLaunch(run, stream_);
  EXPECT_EQ(FirstResult(), 15);
  cudaGraphExecDestroy(run);
}

}  // namespace
}  // namespace csc::cuda::cudnn
