#include "training/data/svhn.h"

#include <filesystem>
#include <utility>
#include <vector>

#include "solvers/error.h"
#include "training/data/mat_file.h"

namespace csc {

namespace {

constexpr int64_t kSide = 32;
constexpr int64_t kPixels = 3 * kSide * kSide;
constexpr int kClasses = 10;

// From columns to rows and back.
void Transpose(uint8_t* plane) {
  for (int64_t i = 0; i < kSide; ++i) {
    for (int64_t j = 0; j < i; ++j) std::swap(plane[i * kSide + j], plane[j * kSide + i]);
  }
}

Images ReadSplit(const std::string& path) {
  std::error_code error;
  Require(std::filesystem::exists(path, error),
          "{}: cannot be opened: the cropped digits of SVHN expected, train_32x32.mat and "
          "test_32x32.mat",
          path);
  MatFile file(path);
  Images images;
  images.shape = {3, kSide, kSide};
  // y first: it is small, and refuses a wrong file before X is read.
  const std::vector<double> labels = file.ReadNumbers("y", {0, 1});
  for (size_t i = 0; i < labels.size(); ++i) {
    const double label = labels[i];
    Require(1 <= label && label <= kClasses && label == static_cast<int>(label),
            "{}: y has the label {} for image {}: 1..{} expected, {} for the digit 0", path, label,
            i, kClasses, kClasses);
    images.labels.push_back(static_cast<int32_t>(label) % kClasses);
  }
  images.pixels = file.ReadBytes("X", {kSide, kSide, 3, 0});
  const auto count = static_cast<int64_t>(images.pixels.size()) / kPixels;
  Require(count == images.size(), "{}: X holds {} images and y {} labels: as many expected", path,
          count, images.size());
  for (int64_t i = 0; i < 3 * count; ++i) Transpose(images.pixels.data() + i * kSide * kSide);
  return images;
}

}  // namespace

DataSet LoadSvhn(const std::string& folder) {
  DataSet data;
  data.name = "svhn:" + folder;
  for (int i = 0; i < kClasses; ++i) data.classes.push_back(std::to_string(i));
  data.mirrored = false;
  data.train = ReadSplit(folder + "/train_32x32.mat");
  data.test = ReadSplit(folder + "/test_32x32.mat");
  NoteCounts(73257, 26032, &data);
  return data;
}

}  // namespace csc
