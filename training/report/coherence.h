// Mutual coherence of a convolutional dictionary.

#ifndef CSC_TRAINING_REPORT_COHERENCE_H_
#define CSC_TRAINING_REPORT_COHERENCE_H_

#include "solvers/executor.h"
#include "solvers/geometry.h"
#include "solvers/tensor.h"

namespace csc {

// mu(D), the largest |<d_i, d_j>| / (||d_i|| ||d_j||) of two distinct atoms
// (Lemma 1 of the paper).
//
// An atom is a filter of `filters` [w, C, kh, kw], its taps `dilations` apart,
// at one position; the same filter at another position is another atom. So the
// largest is taken over all pairs of filters (a filter with itself included)
// and over all shifts between two positions that codes have: whole multiples
// of the strides, the shift 0 of a filter against itself left out. Inner
// products of shifted atoms are the filters' cross-correlations, computed
// directly. Atoms that the border of an image cuts are not looked at, so the
// figure holds for images of any size; at stride 1 it does not depend on the
// dilation.
//
// `identity` adds the atoms of I in [I, F^T], one for each channel and
// position: such an atom meets an atom of F^T in one of its weights, and other
// atoms of I never.
//
// Filters of zeros have no direction and are left out; 0 where no two atoms
// remain. Works on `executor` (null: serial).
double MutualCoherence(const Tensor& filters, const Geometry& geometry, bool identity,
                       Executor* executor = nullptr);

}  // namespace csc

#endif  // CSC_TRAINING_REPORT_COHERENCE_H_
