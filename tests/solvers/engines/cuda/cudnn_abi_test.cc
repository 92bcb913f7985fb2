// What the engine declares of cuDNN against NVIDIA's headers.

#include "solvers/engines/cuda/cudnn_abi.h"

#include <cudnn.h>
#include <gtest/gtest.h>

#include <type_traits>

#include "solvers/engines/cuda/cudnn.h"

namespace csc::cuda::cudnn {
namespace {

// Passed in the same way.
template <typename A, typename B>
constexpr bool kAlike =
    sizeof(A) == sizeof(B) && std::is_pointer_v<A> ==
                                  std::is_pointer_v<B>&& std::is_floating_point_v<A> ==
                                  std::is_floating_point_v<B>;

template <typename A, typename... As, typename B, typename... Bs>
constexpr bool Alike(A (*)(As...), B (*)(Bs...)) {
  if constexpr (sizeof...(As) == sizeof...(Bs)) {
    return kAlike<A, B> && (kAlike<As, Bs> && ...);
  } else {
    return false;
  }
}

TEST(CudnnAbi, IsThatOfTheHeaders) {
#define CSC_COMPARE(result, name, parameters) \
  static_assert(Alike(decltype(Functions::name){}, decltype(&::cudnn##name){}), #name);
  CSC_CUDNN_FUNCTIONS(CSC_COMPARE)
#undef CSC_COMPARE
  static_assert(kSuccess == int{CUDNN_STATUS_SUCCESS});
  static_assert(kBadParam == int{CUDNN_STATUS_BAD_PARAM});
  static_assert(kNotSupported == int{CUDNN_STATUS_NOT_SUPPORTED});
  static_assert(kFloat == int{CUDNN_DATA_FLOAT});
  static_assert(kNchw == int{CUDNN_TENSOR_NCHW});
  static_assert(kCrossCorrelation == int{CUDNN_CROSS_CORRELATION});
  static_assert(kDefaultMath == int{CUDNN_DEFAULT_MATH});
  static_assert(kFmaMath == int{CUDNN_FMA_MATH});
}

TEST(CudnnAlgorithms, AreThoseOfTheHeaders) {
  constexpr int kExpected[] = {
      CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM, CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_GEMM,
      CUDNN_CONVOLUTION_BWD_DATA_ALGO_1, CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1};
  ASSERT_EQ(std::size(kCudnnAlgorithms), std::size(kExpected));
  for (size_t k = 0; k < std::size(kExpected); ++k) {
    EXPECT_EQ(kCudnnAlgorithms[k].algorithm, kExpected[k]) << kCudnnAlgorithms[k].name;
  }
}

}  // namespace
}  // namespace csc::cuda::cudnn
