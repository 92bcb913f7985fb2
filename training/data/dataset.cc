#include "training/data/dataset.h"

#include <fmt/format.h>

#include <algorithm>

#include "solvers/error.h"
#include "training/hash.h"

namespace csc {

void Limit(Images* images, int64_t count) {
  const int64_t all = images->size();
  if (count <= 0 || count >= all) return;
  const int64_t size = images->shape.size();
  for (int64_t i = 0; i < count; ++i) {
    const int64_t from = i * all / count;  // >= i: nothing is overwritten early
    images->labels[i] = images->labels[from];
    std::copy_n(images->pixels.begin() + from * size, size, images->pixels.begin() + i * size);
  }
  images->labels.resize(count);
  images->pixels.resize(count * size);
}

void HoldOut(DataSet* data, int64_t count) {
  const Images all = std::move(data->train);
  Require(0 <= count && count < all.size(),
          "{} of {} training images held out for validation: at least one must be left", count,
          all.size());
  data->train = {all.shape, {}, {}};
  data->validation = {all.shape, {}, {}};
  const int64_t size = all.shape.size();
  for (int64_t i = 0; i < all.size(); ++i) {
    // One where i count / all crosses a whole number.
    const bool held = (i + 1) * count / all.size() > i * count / all.size();
    Images& dst = held ? data->validation : data->train;
    dst.labels.push_back(all.labels[i]);
    dst.pixels.insert(dst.pixels.end(), all.pixels.begin() + i * size,
                      all.pixels.begin() + (i + 1) * size);
  }
}

void NoteCounts(int64_t train, int64_t test, DataSet* data) {
  if (data->train.size() == train && data->test.size() == test) return;
  data->notes.push_back(
      fmt::format("{} training and {} test images were read: the published files hold {} and {}",
                  data->train.size(), data->test.size(), train, test));
}

void ToFloat(const DataSet& data, const Images& images, const uint32_t* indices, int64_t count,
             Executor* executor, float* dst) {
  std::vector<ByteImage> chosen;
  for (int64_t n = 0; n < count; ++n) chosen.push_back(images.At(indices[n]));
  ConvertImages(chosen.data(), count, data.white, images.shape, executor, dst);
}

uint64_t Fingerprint(const DataSet& data) {
  Hash hash;
  for (const std::string& name : data.classes) {
    hash.Add(name.data(), name.size() + 1);
  }
  for (const Images* images : {&data.train, &data.validation, &data.test}) {
    if (images == &data.validation && images->size() == 0) continue;
    const Shape& s = images->shape;
    const int64_t sizes[] = {s.channels, s.height, s.width, images->size()};
    hash.Add(sizes, sizeof(sizes));
    hash.Add(images->pixels.data(), images->pixels.size());
    hash.Add(images->labels.data(), images->labels.size() * sizeof(int32_t));
  }
  return hash.value();
}

}  // namespace csc
