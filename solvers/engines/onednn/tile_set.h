// The convolutions of a plan for tiles of one size, with their filters packed.

#ifndef CSC_SOLVERS_ENGINES_ONEDNN_TILE_SET_H_
#define CSC_SOLVERS_ENGINES_ONEDNN_TILE_SET_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "solvers/engines/onednn/buffer.h"
#include "solvers/engines/onednn/convolution.h"
#include "solvers/engines/onednn/plan.h"
#include "solvers/program/program.h"

namespace csc::onednn {

class TileSet {
 public:
  // `program` and `plan` must outlive it.
  TileSet(const Program& program, const Plan& plan, int64_t images);

  int64_t images() const { return images_; }

  // Packs the filters for every analysis and synthesis. Instructions with the
  // same filters, coefficient and packed layout share one copy.
  void PackFilters(const float* parameters);

  // Null for an instruction that is no convolution.
  const Convolution* convolution(int instruction) const { return convolutions_[instruction].get(); }
  const ConvolutionShape& shape(int instruction) const { return shapes_[instruction]; }
  float* packed_filters(int instruction) const { return packed_[instruction]->data(); }
  int64_t scratchpad_floats() const { return scratchpad_floats_; }
  // Floats of the largest filter gradient, in the primitive's layout and plain.
  int64_t gradient_floats() const { return gradient_floats_; }
  int64_t PackedBytes() const;
  std::string Describe() const;

 private:
  const Program& program_;
  const Plan& plan_;
  const int64_t images_;
  std::vector<std::unique_ptr<Convolution>> convolutions_;  // by instruction
  std::vector<ConvolutionShape> shapes_;                    // by instruction
  std::vector<std::shared_ptr<Buffer>> packed_;             // by instruction
  int64_t scratchpad_floats_ = 0;
  int64_t gradient_floats_ = 0;
};

// constant * parameter entry.
float CoefficientValue(const Program& program, const Coefficient& coefficient,
                       const float* parameters);

}  // namespace csc::onednn

#endif  // CSC_SOLVERS_ENGINES_ONEDNN_TILE_SET_H_
