// Data that is missing, cut off, damaged or no longer the same, as the driver meets it.

#include <gtest/gtest.h>

#include <filesystem>
#include <opencv2/imgcodecs.hpp>
#include <string>
#include <vector>

#include "solvers/error.h"
#include "tests/training/program.h"
#include "tests/training/temporary_folder.h"
#include "training/data/jpeg.h"
#include "training/file.h"

namespace csc::test {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

constexpr size_t kRecord = 3073;  // of CIFAR-10: a label and 32 x 32 pixels of three colours

Ended Train(const std::string& out, const Words& more) {
  Words command = {"training/train", "--depth=1", "--width=2", "--epochs=2", "--out=" + out};
  command.insert(command.end(), more.begin(), more.end());
  return RunCommand(command);
}

// Its last line says what was wrong; before it OpenCV may have its say.
void ExpectRefused(const std::string& data, const Words& parts) {
  SCOPED_TRACE(data);
  const TemporaryFolder parent("hostile_data_out");
  const std::string out = parent / "out";
  const Ended ended = Train(out, {"--data", data});
  EXPECT_EQ(ended.status, 1);
  EXPECT_EQ(ended.out, "");
  const size_t line = ended.err.rfind("train: ");
  ASSERT_NE(line, std::string::npos) << ended.err;
  EXPECT_EQ(ended.err.find('\n', line), ended.err.size() - 1) << ended.err;
  for (const std::string& part : parts) {
    EXPECT_NE(ended.err.find(part, line), std::string::npos) << part << ": " << ended.err;
  }
  EXPECT_FALSE(fs::exists(out)) << "nothing was trained, so nothing is written";
}

void WriteCifar10(const TemporaryFolder& folder) {
  for (const char* name : {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                           "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"}) {
    std::string records;
    for (char label = 0; label < 4; ++label) {
      records += label + std::string(kRecord - 1, static_cast<char>(20 * label));
    }
    WriteBytes(folder / name, records);
  }
}

TEST(HostileDataTest, DamagedCifar10FilesAreNamed) {
  const TemporaryFolder folder("hostile_cifar10");
  const std::string data = "cifar10:" + folder.path();
  WriteCifar10(folder);
  const TemporaryFolder out("hostile_cifar10_good");
  ASSERT_EQ(Train(out.path(), {"--data", data}).status, 0);

  const std::string path = folder / "data_batch_3.bin";
  const std::string good = ReadFile(path);
  WriteBytes(path, good.substr(0, good.size() - 1));
  ExpectRefused(data, {path, "12291 bytes"});
  WriteBytes(path, "");
  ExpectRefused(data, {path, "0 bytes"});
  std::string bad = good;
  bad[2 * kRecord] = static_cast<char>(200);
  WriteBytes(path, bad);
  ExpectRefused(data, {path, "record 2", "label 200"});
  fs::remove(path);
  ExpectRefused(data, {path});
  ExpectRefused("cifar10:/no/such", {"/no/such"});
}

TEST(HostileDataTest, ATrainingGoesOnWithItsOwnImagesOnly) {
  const TemporaryFolder folder("hostile_changed");
  const std::string data = "cifar10:" + folder.path();
  WriteCifar10(folder);
  const TemporaryFolder out("hostile_changed_out");
  ASSERT_EQ(Train(out.path(), {"--data", data}).status, 0);
  const std::string checkpoint = ReadFile(out / "checkpoint.csc");
  const std::string path = folder / "test_batch.bin";
  const std::string good = ReadFile(path);
  const std::vector<std::string> go_on = {"training/train", "--resume", "--epochs=3",
                                          "--out=" + out.path()};
  const auto expect_refused = [&](const std::string& part) {
    const Ended ended = RunCommand(go_on);
    EXPECT_EQ(ended.status, 1);
    EXPECT_NE(ended.err.find(part), std::string::npos) << ended.err;
    EXPECT_TRUE(ReadFile(out / "checkpoint.csc") == checkpoint);
  };
  std::string changed = good;
  changed[kRecord - 5] ^= 1;
  WriteBytes(path, changed);
  expect_refused("other images");
  fs::remove(path);
  expect_refused(path);
  WriteBytes(path, good);
  EXPECT_EQ(RunCommand(go_on).status, 0);
}

std::string Picture(const std::string& extension) {
  cv::Mat image(24, 24, CV_8UC3);
  cv::RNG(7).fill(image, cv::RNG::UNIFORM, 0, 256);
  std::vector<uint8_t> bytes;
  EXPECT_TRUE(cv::imencode(extension, image, bytes));
  return {bytes.begin(), bytes.end()};
}

TEST(HostileDataTest, PicturesThatAreCutOffAreNamed) {
  const TemporaryFolder folder("hostile_pictures");
  const std::string data = "folder:" + folder.path();
  for (const char* name : {"train/a/1.png", "train/b/1.png", "test/a/1.png", "test/b/1.png"}) {
    WriteBytes(folder / name, Picture(".png"));
  }
  const TemporaryFolder out("hostile_pictures_good");
  ASSERT_EQ(Train(out.path(), {"--data", data}).status, 0);
  for (const std::string extension : {".jpg", ".png", ".bmp", ".ppm", ".tiff"}) {
    const std::string path = folder / ("test/b/2" + extension);
    const std::string good = Picture(extension);
    for (size_t size : {good.size() - 1, good.size() * 2 / 3, size_t{4}}) {
      WriteBytes(path, good.substr(0, size));
      ExpectRefused(data, {path});
    }
    fs::remove(path);
  }
}

TEST(JpegTest, AnyTruncationIsNoticed) {
  const TemporaryFolder folder("jpeg_truncation");
  const std::string path = folder / "x.jpg";
  const std::string good = Picture(".jpg");
  for (size_t size = 2; size < good.size(); ++size) {
    WriteBytes(path, good.substr(0, size));
    EXPECT_TRUE(IsCutOffJpeg(path)) << size;
  }
  WriteBytes(path, good);
  EXPECT_FALSE(IsCutOffJpeg(path));
}

TEST(JpegTest, PreviewsAndWhatFollowsTheEndDoNotMatter) {
  const TemporaryFolder folder("jpeg_parts");
  const std::string path = folder / "x.jpg";
  const std::string good = Picture(".jpg");
  // A part of an application's own, with a whole picture inside.
  const size_t size = good.size() + 2;
  ASSERT_LT(size, 0x10000u);
  const std::string preview = std::string("\xff\xe1") + static_cast<char>(size >> 8) +
                              static_cast<char>(size & 0xff) + good;
  const std::string with_preview = good.substr(0, 2) + preview + good.substr(2);
  WriteBytes(path, with_preview);
  EXPECT_FALSE(IsCutOffJpeg(path));
  WriteBytes(path, with_preview.substr(0, with_preview.size() - 2));
  EXPECT_TRUE(IsCutOffJpeg(path));
  WriteBytes(path, with_preview.substr(0, preview.size()));
  EXPECT_TRUE(IsCutOffJpeg(path));
  WriteBytes(path, good + "a film, \xff\xda and all");
  EXPECT_FALSE(IsCutOffJpeg(path));
}

TEST(JpegTest, ProgressivePicturesAndRestartMarkersAreUnderstood) {
  const TemporaryFolder folder("jpeg_kinds");
  const std::string path = folder / "x.jpg";
  cv::Mat image(70, 50, CV_8UC3);
  cv::RNG(8).fill(image, cv::RNG::UNIFORM, 0, 256);
  for (const std::vector<int>& kind :
       std::vector<std::vector<int>>{{cv::IMWRITE_JPEG_PROGRESSIVE, 1},
                                     {cv::IMWRITE_JPEG_RST_INTERVAL, 3},
                                     {cv::IMWRITE_JPEG_OPTIMIZE, 1}}) {
    ASSERT_TRUE(cv::imwrite(path, image, kind));
    EXPECT_FALSE(IsCutOffJpeg(path)) << kind[0];
    const std::string good = ReadFile(path);
    for (size_t size = 2; size < good.size(); size += 37) {
      WriteBytes(path, good.substr(0, size));
      EXPECT_TRUE(IsCutOffJpeg(path)) << kind[0] << ": " << size;
    }
  }
}

TEST(JpegTest, OtherFilesAreNone) {
  const TemporaryFolder folder("jpeg_none");
  for (const std::string& bytes : {std::string(), std::string("\xff"), Picture(".png")}) {
    WriteBytes(folder / "x", bytes);
    EXPECT_FALSE(IsCutOffJpeg(folder / "x"));
  }
  CSC_EXPECT_ERROR(IsCutOffJpeg(folder / "nowhere"), "nowhere");
}

}  // namespace
}  // namespace csc::test
