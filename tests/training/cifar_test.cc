#include "training/data/cifar.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "solvers/error.h"
#include "tests/training/temporary_folder.h"

namespace csc::test {
namespace {

constexpr size_t kPixels = 3072;

// A record whose pixels tell where they are.
std::string Record(const std::vector<int>& labels, int first_pixel) {
  std::string record;
  for (int label : labels) record += static_cast<char>(label);
  for (size_t i = 0; i < kPixels; ++i) {
    record += static_cast<char>(static_cast<int>(i) + first_pixel);
  }
  return record;
}

void WriteCifar10(const TemporaryFolder& folder) {
  for (int i = 1; i <= 5; ++i) {
    WriteBytes(folder / ("data_batch_" + std::to_string(i) + ".bin"),
               Record({i}, i) + Record({9 - i}, 100 + i));
  }
  WriteBytes(folder / "test_batch.bin", Record({7}, 50));
}

void WriteCifar100(const TemporaryFolder& folder) {
  WriteBytes(folder / "train.bin",
             Record({19, 99}, 1) + Record({4, 0}, 2) + Record({5, 39}, 3) + Record({17, 47}, 4));
  WriteBytes(folder / "test.bin", Record({0, 98}, 5));
}

// Lines as in fine_label_names.txt, which ends with an empty one.
std::string Lines(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += name + "\n";
  return text + "\n";
}

TEST(Cifar10Test, ReadsThePublishedLayout) {
  const TemporaryFolder folder("cifar10_good");
  WriteCifar10(folder);
  const DataSet data = LoadCifar10(folder.path());
  EXPECT_EQ(data.name, "cifar10:" + folder.path());
  EXPECT_EQ(data.train.shape, (Shape{3, 32, 32}));
  EXPECT_EQ(data.test.shape, (Shape{3, 32, 32}));
  EXPECT_EQ(data.train.labels, (std::vector<int32_t>{1, 8, 2, 7, 3, 6, 4, 5, 5, 4}));
  EXPECT_EQ(data.test.labels, std::vector<int32_t>{7});
  EXPECT_EQ(data.classes.size(), 10u);
  EXPECT_EQ(data.classes[7], "horse");
  EXPECT_TRUE(data.mirrored);
  ASSERT_EQ(data.train.pixels.size(), 10 * kPixels);
  // The red plane comes first, row by row.
  EXPECT_EQ(data.train.pixels[3 * kPixels + 5], 102 + 5);
  ASSERT_EQ(data.test.pixels.size(), kPixels);
  EXPECT_EQ(data.test.pixels[1024], static_cast<uint8_t>(1024 + 50));
  // A file cut off between two records is no error, so it is said.
  ASSERT_EQ(data.notes.size(), 1u);
  EXPECT_NE(data.notes[0].find("10 training and 1 test"), std::string::npos) << data.notes[0];
}

TEST(Cifar10Test, NamesAMissingFile) {
  const TemporaryFolder folder("cifar10_missing");
  WriteCifar10(folder);
  std::filesystem::remove(folder / "data_batch_4.bin");
  CSC_EXPECT_ERROR(LoadCifar10(folder.path()), "data_batch_4.bin", "cannot be opened",
                   "binary version of CIFAR-10");
  CSC_EXPECT_ERROR(LoadCifar10(folder / "nowhere"), "nowhere/data_batch_1.bin");
  std::filesystem::create_directory(folder / "data_batch_4.bin");
  CSC_EXPECT_ERROR(LoadCifar10(folder.path()), "data_batch_4.bin", "is a folder");
}

TEST(Cifar10Test, NamesATruncatedFileWithBothSizes) {
  const TemporaryFolder folder("cifar10_truncated");
  WriteCifar10(folder);
  WriteBytes(folder / "data_batch_2.bin", Record({1}, 1).substr(0, 3000));
  CSC_EXPECT_ERROR(LoadCifar10(folder.path()), "data_batch_2.bin", "3000", "3073");
  WriteBytes(folder / "data_batch_2.bin", Record({1}, 1) + "x");
  CSC_EXPECT_ERROR(LoadCifar10(folder.path()), "data_batch_2.bin", "3074", "3073");
  WriteBytes(folder / "data_batch_2.bin", "");
  CSC_EXPECT_ERROR(LoadCifar10(folder.path()), "data_batch_2.bin", "0 bytes");
}

TEST(Cifar10Test, NamesARecordWithAnImpossibleLabel) {
  const TemporaryFolder folder("cifar10_label");
  WriteCifar10(folder);
  WriteBytes(folder / "test_batch.bin", Record({3}, 0) + Record({10}, 0));
  CSC_EXPECT_ERROR(LoadCifar10(folder.path()), "test_batch.bin", "record 1", "label 10", "0..9");
}

TEST(Cifar100Test, ReadsThePublishedLayout) {
  const TemporaryFolder folder("cifar100_good");
  WriteCifar100(folder);
  const DataSet data = LoadCifar100(folder.path());
  EXPECT_EQ(data.name, "cifar100:" + folder.path());
  EXPECT_EQ(data.train.shape, (Shape{3, 32, 32}));
  EXPECT_EQ(data.train.labels, (std::vector<int32_t>{99, 0, 39, 47}));
  EXPECT_EQ(data.test.labels, std::vector<int32_t>{98});
  EXPECT_TRUE(data.mirrored);
  ASSERT_EQ(data.train.pixels.size(), 4 * kPixels);
  EXPECT_EQ(data.train.pixels[0], 1);
  EXPECT_EQ(data.train.pixels[2 * kPixels + 7], 3 + 7);
  ASSERT_EQ(data.test.pixels.size(), kPixels);
  EXPECT_EQ(data.test.pixels.back(), static_cast<uint8_t>(kPixels - 1 + 5));
  ASSERT_EQ(data.notes.size(), 1u);
  EXPECT_NE(data.notes[0].find("4 training and 1 test"), std::string::npos) << data.notes[0];
}

TEST(Cifar100Test, KnowsTheFineClasses) {
  const TemporaryFolder folder("cifar100_classes");
  WriteCifar100(folder);
  const std::vector<std::string> classes = LoadCifar100(folder.path()).classes;
  ASSERT_EQ(classes.size(), 100u);
  // In the order of the alphabet, no two alike.
  for (size_t i = 1; i < 100; ++i) EXPECT_LT(classes[i - 1], classes[i]);
  EXPECT_EQ(classes[0], "apple");
  EXPECT_EQ(classes[39], "keyboard");
  EXPECT_EQ(classes[47], "maple_tree");
  EXPECT_EQ(classes[99], "worm");
}

TEST(Cifar100Test, TheListOfNamesMustAgreeWhereThereIsOne) {
  const TemporaryFolder folder("cifar100_names");
  WriteCifar100(folder);
  std::vector<std::string> names = LoadCifar100(folder.path()).classes;
  WriteBytes(folder / "fine_label_names.txt", Lines(names));
  EXPECT_EQ(LoadCifar100(folder.path()).train.size(), 4);
  std::swap(names[3], names[4]);
  WriteBytes(folder / "fine_label_names.txt", Lines(names));
  CSC_EXPECT_ERROR(LoadCifar100(folder.path()), "fine_label_names.txt", "name 3 is \"beaver\"",
                   "\"bear\" expected");
  names.pop_back();
  WriteBytes(folder / "fine_label_names.txt", Lines(names));
  CSC_EXPECT_ERROR(LoadCifar100(folder.path()), "fine_label_names.txt", "99 names", "100");
}

TEST(Cifar100Test, NamesAMissingFile) {
  const TemporaryFolder folder("cifar100_missing");
  WriteCifar100(folder);
  std::filesystem::remove(folder / "test.bin");
  CSC_EXPECT_ERROR(LoadCifar100(folder.path()), "test.bin", "binary version of CIFAR-100",
                   "train.bin and test.bin");
}

TEST(Cifar100Test, NamesATruncatedFileWithBothSizes) {
  const TemporaryFolder folder("cifar100_truncated");
  WriteCifar100(folder);
  // Whole records of CIFAR-10 are none of CIFAR-100.
  WriteBytes(folder / "train.bin", Record({1}, 1));
  CSC_EXPECT_ERROR(LoadCifar100(folder.path()), "train.bin", "3073", "3074", "CIFAR-100");
  WriteBytes(folder / "train.bin", Record({1, 5}, 1) + Record({1, 5}, 1).substr(0, 1));
  CSC_EXPECT_ERROR(LoadCifar100(folder.path()), "train.bin", "3075", "3074");
}

TEST(Cifar100Test, NamesARecordWithAnImpossibleLabel) {
  const TemporaryFolder folder("cifar100_label");
  WriteCifar100(folder);
  WriteBytes(folder / "test.bin", Record({3, 99}, 0) + Record({3, 100}, 0));
  CSC_EXPECT_ERROR(LoadCifar100(folder.path()), "test.bin", "record 1", "fine label 100", "0..99");
  WriteBytes(folder / "test.bin", Record({20, 99}, 0));
  CSC_EXPECT_ERROR(LoadCifar100(folder.path()), "test.bin", "record 0", "coarse label 20", "0..19");
  WriteBytes(folder / "test.bin", Record({3, 255}, 0));
  CSC_EXPECT_ERROR(LoadCifar100(folder.path()), "test.bin", "fine label 255");
}

}  // namespace
}  // namespace csc::test
