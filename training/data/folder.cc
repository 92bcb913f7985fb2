#include "training/data/folder.h"

#include <algorithm>
#include <filesystem>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "solvers/error.h"

namespace csc {

namespace {

namespace fs = std::filesystem;

// Names in `folder`, sorted: folders or files.
std::vector<std::string> Names(const fs::path& folder, bool folders) {
  std::error_code error;
  std::vector<std::string> names;
  for (fs::directory_iterator i(folder, error), end; !error && i != end; i.increment(error)) {
    const std::string name = i->path().filename().string();
    if (name[0] != '.' && i->is_directory() == folders) names.push_back(name);
  }
  Require(!error, "{}: {}: a folder expected", folder.string(), error.message());
  std::sort(names.begin(), names.end());
  return names;
}

struct File {
  std::string path;
  int32_t label;
};

std::vector<File> ListSplit(const fs::path& folder, const std::vector<std::string>& classes) {
  std::vector<File> files;
  for (const std::string& name : Names(folder, true)) {
    const auto found = std::find(classes.begin(), classes.end(), name);
    Require(found != classes.end(), "{}: there is no such class among the training pictures",
            (folder / name).string());
    const auto label = static_cast<int32_t>(found - classes.begin());
    const std::vector<std::string> inside = Names(folder / name, false);
    Require(!inside.empty(), "{}: holds no pictures: at least one expected",
            (folder / name).string());
    for (const std::string& file : inside) {
      files.push_back({(folder / name / file).string(), label});
    }
  }
  Require(!files.empty(), "{}: holds no folders: one for each class of pictures expected",
          folder.string());
  return files;
}

cv::Mat Read(const std::string& path, int flags) {
  cv::Mat image;
  std::string reason = "not a picture that OpenCV can read";
  try {
    image = cv::imread(path, flags);
  } catch (const cv::Exception& error) {
    reason = error.err;
  }
  Require(!image.empty(), "{}: {}", path, reason);
  return image;
}

void ReadInto(const std::string& path, const Shape& shape, uint8_t* dst) {
  const bool grey = shape.channels == 1;
  cv::Mat image = Read(path, grey ? cv::IMREAD_GRAYSCALE : cv::IMREAD_COLOR);
  const cv::Size size(static_cast<int>(shape.width), static_cast<int>(shape.height));
  if (image.size() != size) {
    cv::resize(image, image, size, 0, 0, cv::INTER_AREA);
  }
  const int64_t plane = shape.height * shape.width;
  for (int h = 0; h < image.rows; ++h) {
    const uint8_t* row = image.ptr<uint8_t>(h);
    uint8_t* out = dst + h * shape.width;
    for (int w = 0; w < image.cols; ++w, ++out) {
      if (grey) {
        *out = row[w];
      } else {
        // OpenCV's pixels are blue, green, red.
        for (int c = 0; c < 3; ++c) out[c * plane] = row[3 * w + 2 - c];
      }
    }
  }
}

Images ReadSplit(const std::vector<File>& files, const Shape& shape, Executor* executor) {
  Images images;
  images.shape = shape;
  images.pixels.resize(files.size() * shape.size());
  for (const File& file : files) images.labels.push_back(file.label);
  executor->ParallelFor(static_cast<int64_t>(files.size()), [&](int64_t i, int) {
    ReadInto(files[i].path, shape, images.pixels.data() + i * shape.size());
  });
  return images;
}

}  // namespace

DataSet LoadFolder(const std::string& folder, Executor* executor) {
  const fs::path root(folder);
  for (const char* split : {"train", "test"}) {
    Require(fs::is_directory(root / split),
            "{}: no such folder: {}/train/CLASS/* and {}/test/CLASS/* expected",
            (root / split).string(), folder, folder);
  }
  DataSet data;
  data.name = "folder:" + folder;
  data.classes = Names(root / "train", true);
  const std::vector<File> train = ListSplit(root / "train", data.classes);
  const std::vector<File> test = ListSplit(root / "test", data.classes);

  const cv::Mat first = Read(train[0].path, cv::IMREAD_ANYCOLOR);
  const Shape shape = {first.channels() == 1 ? 1 : 3, first.rows, first.cols};
  data.train = ReadSplit(train, shape, executor);
  data.test = ReadSplit(test, shape, executor);
  return data;
}

}  // namespace csc
