// The launches of linear maps in tiles of shared memory, on tensor cores or not.

#ifndef CSC_SOLVERS_ENGINES_CUDA_BIND_TENSOR_H_
#define CSC_SOLVERS_ENGINES_CUDA_BIND_TENSOR_H_

#include <cstdint>

#include "solvers/engines/cuda/kernels/launch.h"
#include "solvers/engines/cuda/operands.h"
#include "solvers/engines/cuda/plan.h"
#include "solvers/engines/cuda/tensor_tiles.h"
#include "solvers/engines/engine.h"

namespace csc::cuda {

// What packs filters in the format of Tf32 or Bfloat16.
template <typename Format>
PackTensorFiltersKernel<Format> BindTensorFilters(const PackedFilters& filters,
                                                  const ParameterInfo& info,
                                                  const float* parameters, float* packed);

// F or F^T of `i`, for which WhyNotOnTensorCores is null, and `epilogue` on it, whose
// first result has the shape of `result`; or of so many times the batch, one for each part
// of the sums.
Launch BindTensorConvolution(Arithmetic arithmetic, const Operands& operands, const Instruction& i,
                             ValueId result, const PackedFilters& filters, const float* packed,
                             const TensorTile& tile, const Epilogue& epilogue, int64_t batch);

// The same in float32, by filters packed for direct convolution, in the tile of
// ChooseFloat32Tile.
Launch BindTiledConvolution(const Operands& operands, const Instruction& i, ValueId result,
                            const PackedFilters& filters, const float* packed,
                            const TensorTile& tile, const Epilogue& epilogue, int64_t batch);

// A filter gradient in tiles of shared memory, but for the address of its partial
// sums: one for each range and entry.
struct TiledGradient {
  GradientTile kernel;
  int64_t blocks = 0;
  int64_t ranges = 0;
};
TiledGradient BindTiledGradient(Rounding rounding, const Operands& operands, const Instruction& i,
                                const TensorGradientTile& tile, const Tuning& tuning,
                                int64_t batch);

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_BIND_TENSOR_H_
