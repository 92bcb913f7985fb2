#include <fstream>
#include <iterator>

#include "solvers/error.h"
#include "training/data/dataset.h"

namespace csc {

namespace {

constexpr int64_t kPixels = 3 * 32 * 32;
constexpr int64_t kRecord = kPixels + 1;
constexpr int kClasses = 10;

// Appends the records of one file.
void ReadBatch(const std::string& path, Images* images) {
  std::ifstream file(path, std::ios::binary);
  Require(file.good(),
          "{}: cannot be opened: the binary version of CIFAR-10 expected, "
          "data_batch_1.bin to data_batch_5.bin and test_batch.bin",
          path);
  const std::vector<char> bytes((std::istreambuf_iterator<char>(file)), {});
  const int64_t size = static_cast<int64_t>(bytes.size());
  Require(size > 0 && size % kRecord == 0,
          "{}: has {} bytes: a whole number of records of {} bytes expected "
          "({} bytes in the published files)",
          path, size, kRecord, 10000 * kRecord);
  for (int64_t begin = 0; begin < size; begin += kRecord) {
    const int label = static_cast<unsigned char>(bytes[begin]);
    Require(label < kClasses, "{}: record {} has label {}: 0..{} expected", path, begin / kRecord,
            label, kClasses - 1);
    images->labels.push_back(label);
  }
  images->pixels.reserve(images->pixels.size() + size);
  for (int64_t begin = 0; begin < size; begin += kRecord) {
    images->pixels.insert(images->pixels.end(), bytes.begin() + begin + 1,
                          bytes.begin() + begin + kRecord);
  }
}

}  // namespace

DataSet LoadCifar10(const std::string& folder) {
  DataSet data;
  data.name = "cifar10:" + folder;
  data.classes = {"airplane", "automobile", "bird",  "cat",  "deer",
                  "dog",      "frog",       "horse", "ship", "truck"};
  data.train.shape = data.test.shape = {3, 32, 32};
  for (int i = 1; i <= 5; ++i) {
    ReadBatch(folder + "/data_batch_" + std::to_string(i) + ".bin", &data.train);
  }
  ReadBatch(folder + "/test_batch.bin", &data.test);
  return data;
}

}  // namespace csc
