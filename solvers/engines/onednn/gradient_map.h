// A filter gradient by kernels of our own, on blocked values.
//
// Ownership: values, sums and scratch memory belong to the caller. An object is
// immutable and serves any number of threads.

#ifndef CSC_SOLVERS_ENGINES_ONEDNN_GRADIENT_MAP_H_
#define CSC_SOLVERS_ENGINES_ONEDNN_GRADIENT_MAP_H_

#include <cstdint>
#include <string>

#include "solvers/engines/onednn/kernels.h"

namespace csc::onednn {

class GradientMap {
 public:
  virtual ~GradientMap() = default;

  virtual std::string Describe() const = 0;
  // Of a gradient in the order and the domain in which it is summed.
  virtual int64_t gradient_floats() const = 0;
  // That Accumulate needs for so many images.
  virtual int64_t gradient_scratch_floats(int64_t images) const = 0;
  // sums += scale * the gradient of `images` images.
  virtual void Accumulate(Plane image, Plane code, int64_t images, float scale, float* sums,
                          float* scratch) const = 0;
  // gradient [w, C, kh, kw] += the filter gradient in `sums`.
  virtual void AddGradient(const float* sums, float* gradient) const = 0;
};

}  // namespace csc::onednn

#endif  // CSC_SOLVERS_ENGINES_ONEDNN_GRADIENT_MAP_H_
