#include "training/data/dataset.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "solvers/error.h"
#include "tests/training/temporary_folder.h"

namespace csc::test {
namespace {

TEST(DigitsTest, HoldThePublishedImages) {
  const DataSet data = LoadDigits();
  EXPECT_EQ(data.train.size(), 1438);
  EXPECT_EQ(data.test.size(), 359);
  EXPECT_EQ(data.train.shape, (Shape{1, 8, 8}));
  EXPECT_EQ(data.classes.size(), 10u);
  EXPECT_FALSE(data.mirrored);
  // The first image is a zero, the fifth a four.
  EXPECT_EQ(data.train.labels[0], 0);
  EXPECT_EQ(data.test.labels[0], 4);
  const std::vector<uint8_t> first_row(data.train.pixels.begin(), data.train.pixels.begin() + 8);
  EXPECT_EQ(first_row, (std::vector<uint8_t>{0, 0, 5, 13, 9, 1, 0, 0}));
  int64_t sum = 0;
  for (const Images* images : {&data.train, &data.test}) {
    for (uint8_t pixel : images->pixels) {
      ASSERT_LE(pixel, 16);
      sum += pixel;
    }
    for (int32_t label : images->labels) {
      ASSERT_TRUE(0 <= label && label < 10);
    }
  }
  EXPECT_EQ(sum, 561718);  // of digits.csv.gz
}

TEST(DigitsTest, BecomeFloatsFromZeroToOne) {
  const DataSet data = LoadDigits();
  std::vector<float> image(2 * 64);
  const uint32_t indices[] = {3, 0};
  ToFloat(data, data.train, indices, 2, nullptr, image.data());
  EXPECT_EQ(image[64 + 3], 13 / 16.0f);
  for (int i = 0; i < 64; ++i) {
    ASSERT_EQ(image[i], data.train.pixels[3 * 64 + i] / 16.0f);
  }
}

TEST(LimitTest, KeepsEvenlySpacedImages) {
  DataSet data = LoadDigits();
  const Images all = data.train;
  Limit(&data.train, 3);
  ASSERT_EQ(data.train.size(), 3);
  ASSERT_EQ(data.train.pixels.size(), 3u * 64);
  for (int i = 0; i < 3; ++i) {
    const int from = i * 1438 / 3;
    EXPECT_EQ(data.train.labels[i], all.labels[from]);
    EXPECT_TRUE(std::equal(data.train.pixels.begin() + i * 64,
                           data.train.pixels.begin() + (i + 1) * 64,
                           all.pixels.begin() + from * 64));
  }
  Limit(&data.test, 0);
  EXPECT_EQ(data.test.size(), 359);
  Limit(&data.test, 1000);
  EXPECT_EQ(data.test.size(), 359);
}

TEST(HoldOutTest, MovesEvenlySpacedImagesAndLosesNone) {
  DataSet data = LoadDigits();
  const Images all = data.train;
  HoldOut(&data, 100);
  ASSERT_EQ(data.validation.size(), 100);
  ASSERT_EQ(data.train.size(), all.size() - 100);
  EXPECT_EQ(data.validation.shape, all.shape);
  // Merged in their order they are what was there.
  int64_t kept = 0, held = 0, gap = 0;
  for (int64_t i = 0; i < all.size(); ++i) {
    const uint8_t* image = all.pixels.data() + i * 64;
    const bool is_held = held < 100 && data.validation.labels[held] == all.labels[i] &&
                         std::equal(image, image + 64, data.validation.pixels.data() + held * 64);
    ++gap;
    if (is_held) {
      EXPECT_TRUE(gap == 14 || gap == 15) << gap;  // 1438 / 100
      gap = 0;
      ++held;
    } else {
      ASSERT_EQ(data.train.labels[kept], all.labels[i]);
      ASSERT_TRUE(std::equal(image, image + 64, data.train.pixels.data() + kept * 64));
      ++kept;
    }
  }
  EXPECT_EQ(held, 100);
  EXPECT_NE(Fingerprint(data), Fingerprint(LoadDigits()));
  CSC_EXPECT_ERROR(HoldOut(&data, data.train.size()), "1338 of 1338", "at least one");
}

TEST(FingerprintTest, DiffersWhereAnythingDoes) {
  const DataSet data = LoadDigits();
  const uint64_t original = Fingerprint(data);
  EXPECT_EQ(Fingerprint(LoadDigits()), original);
  DataSet changed = data;
  changed.test.pixels.back() ^= 1;
  EXPECT_NE(Fingerprint(changed), original);
  changed = data;
  changed.train.labels[17] ^= 1;
  EXPECT_NE(Fingerprint(changed), original);
  changed = data;
  changed.classes[3] = "three";
  EXPECT_NE(Fingerprint(changed), original);
  changed = data;
  Limit(&changed.train, 1437);
  EXPECT_NE(Fingerprint(changed), original);
}

TEST(NoteCountsTest, SpeaksWhereImagesAreMissing) {
  DataSet data = LoadDigits();
  NoteCounts(1438, 359, &data);
  EXPECT_TRUE(data.notes.empty());
  NoteCounts(1438, 360, &data);
  ASSERT_EQ(data.notes.size(), 1u);
  for (const char* part : {"1438 training", "359 test", "1438 and 360"}) {
    EXPECT_NE(data.notes[0].find(part), std::string::npos) << data.notes[0];
  }
}

}  // namespace
}  // namespace csc::test
