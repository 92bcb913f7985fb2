// Batches of an epoch, prepared one ahead on a thread of their own.

#ifndef CSC_TRAINING_DATA_LOADER_H_
#define CSC_TRAINING_DATA_LOADER_H_

#include <cstdint>
#include <future>
#include <vector>

#include "training/data/dataset.h"

namespace csc {

struct Batch {
  std::vector<float> images;    // [N, C, H, W]
  std::vector<int32_t> labels;  // [N]
  int64_t all_images = 0;       // of the step, those of other processes included

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

// Random translation by up to `padding` pixels each way, zeros moving in, and
// with `flip` a mirror image every other time: a pure function of seed, epoch
// and the sample's index in the training set. `image` is [C, H, W].
void Augment(const Shape& shape, int padding, bool flip, uint64_t seed, uint64_t epoch,
             uint32_t index, float* image);

// 4 for images of 32 x 32 (the usual choice), and in proportion: 1 for 8 x 8.
int AugmentationPadding(const Shape& shape);

// Reads `data`, which must outlive it.
class Loader {
 public:
  Loader(const DataSet& data, const LoaderOptions& options);
  ~Loader();

  // Batches of an epoch; the last may be smaller.
  int64_t NumBatches() const;

  // Batch `step` of the epoch. Asked for in order, it is ready by then.
  Batch Get(int64_t epoch, int64_t step);

 private:
  Batch Make(int64_t epoch, int64_t step);

  const DataSet& data_;
  const LoaderOptions options_;
  // Used by one thread at a time: Get joins the future before Make.
  int64_t order_epoch_ = -1;
  std::vector<uint32_t> order_;
  int64_t next_epoch_ = -1;
  int64_t next_step_ = -1;
  std::future<Batch> next_;
};

}  // namespace csc

#endif  // CSC_TRAINING_DATA_LOADER_H_
