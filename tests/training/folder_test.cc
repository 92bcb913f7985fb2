#include "training/data/folder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <opencv2/imgcodecs.hpp>
#include <string>
#include <vector>

#include "solvers/error.h"
#include "tests/training/temporary_folder.h"
#include "training/data/open.h"

namespace csc::test {
namespace {

void WritePicture(const std::string& path, int height, int width, const cv::Scalar& blue_green_red,
                  bool grey = false) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  const cv::Mat image(height, width, grey ? CV_8UC1 : CV_8UC3, blue_green_red);
  ASSERT_TRUE(cv::imwrite(path, image));
}

// Two classes of two and one training pictures, and a test picture each.
void WriteFolder(const TemporaryFolder& folder) {
  WritePicture(folder / "train/cat/b.png", 4, 6, {1, 2, 3});
  WritePicture(folder / "train/cat/a.png", 4, 6, {10, 20, 30});
  WritePicture(folder / "train/dog/x.png", 8, 12, {40, 50, 60});
  WritePicture(folder / "test/cat/1.png", 4, 6, {70, 80, 90});
  WritePicture(folder / "test/dog/2.png", 4, 6, {100, 110, 120});
  WriteBytes(folder / "train/cat/.hidden", "no picture");
}

// All but the last, which every WriteFolder makes by its one picture of another size.
std::vector<std::string> OtherNotes(const DataSet& data) {
  std::vector<std::string> notes = data.notes;
  EXPECT_FALSE(notes.empty());
  if (notes.empty()) return notes;
  EXPECT_EQ(notes.back().rfind("1 of ", 0), 0u) << notes.back();
  EXPECT_NE(notes.back().find(" pictures resized to 6 x 4 pixels, the size of "), std::string::npos)
      << notes.back();
  EXPECT_NE(notes.back().find("/train/cat/a.png"), std::string::npos) << notes.back();
  notes.pop_back();
  return notes;
}

DataSet Load(const std::string& folder, int threads = 2) {
  return LoadFolder(folder, MakeThreadPool(threads).get());
}

TEST(FolderTest, ReadsClassesAndPicturesInSortedOrderAsRgb) {
  const TemporaryFolder folder("folder_good");
  WriteFolder(folder);
  const DataSet data = Load(folder.path());
  EXPECT_EQ(data.classes, (std::vector<std::string>{"cat", "dog"}));
  EXPECT_EQ(data.train.shape, (Shape{3, 4, 6}));
  EXPECT_EQ(data.train.labels, (std::vector<int32_t>{0, 0, 1}));
  EXPECT_EQ(data.test.labels, (std::vector<int32_t>{0, 1}));
  ASSERT_EQ(data.train.pixels.size(), 3u * 72);
  for (int i = 0; i < 24; ++i) {
    ASSERT_EQ(data.train.pixels[i], 30) << "red of a.png";
    ASSERT_EQ(data.train.pixels[24 + i], 20) << "green of a.png";
    ASSERT_EQ(data.train.pixels[48 + i], 10) << "blue of a.png";
    ASSERT_EQ(data.train.pixels[72 + i], 3) << "red of b.png";
    ASSERT_EQ(data.train.pixels[144 + i], 60) << "red of x.png, resized";
  }
  EXPECT_EQ(Fingerprint(data), Fingerprint(Load(folder.path(), 1)));
}

TEST(FolderTest, IsGreyWhenTheFirstPictureIs) {
  const TemporaryFolder folder("folder_grey");
  WriteFolder(folder);
  WritePicture(folder / "train/cat/a.png", 4, 6, {99}, true);
  const DataSet data = Load(folder.path());
  EXPECT_EQ(data.train.shape, (Shape{1, 4, 6}));
  EXPECT_EQ(data.train.pixels[0], 99);
  EXPECT_EQ(data.train.pixels[24], 2) << "b.png, of blue 1, green 2 and red 3";
  EXPECT_EQ(OtherNotes(data), std::vector<std::string>{
                                  "4 of 5 pictures have colour channels and were made grey, as " +
                                  (folder / "train/cat/a.png") + " is"});
}

TEST(FolderTest, NotesNoColourWhereAllIsGrey) {
  const TemporaryFolder folder("folder_all_grey");
  for (const char* path : {"train/cat/a.png", "train/dog/b.png", "test/cat/c.png"}) {
    WritePicture(folder / path, 4, 6, {99}, true);
  }
  WritePicture(folder / "test/dog/d.png", 8, 12, {99}, true);
  EXPECT_TRUE(OtherNotes(Load(folder.path())).empty());
}

TEST(FolderTest, NamesWhatIsMissingAndWhatIsThere) {
  const TemporaryFolder folder("folder_missing");
  CSC_EXPECT_ERROR(Load(folder / "nowhere"), "nowhere/train: no such folder", "is no folder");
  CSC_EXPECT_ERROR(Load(folder.path()), "/train: no such folder", "/train/CLASS/*",
                   "holds no folders");
  WriteFolder(folder);
  std::filesystem::rename(folder / "test", folder / "val");
  CSC_EXPECT_ERROR(Load(folder.path()), "/test: no such folder", "/test/CLASS/* expected",
                   "holds train, val");
  std::filesystem::create_directories(folder / "test");
  CSC_EXPECT_ERROR(Load(folder.path()), "/test", "no folders");
  // One folder a class, not yet parted.
  const TemporaryFolder classes("folder_classes");
  for (int i = 1; i <= 8; ++i) {
    std::filesystem::create_directories(classes / ("class" + std::to_string(i)));
  }
  CSC_EXPECT_ERROR(Load(classes.path()), "/train: no such folder", "holds class1, class2",
                   "class5, 3 more");
}

TEST(FolderTest, NamesAnEmptyOrUnknownClass) {
  const TemporaryFolder folder("folder_class");
  WriteFolder(folder);
  std::filesystem::create_directories(folder / "train/emu");
  CSC_EXPECT_ERROR(Load(folder.path()), "train/emu", "no pictures", "0 other");
  WriteBytes(folder / "train/emu/notes.txt", "no emus yet");
  CSC_EXPECT_ERROR(Load(folder.path()), "train/emu", "no pictures", "1 other");
  std::filesystem::remove_all(folder / "train/emu");
  WritePicture(folder / "test/fox/1.png", 4, 6, {1, 1, 1});
  CSC_EXPECT_ERROR(Load(folder.path()), "test/fox", "no such class");
}

TEST(FolderTest, NotesClassesThatTheTestSetLacks) {
  const TemporaryFolder folder("folder_untested");
  WriteFolder(folder);
  WritePicture(folder / "train/emu/1.png", 4, 6, {1, 1, 1});
  const DataSet data = Load(folder.path());
  EXPECT_EQ(data.classes.size(), 3u);
  EXPECT_EQ(
      OtherNotes(data),
      std::vector<std::string>{folder / "test" +
                               " has no pictures of 1 of the 3 classes, so that its accuracy says "
                               "nothing of them: emu"});
}

TEST(FolderTest, SkipsFilesThatAreNoPicturesAndSaysSo) {
  const TemporaryFolder folder("folder_skipped");
  WriteFolder(folder);
  const DataSet clean = Load(folder.path());
  EXPECT_TRUE(OtherNotes(clean).empty());
  WriteBytes(folder / "train/dog/notes.txt", "this is no picture");
  DataSet data = Load(folder.path());
  EXPECT_EQ(Fingerprint(data), Fingerprint(clean));
  EXPECT_EQ(OtherNotes(data), std::vector<std::string>{"skipped a file that is no picture: " +
                                                       (folder / "train/dog/notes.txt")});
  WriteBytes(folder / "test/cat/Thumbs.db", std::string("\xd0\xcf\x11\xe0\0\0", 6));
  WriteBytes(folder / "train/cat/empty", "");
  data = Load(folder.path());
  EXPECT_EQ(Fingerprint(data), Fingerprint(clean));
  EXPECT_EQ(OtherNotes(data),
            std::vector<std::string>{"skipped 3 files that are no pictures: first " +
                                     (folder / "train/cat/empty")});
}

TEST(FolderTest, SkipsFoldersInsideClassesAndSaysSo) {
  const TemporaryFolder folder("folder_inside");
  WriteFolder(folder);
  const DataSet clean = Load(folder.path());
  WritePicture(folder / "train/cat/more/c.png", 4, 6, {1, 2, 3});
  const DataSet data = Load(folder.path());
  EXPECT_EQ(Fingerprint(data), Fingerprint(clean));
  EXPECT_EQ(OtherNotes(data), std::vector<std::string>{"skipped a folder inside a class: " +
                                                       (folder / "train/cat/more")});
}

TEST(FolderTest, ReadsPicturesWhateverTheirNames) {
  const TemporaryFolder folder("folder_names");
  WriteFolder(folder);
  const DataSet clean = Load(folder.path());
  std::filesystem::rename(folder / "train/cat/b.png", folder / "train/cat/b.PNG");
  std::filesystem::rename(folder / "train/dog/x.png", folder / "train/dog/x");
  std::filesystem::rename(folder / "test/dog/2.png", folder / "test/dog/2.image");
  const DataSet data = Load(folder.path());
  EXPECT_EQ(Fingerprint(data), Fingerprint(clean));
  EXPECT_TRUE(OtherNotes(data).empty());
}

TEST(FolderTest, NamesAPictureThatCannotBeRead) {
  const TemporaryFolder folder("folder_unreadable");
  WriteFolder(folder);
  for (const char* name : {"y.jpg", "y.PNG", "y.tiff"}) {
    WriteBytes(folder / (std::string("train/dog/") + name), "this is no picture");
    CSC_EXPECT_ERROR(Load(folder.path()), std::string("train/dog/") + name, "not a picture");
    std::filesystem::remove(folder / (std::string("train/dog/") + name));
  }
  // A link to nothing.
  std::filesystem::create_symlink(folder / "nowhere.png", folder / "train/dog/z.png");
  CSC_EXPECT_ERROR(Load(folder.path()), "train/dog/z.png", "No such file");
  std::filesystem::remove(folder / "train/dog/z.png");
  // Cut off in the middle of the header.
  WriteBytes(folder / "test/dog/2.png", "\x89PNG\r\n\x1a\n");
  CSC_EXPECT_ERROR(Load(folder.path()), "test/dog/2.png");
}

TEST(OpenDataSetTest, KnowsEveryKind) {
  const TemporaryFolder folder("folder_open");
  WriteFolder(folder);
  SerialExecutor serial;
  EXPECT_EQ(OpenDataSet("digits", &serial).test.size(), 359);
  EXPECT_EQ(OpenDataSet("folder:" + folder.path(), &serial).train.size(), 3);
  CSC_EXPECT_ERROR(OpenDataSet("cifar10:" + folder.path(), &serial), "/data_batch_1.bin");
  CSC_EXPECT_ERROR(OpenDataSet("cifar100:" + folder.path(), &serial), "/train.bin");
  CSC_EXPECT_ERROR(OpenDataSet("svhn:" + folder.path(), &serial), "/train_32x32.mat");
  // A colon in the folder's name is the folder's.
  CSC_EXPECT_ERROR(OpenDataSet("svhn:a:b", &serial), "a:b/train_32x32.mat");
}

TEST(OpenDataSetTest, NamesWhatThereIsInsteadOfAnUnknownKind) {
  SerialExecutor serial;
  for (const char* name : {"", "digit", "digits:", "folder:", "svhn", "SVHN:x", "cifar:x", ":x"}) {
    CSC_EXPECT_ERROR(OpenDataSet(name, &serial), "unknown", "digits,", "folder:DIR", "cifar10:DIR",
                     "cifar100:DIR", "or svhn:DIR");
  }
  EXPECT_EQ(DataSetNames().find('\n'), std::string::npos);
}

TEST(FolderTest, ReadsCifar10AsJpegFolder) {
  const char* path = std::getenv("CSC_CIFAR10_JPEG");
  if (path == nullptr) {
    GTEST_SKIP() << "CSC_CIFAR10_JPEG does not name the unpacked folder";
  }
  const DataSet data = Load(path, NumAvailableCpus());
  EXPECT_EQ(data.train.size(), 50000);
  EXPECT_EQ(data.test.size(), 10000);
  EXPECT_EQ(data.train.shape, (Shape{3, 32, 32}));
  EXPECT_EQ(data.classes.size(), 10u);
  EXPECT_EQ(data.classes[0], "airplane");
  for (int k = 0; k < 10; ++k) {
    EXPECT_EQ(std::count(data.train.labels.begin(), data.train.labels.end(), k), 5000);
  }
}

}  // namespace
}  // namespace csc::test
