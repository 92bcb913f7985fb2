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

inline int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

inline int32_t Narrow(int64_t value) {
  Require(-kMaxIndex <= value && value <= kMaxIndex,
          "the cuda engine counts in 32 bits: {} is too large", value);
  return static_cast<int32_t>(value);
}

class Binder : private Operands {
 public:
  Binder(const Program& program, const Plan& plan, const Tuning& tuning, int64_t batch,
         const Addresses& addresses, BoundRun* run)
      : Operands(program, plan, batch, addresses), tuning_(tuning), run_(run) {}

  // `step` is null for a run that leaves parameters alone.
  void Bind(const SgdOptions* step);

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
    const int64_t bytes = kept_bytes_ + count * static_cast<int64_t>(sizeof(T));
    run_->scratch_bytes = std::max(run_->scratch_bytes, bytes);
    return reinterpret_cast<T*>(static_cast<char*>(addresses_.scratch) + kept_bytes_);
  }

  // Memory of its own, of what has been counted into kept_bytes_.
  double* Kept(int64_t count) {
    char* const memory = static_cast<char*>(addresses_.scratch) + kept_next_;
    kept_next_ += count * static_cast<int64_t>(sizeof(double));
    return reinterpret_cast<double*>(memory);
  }

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

  // ---- sums over the batch, and what follows from them: bind_sums.cc ----

  // A kernel of elementwise.h, with the sums that are taken in the same pass.
  template <typename K>
  void AddElementwise(const K& kernel, const Shape& shape, const Step& step);
  // What stage of the epilogue gives which sum, weighed by what.
  void SetSums(const Step& step, Epilogue* epilogue) const;
  void BindSums(const Step& step);
  bool SumsGradients(const Step& step) const;
  // Positions of a range of a channel's sum, and how many ranges there are.
  int64_t RangeOfSums(const Shape& shape) const;
  int64_t RangesOfSums(const Shape& shape) const;
  // Numbers of partial sums of all of a step's sums.
  int64_t PartialSums(const Step& step) const;
  // The second pass of a statistic; that of gradients waits for the others.
  void FinishSum(const Instruction& i, const double* partials, int64_t ranges);
  void FinishGradients();
  void BindLoss(const Instruction& i);
  void BindSgd(const SgdOptions& options);

  // A gradient whose partial sums stay until all are finished together.
  struct Unfinished {
    GradientSumsKernel::Gradient gradient;
    int64_t numbers;
  };

  const Tuning& tuning_;
  BoundRun* run_;
  int64_t kept_bytes_ = 0;  // the beginning of the scratch memory, for partial sums
  int64_t kept_next_ = 0;
  std::vector<Unfinished> unfinished_;
};

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_BINDER_H_
