#include "training/data/loader.h"

#include <algorithm>

#include "training/parallel/communicator.h"
#include "training/random.h"

namespace csc {

int AugmentationPadding(const Shape& shape) {
  const int64_t side = std::min(shape.height, shape.width);
  return static_cast<int>(std::clamp<int64_t>(side / 8, 0, 4));
}

void Augment(const Shape& shape, int padding, bool flip, uint64_t seed, uint64_t epoch,
             uint32_t index, float* image) {
  Random random(seed, Stream::kAugmentation, {epoch, index});
  const int64_t down = int64_t{random.Below(2 * padding + 1)} - padding;
  const int64_t right = int64_t{random.Below(2 * padding + 1)} - padding;
  const bool mirror = random.Below(2) == 1 && flip;
  const std::vector<float> src(image, image + shape.size());
  for (int64_t c = 0; c < shape.channels; ++c) {
    for (int64_t h = 0; h < shape.height; ++h) {
      for (int64_t w = 0; w < shape.width; ++w) {
        const int64_t from_h = h + down;
        const int64_t from_w = (mirror ? shape.width - 1 - w : w) + right;
        const bool inside =
            0 <= from_h && from_h < shape.height && 0 <= from_w && from_w < shape.width;
        *image++ = inside ? src[(c * shape.height + from_h) * shape.width + from_w] : 0.0f;
      }
    }
  }
}

Loader::Loader(const DataSet& data, const LoaderOptions& options)
    : data_(data), options_(options) {}

Loader::~Loader() {
  if (next_.valid()) next_.wait();
}

int64_t Loader::NumBatches() const {
  return (data_.train.size() + options_.batch_size - 1) / options_.batch_size;
}

Batch Loader::Get(int64_t epoch, int64_t step) {
  Batch batch;
  if (next_.valid()) batch = next_.get();
  if (epoch != next_epoch_ || step != next_step_) batch = Make(epoch, step);
  next_epoch_ = step + 1 < NumBatches() ? epoch : epoch + 1;
  next_step_ = step + 1 < NumBatches() ? step + 1 : 0;
  next_ = std::async(std::launch::async, &Loader::Make, this, next_epoch_, next_step_);
  return batch;
}

Batch Loader::Make(int64_t epoch, int64_t step) {
  if (epoch != order_epoch_) {
    order_ = Permutation(options_.seed, epoch, static_cast<uint32_t>(data_.train.size()));
    order_epoch_ = epoch;
  }
  const int64_t first = step * options_.batch_size;
  const int64_t all = std::min(options_.batch_size, data_.train.size() - first);
  const Share share = ShareOf(all, options_.rank, options_.size);
  const int64_t begin = first + share.begin;
  const int64_t count = share.size();
  const Shape& shape = data_.train.shape;
  Batch batch;
  batch.all_images = all;
  batch.images.resize(count * shape.size());
  ToFloat(data_, data_.train, order_.data() + begin, count, batch.images.data());
  for (int64_t n = 0; n < count; ++n) {
    const uint32_t index = order_[begin + n];
    batch.labels.push_back(data_.train.labels[index]);
    if (options_.augment) {
      Augment(shape, AugmentationPadding(shape), data_.mirrored, options_.seed, epoch, index,
              batch.images.data() + n * shape.size());
    }
  }
  return batch;
}

}  // namespace csc
