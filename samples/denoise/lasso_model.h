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

// The same dictionary over pixel phases. An image of one channel is also
// stride * stride channels of H / stride x W / stride: channel stride * i + j
// holds the pixels of the rows i and columns j modulo stride. Filters
// [w, 1, size, size] moved by `stride` pixels at a time are there filters
// [w, stride * stride, size / stride, size / stride] moved by one: the same
// sums, in the form that engines run fastest.
Tensor ToPhases(const Tensor& filters, int stride);

struct LassoModelOptions {
  double beta = 0;  // of all atoms but the first, which is free
  int max_iterations = 20;
  double tolerance = 1e-3;
};

// The model as the bytes of an ONNX file: input and output [N, C, H, W] of any
// height and width, for filters [w, C, kh, kw] without strides or pads. The first filter carries
// the local mean, which is not sparse, so its beta is 0.
std::string MakeLassoModel(const Tensor& filters, const LassoModelOptions& options);

}  // namespace csc

#endif  // CSC_SAMPLES_DENOISE_LASSO_MODEL_H_
