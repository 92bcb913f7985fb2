// lambda_max of a convolutional dictionary, quickly.

#ifndef CSC_TRAINING_MODELS_LARGEST_EIGENVALUE_H_
#define CSC_TRAINING_MODELS_LARGEST_EIGENVALUE_H_

#include "solvers/geometry.h"
#include "solvers/tensor.h"

namespace csc {

// lambda_max(D^T D) of D = F^T, the filters [w, C, kh, kw] at every position
// of an image without end, strides included. (Of [I, F^T] it is 1 more: the
// paper's Lemma 3.) Estimated from below, to a percent or so, in a second
// for the largest networks, where the proven csc::DictionaryBound
// takes minutes. 0 for F = 0.
double LargestEigenvalue(const Tensor& filters, const Geometry& geometry);

}  // namespace csc

#endif  // CSC_TRAINING_MODELS_LARGEST_EIGENVALUE_H_
