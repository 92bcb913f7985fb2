// Filter gradients that are summed over the whole batch once all tiles are through a
// stage: those of many filters and small values, whose sums a tile would write and read
// again for a few products each. Workers share a gradient's parts; each is summed in the
// order of images.

#ifndef CSC_SOLVERS_ENGINES_ONEDNN_BATCH_GRADIENTS_H_
#define CSC_SOLVERS_ENGINES_ONEDNN_BATCH_GRADIENTS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "solvers/engines/onednn/buffer.h"
#include "solvers/engines/onednn/direct_gradient.h"
#include "solvers/engines/onednn/plan.h"
#include "solvers/program/program.h"

namespace csc::onednn {

class BatchGradients {
 public:
  // `program` must outlive it.
  BatchGradients(const Program& program, const Plan& plan);

  // What a gradient is taken of, for the whole batch.
  struct Values {
    Plane image, code;
    float scale;
  };
  using ValuesOf = std::function<Values(int instruction)>;

  bool empty() const { return sums_floats_ == 0; }
  void Reserve() { sums_.Grow(sums_floats_); }
  int64_t num_parts(size_t stage) const { return static_cast<int64_t>(parts_[stage].size()); }
  // Adds a part of a stage's gradients of `images` images to its sums, and these, if they
  // are complete, to `gradients` [program.parameter_size()].
  void Run(size_t stage, int64_t part, const ValuesOf& values_of, int64_t images, float* gradients);

  int64_t bytes() const { return sums_.bytes(); }

 private:
  // Those of a stage that add to the same sums, in order.
  struct Sum {
    std::vector<std::pair<int, std::unique_ptr<DirectGradient>>> terms;  // by instruction
    int64_t offset = 0;
    int64_t parameter_offset = 0;
    bool is_first = false, is_last = false;  // of the stages that add to them
  };
  struct Part {
    const Sum* sum;
    int64_t index;
  };

  std::vector<std::map<int, Sum>> stages_;  // by parameter
  std::vector<std::vector<Part>> parts_;    // by stage
  int64_t sums_floats_ = 0;
  Buffer sums_;
};

}  // namespace csc::onednn

#endif  // CSC_SOLVERS_ENGINES_ONEDNN_BATCH_GRADIENTS_H_
