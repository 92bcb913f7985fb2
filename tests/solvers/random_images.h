// Random batches of images as bytes.

#ifndef CSC_TESTS_SOLVERS_RANDOM_IMAGES_H_
#define CSC_TESTS_SOLVERS_RANDOM_IMAGES_H_

#include <cstdint>
#include <vector>

#include "solvers/engines/byte_images.h"
#include "tests/solvers/random.h"

namespace csc::test {

struct ByteBatch {
  std::vector<uint8_t> pixels;    // [N, C, H, W], in 0..white
  std::vector<ByteImage> images;  // of them, most of them with some of the image and some with none
  uint8_t white = 255;
};

inline ByteBatch RandomImages(Random* random, const Shape& shape, int64_t count) {
  ByteBatch batch;
  batch.white = random->Pick<uint8_t>({16, 255});
  for (int64_t i = 0; i < count * shape.size(); ++i) {
    batch.pixels.push_back(static_cast<uint8_t>(random->Int(0, batch.white)));
  }
  const auto offset = [&](int64_t side) {
    return static_cast<int32_t>(random->Int(-side - 1, side + 1));
  };
  for (int64_t n = 0; n < count; ++n) {
    const Crop crop = {offset(shape.height), offset(shape.width), random->Chance(0.5)};
    batch.images.push_back({batch.pixels.data() + n * shape.size(), crop});
  }
  return batch;
}

}  // namespace csc::test

#endif  // CSC_TESTS_SOLVERS_RANDOM_IMAGES_H_
