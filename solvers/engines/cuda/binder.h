// Binds one program for one batch: instruction by instruction, to launches.

#ifndef CSC_SOLVERS_ENGINES_CUDA_BINDER_H_
#define CSC_SOLVERS_ENGINES_CUDA_BINDER_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "solvers/engines/cuda/bind.h"
#include "solvers/engines/cuda/operands.h"
#include "solvers/error.h"

namespace csc::cuda {

inline constexpr int64_t kMaxIndex = std::numeric_limits<int32_t>::max();

// Of what Scratch gives out.
inline constexpr int64_t kScratchAlignment = 256;

inline int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

inline int32_t Narrow(int64_t value) {
  Require(-kMaxIndex <= value && value <= kMaxIndex,
          "the cuda engine counts in 32 bits: {} is too large", value);
  return static_cast<int32_t>(value);
}

// A gradient of kernel K, which finishes several, whose partial sums are there.
template <typename K>
struct Unfinished {
  typename K::Gradient gradient;
  int64_t numbers;
  int64_t blocks;
};

class Binder : private Operands {
 public:
  // What one binding finds that it needs, the next may give out.
  struct Layout {
    int64_t kept_bytes = 0;      // of partial sums that stay to the end
    int64_t together_bytes = 0;  // of those of filter gradients that are finished together
  };

  Binder(const Program& program, const Plan& plan, const Tuning& tuning, int64_t batch,
         const Addresses& addresses, const Layout& layout, BoundRun* run)
      : Operands(program, plan, batch, addresses),
        tuning_(tuning),
        layout_(layout),
        run_(run),
        statistics_(program.statistics().size()) {}

  // `step` is null for a run that leaves parameters alone.
  Layout Bind(const SgdOptions* step);

 private:
  template <typename K>
  void Add(const K& kernel, int64_t size) {
    run_->launches.push_back({kernel, static_cast<uint32_t>(Narrow(size))});
  }
  void Zero(void* memory, int64_t words) {
    Add(FillKernel{static_cast<uint32_t*>(memory), 0}, words);
  }
  // Memory that the next call may give out again.
  template <typename T>
  T* Scratch(int64_t count) {
    Narrow(count);
    const int64_t begin = layout_.kept_bytes + layout_.together_bytes;
    const int64_t bytes = begin + count * static_cast<int64_t>(sizeof(T));
    run_->scratch_bytes = std::max(run_->scratch_bytes, bytes);
    return reinterpret_cast<T*>(static_cast<char*>(addresses_.scratch) + begin);
  }

  // Memory of its own.
  double* Kept(int64_t count) {
    char* const memory = static_cast<char*>(addresses_.scratch) + needed_.kept_bytes;
    const int64_t bytes = count * static_cast<int64_t>(sizeof(double));
    needed_.kept_bytes += CeilDiv(bytes, kScratchAlignment) * kScratchAlignment;
    return reinterpret_cast<double*>(memory);
  }
  // Until FinishFilterGradients, which it calls where there would be too much.
  float* Together(int64_t count);

  void BindStep(const Step& step);

  // ---- pointwise, channels and positions: bind.cc ----

  // All links of a step as stages. What is not pointwise, its kernel has computed.
  Epilogue EpilogueOf(const Step& step) const;
  // The stage of a pointwise instruction or mask, whose terms are added to the epilogue's.
  Stage StageOf(const Link& link, Epilogue* epilogue) const;
  EpilogueOperand OperandOf(ValueId value) const;
  EpilogueTerm TermOf(const Term& term) const {
    return {OperandOf(term.value), ScalarOf(term.coefficient)};
  }
  Elementwise ElementwiseOf(ValueId value, const Epilogue& epilogue) const;
  void BindPointwise(const Step& step);
  // A sum too long for one kernel.
  void BindLongSum(const Instruction& i);
  // `channels` of every image, from one value's channel on to another's.
  void CopyChannels(ValueId from, int64_t from_channel, ValueId to, int64_t to_channel,
                    int64_t channels);
  void BindJoin(const Instruction& i);
  void BindView(const Instruction& i);
  void BindSubsampling(const Instruction& i);

  // ---- linear maps and their gradients: bind_linear.cc ----

  void BindConvolution(const Instruction& i, ValueId result, const Epilogue& epilogue);
  // What `bind` gives for an epilogue, or for one that only stores sums where the tile has
  // parts, which a second launch adds and ends.
  template <typename Binds>
  void AddInParts(const TensorTile& tile, ValueId result, const Epilogue& epilogue,
                  const Binds& bind);
  void AddTensorConvolution(const Instruction& i, ValueId result, const PackedFilters& filters,
                            const Epilogue& epilogue);
  template <int kOut, int kPixels>
  void AddConvolution(const ConvolutionArguments& a, bool synthesis);
  void AddSplitConvolution(const ConvolutionArguments& a, bool synthesis, int64_t ranges);
  void BindFilterGradient(const Instruction& i);
  // Both launch the first pass and return the number of ranges.
  int64_t AddTiledGradient(const Instruction& i, const TensorGradientTile& tile, int64_t entries,
                           float** partials);
  int64_t AddDirectGradient(const Instruction& i, int64_t entries, float** partials);

  // ---- those that cuDNN serves: bind_cudnn.cc ----

  struct CudnnScratch {
    float* sums;
    void* workspace;  // null where none is wanted
    size_t workspace_bytes;
  };
  CudnnConvolution CallOf(const Instruction& i) const;
  // So many floats, and the workspace that the call wants.
  CudnnScratch ScratchFor(const CudnnConvolution& call, int64_t sums);
  void AddCudnnConvolution(const Instruction& i, ValueId result, const Epilogue& epilogue);
  // Returns the sums.
  float* AddCudnnGradient(const Instruction& i, int64_t entries);

  // ---- sums over the batch, and what follows from them: bind_sums.cc ----

  // A pass over each channel of `shape`, with the step's sums.
  template <typename Map>
  void AddChannels(const Map& map, const Elementwise& elements, const Shape& shape,
                   const Step& step);
  // What stage of the epilogue gives which sum, weighed by what.
  void SetSums(const Step& step, Epilogue* epilogue) const;
  void BindSums(const Step& step);
  // Positions of a range of a channel's sum.
  int64_t RangeOfSums(const Shape& shape) const;
  // Leaves a sum to its second pass: a statistic's is made by the kernel that normalises,
  // those of gradients together at the end.
  void FinishSum(const Instruction& i, const double* partials, int64_t ranges);
  // Several gradients a launch. A number that several are added to, as that of a step which
  // all iterations share, is met once in a launch: the others wait, in their order.
  template <typename K>
  void Finish(std::vector<Unfinished<K>>* unfinished);
  void FinishFilterGradients();
  void BindLoss(const Instruction& i);
  void BindSgd(const SgdOptions& options);

  const Tuning& tuning_;
  const Layout layout_;
  BoundRun* run_;
  Layout needed_;
  int64_t together_bytes_ = 0;  // now
  std::vector<Unfinished<GradientSumsKernel>> sums_;
  std::vector<Unfinished<FilterGradientSumsKernel>> filter_gradients_;
  std::vector<Statistic> statistics_;  // those whose first pass has been bound
};

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_BINDER_H_
