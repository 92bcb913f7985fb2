#include "training/data/loader.h"

#include <algorithm>

#include "training/parallel/communicator.h"
#include "training/random.h"

namespace csc {

int AugmentationPadding(const Shape& shape) {
  const int64_t side = std::min(shape.height, shape.width);
  return static_cast<int>(std::clamp<int64_t>(side / 8, 0, 4));
}

Crop RandomCrop(int padding, bool flip, uint64_t seed, uint64_t epoch, uint32_t index) {
  Random random(seed, Stream::kAugmentation, {epoch, index});
  const auto offset = [&] { return static_cast<int>(random.Below(2 * padding + 1)) - padding; };
  Crop crop;
  crop.down = offset();
  crop.right = offset();
  crop.mirrored = random.Below(2) == 1 && flip;
  return crop;
}

Loader::Loader(const DataSet& data, const LoaderOptions& options)
    : data_(data), options_(options) {}

int64_t Loader::NumBatches() const {
  return (data_.train.size() + options_.batch_size - 1) / options_.batch_size;
}

Batch Loader::Get(int64_t epoch, int64_t step) {
  if (epoch != order_epoch_) {
    order_ = Permutation(options_.seed, epoch, static_cast<uint32_t>(data_.train.size()));
    order_epoch_ = epoch;
  }
  const int64_t first = step * options_.batch_size;
  const int64_t all = std::min(options_.batch_size, data_.train.size() - first);
  const Share share = ShareOf(all, options_.rank, options_.size);
  const int padding = AugmentationPadding(data_.train.shape);
  Batch batch;
  batch.all_images = all;
  for (int64_t n = first + share.begin; n < first + share.end; ++n) {
    const uint32_t index = order_[n];
    const Crop crop = options_.augment
                          ? RandomCrop(padding, data_.mirrored, options_.seed, epoch, index)
                          : Crop();
    batch.images.push_back(data_.train.At(index, crop));
    batch.labels.push_back(data_.train.labels[index]);
  }
  return batch;
}

}  // namespace csc
