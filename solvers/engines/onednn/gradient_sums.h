// Where tiles sum the gradients of parameters, those aside that are summed over the whole batch.
//
// Each tile has sums of its own, which are added in order once the last stage that
// touches a parameter has run: the same bits for any number of threads. A parameter's
// sums exist from the first such stage to the last, and share their place with those
// of parameters that other stages touch.

#ifndef CSC_SOLVERS_ENGINES_ONEDNN_GRADIENT_SUMS_H_
#define CSC_SOLVERS_ENGINES_ONEDNN_GRADIENT_SUMS_H_

#include <cstdint>
#include <vector>

#include "solvers/engines/onednn/buffer.h"
#include "solvers/engines/onednn/plan.h"
#include "solvers/executor.h"
#include "solvers/program/program.h"

namespace csc::onednn {

class GradientSums {
 public:
  // `program` must outlive it.
  GradientSums(const Program& program, const Plan& plan);

  bool empty() const { return floats_ == 0; }
  void Reserve(int64_t tiles) { sums_.Grow(tiles * floats_); }
  // A tile's sums for a parameter, in its shape.
  float* Of(int parameter, int64_t tile) {
    return sums_.data() + tile * floats_ + offsets_[parameter];
  }
  // Before a tile's way through a stage.
  void Clear(size_t stage, int64_t tile);
  // After all tiles' way through a stage: writes the gradients that are complete.
  void Reduce(size_t stage, int64_t tiles, float* gradients, Executor* executor) const;

  int64_t bytes() const { return sums_.bytes(); }

 private:
  const Program& program_;
  std::vector<int64_t> offsets_;         // by parameter; -1 without a gradient
  std::vector<std::vector<int>> first_;  // by stage: parameters first touched there
  std::vector<std::vector<int>> last_;   // by stage: parameters last touched there
  int64_t floats_ = 0;                   // of a tile
  Buffer sums_;                          // [tiles][floats_]
};

}  // namespace csc::onednn

#endif  // CSC_SOLVERS_ENGINES_ONEDNN_GRADIENT_SUMS_H_
