#include "training/data/cifar.h"

#include <filesystem>
#include <iterator>
#include <sstream>
#include <vector>

#include "solvers/error.h"
#include "training/file.h"

namespace csc {

namespace {

constexpr int64_t kPixels = 3 * 32 * 32;
constexpr int64_t kTrain = 50000;  // images, in both versions
constexpr int64_t kTest = 10000;

constexpr const char* kCifar100Classes[] = {
    "apple",       "aquarium_fish", "baby",      "bear",       "beaver",       "bed",
    "bee",         "beetle",        "bicycle",   "bottle",     "bowl",         "boy",
    "bridge",      "bus",           "butterfly", "camel",      "can",          "castle",
    "caterpillar", "cattle",        "chair",     "chimpanzee", "clock",        "cloud",
    "cockroach",   "couch",         "crab",      "crocodile",  "cup",          "dinosaur",
    "dolphin",     "elephant",      "flatfish",  "forest",     "fox",          "girl",
    "hamster",     "house",         "kangaroo",  "keyboard",   "lamp",         "lawn_mower",
    "leopard",     "lion",          "lizard",    "lobster",    "man",          "maple_tree",
    "motorcycle",  "mountain",      "mouse",     "mushroom",   "oak_tree",     "orange",
    "orchid",      "otter",         "palm_tree", "pear",       "pickup_truck", "pine_tree",
    "plain",       "plate",         "poppy",     "porcupine",  "possum",       "rabbit",
    "raccoon",     "ray",           "road",      "rocket",     "rose",         "sea",
    "seal",        "shark",         "shrew",     "skunk",      "skyscraper",   "snail",
    "snake",       "spider",        "squirrel",  "streetcar",  "sunflower",    "sweet_pepper",
    "table",       "tank",          "telephone", "television", "tiger",        "tractor",
    "train",       "trout",         "tulip",     "turtle",     "wardrobe",     "whale",
    "willow_tree", "wolf",          "woman",     "worm"};

// One of a record's bytes before its pixels.
struct Label {
  const char* name;
  int count;  // of its values
};

// What tells one published version from the other.
struct Version {
  const char* name;
  const char* files;          // in words
  std::vector<Label> labels;  // of a record, the class last
  std::vector<std::string> train;
  std::string test;
};

// Appends the records of one file.
void ReadRecords(const Version& version, const std::string& path, Images* images) {
  std::error_code error;
  Require(std::filesystem::exists(path, error),
          "{}: cannot be opened: the binary version of {} expected, {}", path, version.name,
          version.files);
  const std::string bytes = ReadFile(path);
  const auto num_labels = static_cast<int64_t>(version.labels.size());
  const int64_t record = num_labels + kPixels;
  const auto size = static_cast<int64_t>(bytes.size());
  Require(size > 0 && size % record == 0,
          "{}: has {} bytes: a whole number of records of {} bytes expected, as in the binary "
          "version of {}",
          path, size, record, version.name);
  for (int64_t begin = 0; begin < size; begin += record) {
    int label = 0;
    for (int64_t i = 0; i < num_labels; ++i) {
      const Label& expected = version.labels[i];
      label = static_cast<unsigned char>(bytes[begin + i]);
      Require(label < expected.count, "{}: record {} has {} {}: 0..{} expected", path,
              begin / record, expected.name, label, expected.count - 1);
    }
    images->labels.push_back(label);
    const char* pixels = bytes.data() + begin + num_labels;
    images->pixels.insert(images->pixels.end(), pixels, pixels + kPixels);
  }
}

DataSet Load(const Version& version, const std::string& folder) {
  DataSet data;
  data.train.shape = data.test.shape = {3, 32, 32};
  data.train.pixels.reserve(kTrain * kPixels);
  for (const std::string& name : version.train) {
    ReadRecords(version, folder + "/" + name, &data.train);
  }
  ReadRecords(version, folder + "/" + version.test, &data.test);
  NoteCounts(kTrain, kTest, &data);
  return data;
}

// The names would be wrong if the classes were others, or in another order.
void CheckNames(const std::string& path, const std::vector<std::string>& classes) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return;
  std::istringstream lines(ReadFile(path));
  std::vector<std::string> names;
  for (std::string name; lines >> name;) names.push_back(name);
  Require(names.size() == classes.size(), "{}: has {} names: {} expected", path, names.size(),
          classes.size());
  for (size_t i = 0; i < names.size(); ++i) {
    Require(names[i] == classes[i], "{}: name {} is \"{}\": \"{}\" expected", path, i, names[i],
            classes[i]);
  }
}

}  // namespace

DataSet LoadCifar10(const std::string& folder) {
  const Version version = {"CIFAR-10",
                           "data_batch_1.bin to data_batch_5.bin and test_batch.bin",
                           {{"label", 10}},
                           {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                            "data_batch_4.bin", "data_batch_5.bin"},
                           "test_batch.bin"};
  DataSet data = Load(version, folder);
  data.name = "cifar10:" + folder;
  data.classes = {"airplane", "automobile", "bird",  "cat",  "deer",
                  "dog",      "frog",       "horse", "ship", "truck"};
  return data;
}

DataSet LoadCifar100(const std::string& folder) {
  const Version version = {"CIFAR-100",
                           "train.bin and test.bin",
                           {{"coarse label", 20}, {"fine label", 100}},
                           {"train.bin"},
                           "test.bin"};
  DataSet data = Load(version, folder);
  data.name = "cifar100:" + folder;
  data.classes.assign(std::begin(kCifar100Classes), std::end(kCifar100Classes));
  CheckNames(folder + "/fine_label_names.txt", data.classes);
  return data;
}

}  // namespace csc
