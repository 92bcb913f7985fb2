// What the CUDA engine decides about a program before it knows the batch: which
// instructions run together, and where values live.

#ifndef CSC_SOLVERS_ENGINES_CUDA_PLAN_H_
#define CSC_SOLVERS_ENGINES_CUDA_PLAN_H_

#include <cstdint>
#include <vector>

#include "solvers/engines/cuda/cudnn.h"
#include "solvers/engines/cuda/steps.h"
#include "solvers/engines/engine.h"
#include "solvers/program/program.h"

namespace csc::cuda {

// A parameter packed for one direction of convolution, on tensor cores or not.
struct PackedFilters {
  int parameter = -1;
  bool synthesis = false;
  bool tensor = false;
  int64_t source_channels = 0;
  int64_t result_channels = 0;
  int64_t group = 0;            // result channels of a thread: 4 or 8; of a warp: 16 or 32
  int64_t padded_channels = 0;  // result_channels in whole groups
  int64_t padded_source = 0;    // words for source_channels
  int64_t taps = 0;
  int64_t offset = 0;  // in floats

  int64_t floats() const { return taps * padded_source * padded_channels; }
  int64_t chunks() const;  // of source channels, on tensor cores
};

struct Plan {
  Arithmetic arithmetic = Arithmetic::kFloat32;
  Steps steps;
  // By value: where it begins, in floats for each image of the batch; -1 for one that is
  // never stored or lies in another.
  std::vector<int64_t> offsets;
  int64_t floats_per_image = 0;  // of all values that live at one time
  std::vector<bool> pairs;       // by value: stored as bfloat16 (kernels/pairs.h)
  std::vector<PackedFilters> filters;
  int64_t filter_floats = 0;
  CudnnPlan cudnn;
  bool has_gradients = false;
  bool has_loss = false;

  // Whether the caller lets linear maps run on tensor cores.
  bool tensor_cores() const {
    return arithmetic == Arithmetic::kTf32 || arithmetic == Arithmetic::kBfloat16;
  }
  // Whether this convolution does: there is a kernel. All others are direct, in
  // float32.
  bool OnTensorCores(const Instruction& convolution) const;
  // Words of 32 bits that a value takes, for each image.
  int64_t WordsOf(const Program& program, ValueId value) const;
  // Words that the steps read from and write to values, for each image.
  int64_t WordsMoved(const Program& program) const;
  // Null for filters that have not been collected, as those of a map that cuDNN serves.
  const PackedFilters* FindFilters(const Instruction& convolution) const;
};

// Without `pairs` all values are float32. That changes no result.
Plan MakePlan(const Program& program, Arithmetic arithmetic = Arithmetic::kFloat32,
              CudnnPlan cudnn = {}, bool pairs = true);

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_PLAN_H_
