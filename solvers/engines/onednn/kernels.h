// SIMD kernels over blocked values, [blocks][H * W][block] for each image.
//
// Elementwise instructions of one shape run together, strip by strip: what one
// writes the next reads from the first-level cache, and values that no other
// instruction reads exist as strips only. All kernels take the distance between
// images, so that a value may lie inside a larger one.

#ifndef CSC_SOLVERS_ENGINES_ONEDNN_KERNELS_H_
#define CSC_SOLVERS_ENGINES_ONEDNN_KERNELS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "solvers/program/program.h"

namespace csc::onednn {

// A value of some images: image n starts at data + n * image_stride.
struct Plane {
  float* data = nullptr;
  int64_t image_stride = 0;

  float* image(int64_t n) const { return data + n * image_stride; }
};

// An operand of an elementwise operation: a value in memory, or a strip that only
// the operations running together see.
struct Operand {
  Plane plane;
  int slot = -1;         // of a strip's
  bool streams = false;  // lies in memory that no cache holds
};

constexpr int kMostSlots = 16;
constexpr int kMaxTerms = 6;  // longer sums are split by the planner

enum class ElementKind {
  kPointwise,         // result = P_b(a * sum of coefficient * terms)
  kMask,              // result = terms[0] where terms[1] != 0
  kNormaliseAdjoint,  // result = a * (terms[0] - b - c * terms[1])
  // Sums over positions, in double, added to `sums` ([rows][lanes]):
  kSum,             // terms[0]
  kSumTimesSecond,  // terms[0] * terms[1]
  kSumTimesSign,    // terms[0] * sign(terms[1])
  kSumAndSquares,   // rows: terms[0]; terms[0]^2
  kSumAndProducts,  // rows: terms[0]; terms[0] * terms[1]
};

struct ElementOp {
  ElementKind kind = ElementKind::kPointwise;
  Shrink shrink = Shrink::kNone;
  int num_terms = 0;
  Operand terms[kMaxTerms];
  float coefficients[kMaxTerms] = {};
  Operand result;
  const float* a = nullptr;  // by lane; null: 1
  const float* b = nullptr;  // by lane; null: 0
  const float* c = nullptr;  // by lane
  double* sums = nullptr;
};

// The part of some images on which operations run.
struct ElementRange {
  int64_t first_image = 0, end_image = 0;
  int64_t first_lane = 0, end_lane = 0;  // whole blocks
  int64_t first_pixel = 0, end_pixel = 0;
};

// Runs the operations in order on a range of images of `lanes` x `pixels`.
void RunElementwise(const std::vector<ElementOp>& ops, const ElementRange& range, int64_t lanes,
                    int64_t pixels, int block);

// A pooling without pads: `large` is what it pools, `small` what comes out.
struct Pool {
  Shape large, small;
  Geometry geometry;  // kernel and strides
  int64_t images = 0, lanes = 0;
};

void MaxPool(const Pool& pool, Plane x, Plane y, int block);
// The gradient goes to the first position of a window that holds its maximum.
void MaxPoolAdjoint(const Pool& pool, Plane dy, Plane x, Plane dx, int block);
void AveragePool(const Pool& pool, Plane x, Plane y, int block);
void AveragePoolAdjoint(const Pool& pool, Plane dy, Plane dx, int block);

// The instruction set in use: "AVX3" (AVX-512), "AVX2", ...
std::string SimdTarget();

}  // namespace csc::onednn

#endif  // CSC_SOLVERS_ENGINES_ONEDNN_KERNELS_H_
