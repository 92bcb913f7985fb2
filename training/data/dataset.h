// Labelled images in memory, and the readers that need nothing but files.
//
// Pixels are kept as the bytes they come as, a quarter of float's memory, and become
// floats in [0, 1] where a program reads them (solvers/engines/byte_images.h). The
// models want pixels of at least 0: the identity channels of MSD-CSC pass through a
// ReLU.

#ifndef CSC_TRAINING_DATA_DATASET_H_
#define CSC_TRAINING_DATA_DATASET_H_

#include <cstdint>
#include <string>
#include <vector>

#include "solvers/engines/byte_images.h"
#include "solvers/tensor.h"

namespace csc {

struct Images {
  Shape shape;                  // of one image, RGB or grey
  std::vector<uint8_t> pixels;  // [N, C, H, W]
  std::vector<int32_t> labels;  // [N], in 0..K-1

  int64_t size() const { return static_cast<int64_t>(labels.size()); }
  ByteImage At(int64_t index, const Crop& crop = {}) const {
    return {pixels.data() + index * shape.size(), crop};
  }
};

struct DataSet {
  std::string name;                  // as given to --data
  std::vector<std::string> classes;  // K names
  uint8_t white = 255;               // the byte that stands for 1.0
  bool mirrored = true;              // whether a mirrored image shows the same class
  Images train;
  Images validation;  // held out of the training images; may be empty
  Images test;
  std::vector<std::string> notes;  // what the user should know, a line each
};

// Keeps `count` images evenly spaced over all of them, so that a folder sorted
// by class keeps every class; all when `count` is 0 or more than there are.
void Limit(Images* images, int64_t count);

// Moves `count` training images, evenly spaced over all of them, to
// `data->validation`. The same ones whatever the seed, so that runs compare.
// Throws Error unless at least one image is left to train on.
void HoldOut(DataSet* data, int64_t count);

// Notes where there are not as many images as published: a subset, or a file
// that was cut off between two images.
void NoteCounts(int64_t train, int64_t test, DataSet* data);

// `count` images at `indices` as floats in [0, 1], [count, C, H, W]. Without an executor it
// is the calling thread's work.
void ToFloat(const DataSet& data, const Images& images, const uint32_t* indices, int64_t count,
             Executor* executor, float* dst);

// A number that differs where shapes, pixels, labels or classes do: a training
// must not be continued on other data.
uint64_t Fingerprint(const DataSet& data);

// 1,797 handwritten digits of 8 x 8 pixels and 17 grey levels, part of the
// program (digits.md says whose). Every fifth is in the test set, 359 in all.
DataSet LoadDigits();

}  // namespace csc

#endif  // CSC_TRAINING_DATA_DATASET_H_
