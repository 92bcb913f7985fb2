#include "solvers/engines/byte_images.h"

#include <gtest/gtest.h>

#include <vector>

#include "solvers/executor.h"
#include "tests/solvers/random.h"
#include "tests/solvers/random_images.h"

namespace csc::test {
namespace {

// Pixel by pixel: the definition.
std::vector<float> Converted(const ByteBatch& batch, const Shape& shape) {
  std::vector<float> floats;
  for (const ByteImage& image : batch.images) {
    for (int64_t c = 0; c < shape.channels; ++c) {
      for (int64_t y = 0; y < shape.height; ++y) {
        for (int64_t x = 0; x < shape.width; ++x) {
          const int64_t row = y + image.crop.down;
          const int64_t column = (image.crop.mirrored ? shape.width - 1 - x : x) + image.crop.right;
          const bool inside = 0 <= row && row < shape.height && 0 <= column && column < shape.width;
          const int64_t at = (c * shape.height + row) * shape.width + column;
          floats.push_back(inside ? image.pixels[at] / static_cast<float>(batch.white) : 0.0f);
        }
      }
    }
  }
  return floats;
}

TEST(ByteImages, AreConvertedAsDefinedWhateverTheThreads) {
  const auto pool = MakeThreadPool(3);
  ForEachSeed(200, [&](Random* random) {
    const Shape shape = {random->Int(1, 4), random->Int(1, 40), random->Int(1, 40)};
    const ByteBatch batch = RandomImages(random, shape, random->Int(0, 9));
    const auto count = static_cast<int64_t>(batch.images.size());
    const std::vector<float> expected = Converted(batch, shape);
    for (Executor* executor : {static_cast<Executor*>(nullptr), pool.get()}) {
      std::vector<float> floats(expected.size(), -1);
      ConvertImages(batch.images.data(), count, batch.white, shape, executor, floats.data());
      EXPECT_EQ(floats, expected);
    }
  });
}

}  // namespace
}  // namespace csc::test
