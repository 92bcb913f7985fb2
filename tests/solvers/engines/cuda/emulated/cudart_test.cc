// That the emulated runtime stops where a rule is broken.

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

namespace csc::test {
namespace {

constexpr size_t kBytes = 256;

class CudartDeathTest : public ::testing::Test {
 protected:
  void SetUp() override {
    cudaSetDevice(0);
    cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking);
    cudaMalloc(&from_, kBytes);
    cudaMalloc(&to_, kBytes);
  }
  void TearDown() override {
    cudaSetDevice(0);
    cudaFree(from_);
    cudaFree(to_);
    cudaStreamDestroy(stream_);
  }

  void Copy() {
    cudaMemcpyAsync(to_, from_, kBytes, cudaMemcpyDeviceToDevice, stream_);
    cudaStreamSynchronize(stream_);
  }
  void CopyRows() {
    cudaMemcpy2DAsync(to_, 64, from_, 64, 32, 4, cudaMemcpyDeviceToDevice, stream_);
    cudaStreamSynchronize(stream_);
  }

  cudaStream_t stream_;
  void* from_;
  void* to_;
};

TEST_F(CudartDeathTest, FindsCopiesOfWhatNobodyWrote) {
  EXPECT_DEATH(Copy(), "a copy of nothing");
  EXPECT_DEATH(CopyRows(), "a copy of nothing");
  const char bytes[kBytes] = {};
  cudaMemcpyAsync(from_, bytes, kBytes, cudaMemcpyHostToDevice, stream_);
  Copy();
  CopyRows();
}

TEST_F(CudartDeathTest, FindsCallsForAnotherDevice) {
  cudaSetDevice(1);
  EXPECT_DEATH(Copy(), "has not chosen the device");
}

}  // namespace
}  // namespace csc::test
