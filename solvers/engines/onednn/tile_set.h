// oneDNN's convolutions of a plan for one number of images, with their filters
// packed.

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
  // A convolution, or the part of one that gives some of its output's lanes.
  struct Part {
    ConvolutionShape shape;
    std::unique_ptr<Convolution> convolution;
    std::shared_ptr<Buffer> filters;  // packed
  };

  // `program` and `plan` must outlive it; `instructions` are analyses and syntheses. They are
  // computed in up to `max_parts` parts, which depends on nothing but their shape.
  TileSet(const Program& program, const Plan& plan, const std::vector<int>& instructions,
          int64_t images, int max_parts, bool bf16);

  int64_t images() const { return images_; }
  int max_parts() const { return max_parts_; }

  // Packs the filters for every analysis and synthesis. Instructions with the
  // same filters, coefficient and packed layout share one copy.
  void PackFilters(const float* parameters);

  // Empty for an instruction that is not among those given.
  const std::vector<Part>& parts(int instruction) const { return parts_[instruction]; }
  int64_t scratchpad_floats() const { return scratchpad_floats_; }
  int64_t PackedBytes() const;
  // oneDNN's name of what computes an instruction that was given.
  std::string Describe(int instruction) const;

 private:
  void AddParts(int instruction);
  bool ShareFilters(int instruction, int earlier);

  const Program& program_;
  const Plan& plan_;
  const int64_t images_;
  const int max_parts_;
  const bool bf16_;
  std::vector<std::vector<Part>> parts_;  // by instruction
  int64_t scratchpad_floats_ = 0;
};

ConvolutionShape ShapeOf(const Plan& plan, const Instruction& i, int64_t images);

// constant * parameter entry.
float CoefficientValue(const Program& program, const Coefficient& coefficient,
                       const float* parameters);

// The first lane of part `part` of `parts` of `lanes`: whole blocks, as even as
// can be; `lanes` itself for part == parts.
int64_t FirstLaneOfSplit(int64_t lanes, int block, int part, int parts);

}  // namespace csc::onednn

#endif  // CSC_SOLVERS_ENGINES_ONEDNN_TILE_SET_H_
