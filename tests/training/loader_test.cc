#include "training/data/loader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "tests/training/small_training.h"
#include "training/random.h"

namespace csc::test {
namespace {

bool Same(const Batch& a, const Batch& b) { return a.images == b.images && a.labels == b.labels; }

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
    EXPECT_EQ(batch.images.size(), batch.labels.size() * 64);
    seen.insert(batch.labels.begin(), batch.labels.end());
    for (int64_t n = 0; n < batch.size(); ++n) {
      for (int i = 0; i < 64; ++i) {
        ASSERT_EQ(batch.images[n * 64 + i], data.train.pixels[batch.labels[n] * 64 + i] / 16.0f);
      }
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

TEST(AugmentTest, MovesAndMirrorsTheWholeImage) {
  const Shape shape = {2, 6, 5};
  std::vector<float> image(shape.size());
  for (size_t i = 0; i < image.size(); ++i) image[i] = 1.0f + i;
  std::set<std::vector<float>> different;
  for (uint32_t index = 0; index < 200; ++index) {
    std::vector<float> moved = image;
    Augment(shape, 1, true, 3, 0, index, moved.data());
    different.insert(moved);
    // One of 3 x 3 translations, mirrored or not, zeros moving in.
    bool explained = false;
    for (int mirror : {0, 1}) {
      for (int down : {-1, 0, 1}) {
        for (int right : {-1, 0, 1}) {
          bool equal = true;
          for (int64_t c = 0; c < 2; ++c) {
            for (int64_t h = 0; h < 6; ++h) {
              for (int64_t w = 0; w < 5; ++w) {
                const int64_t y = h + down;
                const int64_t x = (mirror ? 4 - w : w) + right;
                const bool in = 0 <= y && y < 6 && 0 <= x && x < 5;
                const float wanted = in ? image[(c * 6 + y) * 5 + x] : 0.0f;
                equal = equal && moved[(c * 6 + h) * 5 + w] == wanted;
              }
            }
          }
          explained = explained || equal;
        }
      }
    }
    ASSERT_TRUE(explained) << "sample " << index;
  }
  EXPECT_EQ(different.size(), 18u);  // all of them turn up
}

TEST(AugmentTest, NeverMirrorsDigitsAndKeepsToTheUsualPadding) {
  EXPECT_EQ(AugmentationPadding({3, 32, 32}), 4);
  EXPECT_EQ(AugmentationPadding({1, 8, 8}), 1);
  EXPECT_EQ(AugmentationPadding({3, 224, 224}), 4);
  EXPECT_EQ(AugmentationPadding({3, 4, 100}), 0);
  const Shape shape = {1, 1, 8};
  const std::vector<float> image = {1, 2, 3, 4, 5, 6, 7, 8};
  for (uint32_t index = 0; index < 50; ++index) {
    std::vector<float> same = image;
    Augment(shape, 0, false, 1, 1, index, same.data());
    ASSERT_EQ(same, image);
  }
}

}  // namespace
}  // namespace csc::test
