// One launch of one kernel, or one call of cuDNN, as data: what a bound program is a list of.

#ifndef CSC_SOLVERS_ENGINES_CUDA_KERNELS_LAUNCH_H_
#define CSC_SOLVERS_ENGINES_CUDA_KERNELS_LAUNCH_H_

#include <cstdint>
#include <type_traits>
#include <variant>

#include "solvers/engines/cuda/cudnn_convolution.h"
#include "solvers/engines/cuda/kernels/convolution.h"
#include "solvers/engines/cuda/kernels/elementwise.h"
#include "solvers/engines/cuda/kernels/filter_gradient.h"
#include "solvers/engines/cuda/kernels/positions.h"
#include "solvers/engines/cuda/kernels/reductions.h"
#include "solvers/engines/cuda/kernels/several.h"
#include "solvers/engines/cuda/kernels/sgd.h"
#include "solvers/engines/cuda/kernels/tensor_convolution.h"
#include "solvers/engines/cuda/kernels/tensor_filter_gradient.h"
#include "solvers/engines/cuda/kernels/tiled_convolution.h"
#include "solvers/engines/cuda/kernels/tiled_filter_gradient.h"

namespace csc::cuda {

using Kernel = std::variant<
    FillKernel, RoundKernel, PointwiseKernel, CopyChannelsKernel, MaxPoolKernel,
    MaxPoolAdjointKernel, AveragePoolKernel, AveragePoolAdjointKernel, ShortcutKernel,
    ShortcutAdjointKernel, Several<PackFiltersKernel>, ConvolutionKernel<4, 1, false>,
    ConvolutionKernel<8, 1, false>, ConvolutionKernel<4, 4, false>, ConvolutionKernel<8, 4, false>,
    ConvolutionKernel<4, 1, true>, ConvolutionKernel<8, 1, true>, ConvolutionKernel<4, 4, true>,
    ConvolutionKernel<8, 4, true>, SplitConvolutionKernel<false>, SplitConvolutionKernel<true>,
    ChannelKernel<Nothing>, ChannelKernel<Normalised>, ChannelKernel<NormalisedAdjoint>,
    GradientSumsKernel, SoftmaxLossKernel, FilterGradientKernel, FilterGradientSumsKernel,
    SquaresKernel, ClipKernel, SgdKernel, Several<PackTensorFiltersKernel<Tf32>>,
    Several<PackTensorFiltersKernel<Bfloat16>>, TensorConvolutionKernel<Tf32, 1, 2, 4>,
    TensorConvolutionKernel<Tf32, 1, 8, 4>, TensorConvolutionKernel<Tf32, 2, 2, 4>,
    TensorConvolutionKernel<Tf32, 2, 8, 4>, TensorConvolutionKernel<Bfloat16, 1, 2, 4>,
    TensorConvolutionKernel<Bfloat16, 1, 8, 4>, TensorConvolutionKernel<Bfloat16, 2, 2, 4>,
    TensorConvolutionKernel<Bfloat16, 2, 8, 4>, AddPartsKernel, TensorFilterGradientKernel,
    TiledConvolutionKernel, TiledFilterGradientKernel, CudnnConvolution>;

struct Launch {
  Kernel kernel;
  uint32_t size;  // indices of a flat kernel, blocks of the others; < 2^31; 1 of cuDNN
};

// Whether a kernel is of the form with blocks and phases.
template <typename K, typename = void>
struct HasPhases : std::false_type {};
template <typename K>
struct HasPhases<K, std::void_t<typename K::Shared>> : std::true_type {};

// Of that with tiles.
template <typename K, typename = void>
struct HasTiles : std::false_type {};
template <typename K>
struct HasTiles<K, std::void_t<typename K::Registers>> : std::true_type {};

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_KERNELS_LAUNCH_H_
