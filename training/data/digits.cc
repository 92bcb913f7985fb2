#include <string>

#include "training/data/dataset.h"

namespace csc {

// Rows of 64 pixels and a label; made from digits.csv.gz by the build.
extern const unsigned char kDigits[];
extern const unsigned kDigitsSize;

DataSet LoadDigits() {
  constexpr int64_t kPixels = 64;
  const int64_t count = kDigitsSize / (kPixels + 1);

  DataSet data;
  data.name = "digits";
  for (int i = 0; i < 10; ++i) data.classes.push_back(std::to_string(i));
  data.white = 16;
  data.mirrored = false;
  data.train.shape = data.test.shape = {1, 8, 8};
  for (int64_t n = 0; n < count; ++n) {
    const unsigned char* row = kDigits + n * (kPixels + 1);
    Images& images = n % 5 == 4 ? data.test : data.train;
    images.pixels.insert(images.pixels.end(), row, row + kPixels);
    images.labels.push_back(row[kPixels]);
  }
  return data;
}

}  // namespace csc
