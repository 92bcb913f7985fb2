#include "training/data/folder.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "solvers/error.h"
#include "solvers/memory.h"
#include "training/data/jpeg.h"

namespace csc {

namespace {

namespace fs = std::filesystem;

// Names in `folder`, sorted: folders or files.
std::vector<std::string> Names(const fs::path& folder, bool folders) {
  std::error_code error;
  std::vector<std::string> names;
  for (fs::directory_iterator i(folder, error), end; !error && i != end; i.increment(error)) {
    const std::string name = i->path().filename().string();
    std::error_code unreachable;  // a link to nothing is a file that cannot be read
    if (name[0] != '.' && i->is_directory(unreachable) == folders) names.push_back(name);
  }
  Require(!error, "{}: cannot be listed: {}", folder.string(), error.message());
  std::sort(names.begin(), names.end());
  return names;
}

// The extensions of the formats that OpenCV's documentation lists.
bool HasPictureExtension(const std::string& name) {
  constexpr const char* kExtensions[] = {
      ".avif", ".bmp", ".dib", ".exr", ".hdr", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm",  ".pfm",
      ".pgm",  ".pic", ".png", ".pnm", ".ppm", ".pxm", ".ras", ".sr",   ".tif", ".tiff", ".webp"};
  std::string extension = fs::path(name).extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return std::find(std::begin(kExtensions), std::end(kExtensions), extension) !=
         std::end(kExtensions);
}

// A picture by its name, or else by its first bytes: names may lack extensions.
bool IsPicture(const std::string& path) {
  return HasPictureExtension(path) || cv::haveImageReader(path);
}

struct File {
  std::string path;
  int32_t label;
};

struct Skipped {
  std::vector<std::string> files;
  std::vector<std::string> folders;
};

std::vector<File> ListSplit(const fs::path& folder, const std::vector<std::string>& classes,
                            Skipped* skipped) {
  std::vector<File> files;
  for (const std::string& name : Names(folder, true)) {
    const auto found = std::find(classes.begin(), classes.end(), name);
    Require(found != classes.end(), "{}: there is no such class among the training pictures",
            (folder / name).string());
    const auto label = static_cast<int32_t>(found - classes.begin());
    const std::vector<std::string> inside = Names(folder / name, false);
    const size_t before = files.size();
    for (const std::string& file : inside) {
      const std::string path = (folder / name / file).string();
      if (IsPicture(path)) {
        files.push_back({path, label});
      } else {
        skipped->files.push_back(path);
      }
    }
    const std::vector<std::string> folders = Names(folder / name, true);
    for (const std::string& inner : folders) {
      skipped->folders.push_back((folder / name / inner).string());
    }
    Require(files.size() > before,
            "{}: holds no pictures, {} other files and {} folders: at least one picture expected",
            (folder / name).string(), inside.size(), folders.size());
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
  if (image.empty() && access(path.c_str(), R_OK) != 0) reason = std::strerror(errno);
  Require(!image.empty(), "{}: {}", path, reason);
  Require(!IsCutOffJpeg(path), "{}: a JPEG file that is cut off before its end", path);
  return image;
}

// How many pictures were not like the first.
struct Changed {
  std::atomic<int64_t> resized{0};
  std::atomic<int64_t> made_grey{0};
};

// Counts in `changed`.
void ReadInto(const std::string& path, const Shape& shape, uint8_t* dst, Changed* changed) {
  const bool grey = shape.channels == 1;
  cv::Mat image = Read(path, grey ? cv::IMREAD_ANYCOLOR : cv::IMREAD_COLOR);
  if (grey && image.channels() == 3) {
    image = Read(path, cv::IMREAD_GRAYSCALE);  // as whoever uses the network will
    ++changed->made_grey;
  }
  const cv::Size size(static_cast<int>(shape.width), static_cast<int>(shape.height));
  if (image.size() != size) {
    cv::resize(image, image, size, 0, 0, cv::INTER_AREA);
    ++changed->resized;
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

// "a, b, c, d, e, 7 more".
std::string FirstOf(std::vector<std::string> names) {
  constexpr size_t kShown = 5;
  if (names.size() > kShown) {
    const size_t more = names.size() - kShown;
    names.resize(kShown);
    names.push_back(fmt::format("{} more", more));
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

// What stands in the place of the expected train and test, in a few words.
std::string Contents(const fs::path& root) {
  std::error_code error;
  if (!fs::is_directory(root, error)) return "is no folder";
  const std::vector<std::string> found = Names(root, true);
  return found.empty() ? "holds no folders" : "holds " + FirstOf(found);
}

// A test set may lack classes, but its accuracy does not tell that by itself.
void NoteUntested(const fs::path& folder, const std::vector<File>& test, DataSet* data) {
  std::vector<bool> tested(data->classes.size());
  for (const File& file : test) tested[file.label] = true;
  std::vector<std::string> lacking;
  for (size_t k = 0; k < tested.size(); ++k) {
    if (!tested[k]) lacking.push_back(data->classes[k]);
  }
  if (lacking.empty()) return;
  data->notes.push_back(fmt::format(
      "{} has no pictures of {} of the {} classes, so that its accuracy says nothing of them: {}",
      folder.string(), lacking.size(), tested.size(), FirstOf(lacking)));
}

void NoteSkipped(const std::vector<std::string>& paths, const char* one, const char* several,
                 DataSet* data) {
  if (paths.empty()) return;
  data->notes.push_back(
      paths.size() == 1 ? fmt::format("skipped {}: {}", one, paths[0])
                        : fmt::format("skipped {} {}: first {}", paths.size(), several, paths[0]));
}

// Counts in `changed`.
Images ReadSplit(const std::vector<File>& files, const Shape& shape, Executor* executor,
                 Changed* changed) {
  Images images;
  images.shape = shape;
  RequireMemory(static_cast<int64_t>(files.size()) * shape.size(),
                fmt::format("reading {} pictures of {} x {} pixels, the size of the first,",
                            files.size(), shape.width, shape.height));
  images.pixels.resize(files.size() * shape.size());
  for (const File& file : files) images.labels.push_back(file.label);
  executor->ParallelFor(static_cast<int64_t>(files.size()), [&](int64_t i, int) {
    ReadInto(files[i].path, shape, images.pixels.data() + i * shape.size(), changed);
  });
  return images;
}

}  // namespace

DataSet LoadFolder(const std::string& folder, Executor* executor) {
  const fs::path root(folder);
  for (const char* split : {"train", "test"}) {
    std::error_code error;
    Require(fs::is_directory(root / split, error),
            "{}: no such folder: {}/train/CLASS/* and {}/test/CLASS/* expected, {} {}",
            (root / split).string(), folder, folder, folder, Contents(root));
  }
  DataSet data;
  data.name = "folder:" + folder;
  data.classes = Names(root / "train", true);
  Skipped skipped;
  const std::vector<File> train = ListSplit(root / "train", data.classes, &skipped);
  const std::vector<File> test = ListSplit(root / "test", data.classes, &skipped);
  NoteUntested(root / "test", test, &data);
  NoteSkipped(skipped.files, "a file that is no picture", "files that are no pictures", &data);
  NoteSkipped(skipped.folders, "a folder inside a class", "folders inside classes", &data);

  const cv::Mat first = Read(train[0].path, cv::IMREAD_ANYCOLOR);
  const Shape shape = {first.channels() == 1 ? 1 : 3, first.rows, first.cols};
  Changed changed;
  data.train = ReadSplit(train, shape, executor, &changed);
  data.test = ReadSplit(test, shape, executor, &changed);
  const size_t all = train.size() + test.size();
  if (changed.made_grey > 0) {
    data.notes.push_back(
        fmt::format("{} of {} pictures have colour channels and were made grey, as {} is",
                    changed.made_grey.load(), all, train[0].path));
  }
  if (changed.resized > 0) {
    data.notes.push_back(fmt::format("{} of {} pictures resized to {} x {} pixels, the size of {}",
                                     changed.resized.load(), all, shape.width, shape.height,
                                     train[0].path));
  }
  return data;
}

}  // namespace csc
