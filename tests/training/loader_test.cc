#include "training/data/loader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <tuple>
#include <vector>

#include "tests/training/small_training.h"
#include "training/random.h"

namespace csc::test {
namespace {

bool SameImage(const ByteImage& a, const ByteImage& b) {
  return a.pixels == b.pixels && a.crop.down == b.crop.down && a.crop.right == b.crop.right &&
         a.crop.mirrored == b.crop.mirrored;
}

bool Same(const Batch& a, const Batch& b) {
  return std::equal(a.images.begin(), a.images.end(), b.images.begin(), b.images.end(),
                    SameImage) &&
         a.labels == b.labels;
}

TEST(LoaderTest, AnEpochHoldsEveryImageOnce) {
  DataSet data = LoadDigits();
  Limit(&data.train, 100);
  for (size_t i = 0; i < 100; ++i) data.train.labels[i] = static_cast<int>(i);
  Loader loader(data, {32, false, 1});
  ASSERT_EQ(loader.NumBatches(), 4);
  std::multiset<int32_t> seen;
  for (int step = 0; step < 4; ++step) {
    const Batch batch = loader.Get(0, step);
    EXPECT_EQ(batch.size(), step < 3 ? 32 : 4);
    EXPECT_EQ(batch.images.size(), batch.labels.size());
    seen.insert(batch.labels.begin(), batch.labels.end());
    for (int64_t n = 0; n < batch.size(); ++n) {
      EXPECT_TRUE(SameImage(batch.images[n], data.train.At(batch.labels[n])));
    }
  }
  EXPECT_EQ(seen.size(), 100u);
  EXPECT_EQ(std::set<int32_t>(seen.begin(), seen.end()).size(), 100u);
}

TEST(LoaderTest, ABatchDoesNotDependOnWhatWasAskedBefore) {
  const DataSet data = LoadDigits();
  const LoaderOptions options = {50, true, 9};
  Loader in_order(data, options);
  std::vector<Batch> batches;
  for (int epoch = 0; epoch < 2; ++epoch) {
    for (int step = 0; step < in_order.NumBatches(); ++step) {
      batches.push_back(in_order.Get(epoch, step));
    }
  }
  const int64_t per_epoch = in_order.NumBatches();
  Loader any(data, options);
  for (int64_t i : {40, 3, 4, 30, 57, 0}) {
    EXPECT_TRUE(Same(any.Get(i / per_epoch, i % per_epoch), batches[i])) << i;
  }
  EXPECT_FALSE(Same(batches[0], batches[per_epoch]));
  Loader other_seed(data, {50, true, 10});
  EXPECT_FALSE(Same(other_seed.Get(0, 0), batches[0]));
}

TEST(LoaderTest, ProcessesShareEveryBatch) {
  DataSet data = LoadDigits();
  Limit(&data.train, 100);
  Loader whole(data, {32, true, 1});
  for (int size : {2, 3, 5}) {
    for (int step = 0; step < 4; ++step) {
      const Batch expected = whole.Get(0, step);
      Batch joined;
      for (int rank = 0; rank < size; ++rank) {
        const Batch share = Loader(data, {32, true, 1, rank, size}).Get(0, step);
        EXPECT_EQ(share.all_images, expected.size());
        EXPECT_LE(share.size(), (expected.size() - 1) / size + 1);
        joined.images.insert(joined.images.end(), share.images.begin(), share.images.end());
        joined.labels.insert(joined.labels.end(), share.labels.begin(), share.labels.end());
      }
      EXPECT_TRUE(Same(joined, expected)) << size << " processes, step " << step;
    }
  }
}

TEST(AugmentTest, TakesEveryCropOfThePaddedImageMirroredOrNot) {
  std::set<std::tuple<int, int, bool>> different;
  for (uint32_t index = 0; index < 400; ++index) {
    const Crop crop = RandomCrop(1, true, 3, 0, index);
    EXPECT_TRUE(-1 <= crop.down && crop.down <= 1 && -1 <= crop.right && crop.right <= 1);
    different.insert({crop.down, crop.right, crop.mirrored});
    EXPECT_FALSE(RandomCrop(1, false, 3, 0, index).mirrored);
  }
  EXPECT_EQ(different.size(), 18u);
}

TEST(AugmentTest, KeepsToTheUsualPaddingAndNeverMirrorsDigits) {
  EXPECT_EQ(AugmentationPadding({3, 32, 32}), 4);
  EXPECT_EQ(AugmentationPadding({1, 8, 8}), 1);
  EXPECT_EQ(AugmentationPadding({3, 224, 224}), 4);
  EXPECT_EQ(AugmentationPadding({3, 4, 100}), 0);
  const DataSet data = LoadDigits();
  std::set<int> moved;
  for (const ByteImage& image : Loader(data, {1000, true, 1}).Get(0, 0).images) {
    EXPECT_FALSE(image.crop.mirrored);
    moved.insert({image.crop.down, image.crop.right});
  }
  EXPECT_EQ(moved, (std::set<int>{-1, 0, 1}));
}

}  // namespace
}  // namespace csc::test
