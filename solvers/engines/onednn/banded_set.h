// The linear maps of a plan that our own kernels compute, with their filters
// packed, and the algorithm of each. They serve tiles of any size.

#ifndef CSC_SOLVERS_ENGINES_ONEDNN_BANDED_SET_H_
#define CSC_SOLVERS_ENGINES_ONEDNN_BANDED_SET_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "solvers/engines/engine.h"
#include "solvers/engines/onednn/banded_map.h"
#include "solvers/engines/onednn/buffer.h"
#include "solvers/engines/onednn/gradient_map.h"
#include "solvers/engines/onednn/gradient_sums.h"
#include "solvers/engines/onednn/plan.h"
#include "solvers/program/program.h"

namespace csc::onednn {

// Version of the rules that choose between algorithms, and of the order in which these
// add. Another version may give other bits.
constexpr int kAlgorithmVersion = 4;

class BandedSet {
 public:
  // `program` and `plan` must outlive it.
  BandedSet(const Program& program, const Plan& plan, Arithmetic arithmetic);

  // Null for an instruction that is oneDNN's, or no analysis or synthesis.
  const BandedMap* map(int instruction) const { return entries_[instruction].map.get(); }
  MapFilters filters(int instruction) const;
  // Null for an instruction that is no filter gradient of a tile's.
  const GradientMap* gradient(int instruction) const {
    return entries_[instruction].gradient.get();
  }
  // Where it is summed in a buffer of gradient_floats().
  int64_t gradient_offset(int instruction) const { return entries_[instruction].gradient_offset; }

  // Packs all filters. Instructions with the same filters share them.
  void PackFilters(const float* parameters);

  // Before and after a tile's way through a stage: clears the sums of its filter
  // gradients; adds them to the tile's.
  void ClearGradients(size_t stage, float* sums) const;
  void AddGradients(size_t stage, const float* sums, int64_t tile, GradientSums* gradients) const;

  // Of the largest map or gradient on so many images.
  int64_t scratch_floats(int64_t images) const;
  int64_t gradient_floats() const { return gradient_floats_; }
  int64_t PackedBytes() const;
  // What computes an instruction, and why: "direct (arithmetic direct)"; of one that is
  // oneDNN's the reason alone.
  std::string Describe(int instruction) const;

 private:
  struct Entry {
    std::unique_ptr<BandedMap> map;
    std::shared_ptr<Buffer> filters;
    int next_map = -1;  // that runs after this one, the last one's the first
    std::unique_ptr<GradientMap> gradient;
    int64_t gradient_offset = 0;
    bool of_batch = false;  // a gradient that BatchGradients sums
    std::string why;        // not Winograd's algorithm, or not a kernel of our own
  };

  void AddMap(int instruction, const ConvolutionShape& shape, Arithmetic arithmetic);
  void AddGradient(int instruction, const ConvolutionShape& shape, Arithmetic arithmetic);
  void LinkMaps();
  // An earlier instruction that is the same map by the same filters, and so has the
  // same algorithm, or -1.
  int FindTwin(int instruction, const ConvolutionShape& shape) const;

  const Program& program_;
  const Plan& plan_;
  std::vector<Entry> entries_;                // by instruction
  std::vector<int> packed_;                   // instructions that own their filters
  std::vector<std::vector<int>> stage_sums_;  // by stage: a filter gradient for each sum
  int64_t gradient_floats_ = 0;
};

}  // namespace csc::onednn

#endif  // CSC_SOLVERS_ENGINES_ONEDNN_BANDED_SET_H_
