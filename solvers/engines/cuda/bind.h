// A plan for one batch size and one set of addresses: the launches of a run.

#ifndef CSC_SOLVERS_ENGINES_CUDA_BIND_H_
#define CSC_SOLVERS_ENGINES_CUDA_BIND_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "solvers/engines/cuda/cudnn.h"
#include "solvers/engines/cuda/kernels/launch.h"
#include "solvers/engines/cuda/plan.h"
#include "solvers/engines/cuda/tensor_tiles.h"
#include "solvers/engines/sgd.h"
#include "solvers/program/program.h"

namespace csc::cuda {

// Sizes at which the work of a reduction is cut, and what chooses the tiles of
// convolutions. The former fix the order of sums, so they are constants and not asked
// of the device; so does what shares sums out, which depends on the tiles.
struct Tuning {
  // Convolutions take four pixels a thread where that leaves so many threads.
  int64_t wide_threads = 1 << 16;
  // Positions of a range of a channel's sum; small maps have ranges down to an eighth.
  int64_t sum_range = 8192;
  // Blocks that a filter gradient is cut into, if ranges are of this many positions at
  // least: of a quarter where tiles in shared memory leave nothing to add within a block.
  int64_t gradient_blocks = 2048;
  int64_t gradient_range = 1024;
  // The device's compute capability, 90 for 9.0, and how many times the blocks that
  // the table of tensor cores' tiles wants a tile must leave.
  int capability = 80;
  double tensor_blocks = 1;
  // The same where sums would be shared out: for these blocks, and for the threads that it
  // wants a direct convolution to leave (with 0 none are), and the products that each of
  // these must have left.
  double split_threads = 1;
  int64_t split_products = 64;
  // Whether values that only tensor cores multiply are stored in bfloat16: the same bits.
  bool pairs = true;
  // What is given to cuDNN, unless CSC_CUDNN says otherwise, and how many times the products
  // that its table wants a map must have.
  CudnnUse cudnn = CudnnUse::kAuto;
  double cudnn_products = 1;
};

// What a run with a loss leaves for the host, in one piece so that one copy fetches it.
struct LossResults {
  static int64_t Words(int64_t batch) { return 3 * batch + 1; }
  static int64_t Bytes(int64_t batch) { return Words(batch) * 4; }
  LossResults(void* memory, int64_t batch)
      : loss(static_cast<double*>(memory)),
        correct(reinterpret_cast<int32_t*>(loss + batch)),
        infinite(correct + batch) {}

  double* loss;       // [batch]
  int32_t* correct;   // [batch]
  int32_t* infinite;  // not 0 where a step left a parameter infinite or NaN
};

// Device addresses. Null ones give launches that may only be counted.
struct Addresses {
  float* values = nullptr;      // [plan.floats_per_image * batch]
  float* parameters = nullptr;  // [program.parameter_size()]
  float* filters = nullptr;     // [plan.filter_floats]
  float* statistics = nullptr;  // two rows for each, in order
  double* sums = nullptr;       // [program.parameter_size()], gradients
  float* gradients = nullptr;   // [program.parameter_size()], rounded
  void* scratch = nullptr;      // for sums on their way, and cuDNN
  int32_t* labels = nullptr;    // [batch]
  void* results = nullptr;      // LossResults
  // Of training steps only.
  float* velocity = nullptr;       // [program.parameter_size()]
  const uint8_t* rules = nullptr;  // likewise: bits of kernels/sgd.h
  const float* rate = nullptr;
};

// Ranges of source channels that the threads of a direct convolution share out.
int64_t RangesOf(const Tuning& tuning, const PackedFilters& filters, const Shape& result,
                 int64_t batch);

TensorFactors FactorsOf(const Tuning& tuning);

// The tile of a convolution on tensor cores.
TensorTile TensorTileOf(const Tuning& tuning, const PackedFilters& filters,
                        const Instruction& convolution, const Shape& result, int64_t batch);

// The tile in shared memory of a filter gradient, on tensor cores or not; none for
// direct sums.
std::optional<TensorGradientTile> GradientTileOf(const Plan& plan, const Tuning& tuning,
                                                 const Instruction& gradient, const Shape& image,
                                                 const Shape& code);

// The launches that pack the parameters' filters.
std::vector<Launch> BindFilters(const Program& program, const Plan& plan,
                                const Addresses& addresses);

struct BoundRun {
  std::vector<Launch> launches;
  int64_t scratch_bytes = 0;  // what Addresses::scratch must hold
};

// Throws Error for a batch whose values need longer indices than the kernels have.
void CheckBatch(const Program& program, int64_t batch);

// Replaces `run`, whose memory is used again. The batch must have been checked. With
// `step` the run is one of training: it ends with the optimiser's step and packs the
// filters for the next.
void BindRun(const Program& program, const Plan& plan, const Tuning& tuning, int64_t batch,
             const Addresses& addresses, const SgdOptions* step, BoundRun* run);

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_BIND_H_
