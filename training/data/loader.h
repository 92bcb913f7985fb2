// Batches of an epoch: which images, and what augmentation takes of each. No pixel is
// touched here: whoever takes a step reads those of the data set.

#ifndef CSC_TRAINING_DATA_LOADER_H_
#define CSC_TRAINING_DATA_LOADER_H_

#include <cstdint>
#include <vector>

#include "training/data/dataset.h"

namespace csc {

struct Batch {
  std::vector<ByteImage> images;  // [N], their pixels the data set's
  std::vector<int32_t> labels;    // [N]
  int64_t all_images = 0;         // of the step, those of other processes included

  int64_t size() const { return static_cast<int64_t>(labels.size()); }
};

struct LoaderOptions {
  int64_t batch_size = 128;
  bool augment = false;
  uint64_t seed = 0;
  // Of several processes that train together each gets its share of the
  // images of every step.
  int rank = 0;
  int size = 1;
};

// Of an image padded by `padding` pixels all round a random part, and with `flip` its
// mirror image every other time: a pure function of seed, epoch and the sample's index
// in the training set.
Crop RandomCrop(int padding, bool flip, uint64_t seed, uint64_t epoch, uint32_t index);

// 4 for images of 32 x 32 (the usual choice), and in proportion: 1 for 8 x 8.
int AugmentationPadding(const Shape& shape);

// Reads `data`, which must outlive it and the batches.
class Loader {
 public:
  Loader(const DataSet& data, const LoaderOptions& options);

  // Batches of an epoch; the last may be smaller.
  int64_t NumBatches() const;

  // Batch `step` of the epoch. The first of another epoch than the last time takes
  // longer: it draws the order of all images.
  Batch Get(int64_t epoch, int64_t step);

 private:
  const DataSet& data_;
  const LoaderOptions options_;
  int64_t order_epoch_ = -1;
  std::vector<uint32_t> order_;
};

}  // namespace csc

#endif  // CSC_TRAINING_DATA_LOADER_H_
