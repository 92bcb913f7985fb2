// A two-node ONNX model: sparse codes of an image by csc.Lasso, and the image
// that they stand for by csc.Synthesis.

#ifndef CSC_SAMPLES_DENOISE_LASSO_MODEL_H_
#define CSC_SAMPLES_DENOISE_LASSO_MODEL_H_

#include <string>

#include "solvers/tensor.h"

namespace csc {

// The atoms of the two-dimensional discrete cosine transform of size x size
// pixels, [size * size, 1, size, size], each of norm 1, the constant one first.
// Moved by `size` pixels they are an orthonormal basis of images, moved by half
// of that they are four times as many as an image has pixels: an overcomplete
// convolutional dictionary.
Tensor CosineAtoms(int size);

struct LassoModelOptions {
  int stride = 4;          // pixels from one place of an atom to the next
  double beta = 0;         // of all atoms but the first, which is free
  double step = 0;         // of the iteration; 0 lets csc.Lasso choose
  int max_iterations = 20;
  double tolerance = 1e-3;
};

// The model as the bytes of an ONNX file: input and output [N, 1, H, W] of any
// size. The first filter carries the local mean, which is not sparse, so its
// beta is 0.
std::string MakeLassoModel(const Tensor& filters, const LassoModelOptions& options);

}  // namespace csc

#endif  // CSC_SAMPLES_DENOISE_LASSO_MODEL_H_
