#include "training/data/svhn.h"

#include <gtest/gtest.h>
#include <matio.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "solvers/error.h"
#include "tests/training/temporary_folder.h"
#include "training/file.h"

namespace csc::test {
namespace {

constexpr size_t kPixels = 3072;

// An array of a MATLAB file; `data` are T's of class `type`.
struct Variable {
  std::string name;
  matio_classes type;
  matio_types data_type;
  std::vector<size_t> sizes;
  std::string data;
  int flags = 0;
};

template <typename T>
std::string Bytes(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

// What pixel (h, w, c) of image n is.
uint8_t Pixel(size_t h, size_t w, size_t c, size_t n) {
  return static_cast<uint8_t>(h + 7 * w + 50 * c + 100 * n + h * w % 5);
}

Variable X(size_t count) {
  std::vector<uint8_t> pixels;
  for (size_t n = 0; n < count; ++n) {
    for (size_t c = 0; c < 3; ++c) {
      for (size_t w = 0; w < 32; ++w) {
        for (size_t h = 0; h < 32; ++h) pixels.push_back(Pixel(h, w, c, n));
      }
    }
  }
  return {"X", MAT_C_UINT8, MAT_T_UINT8, {32, 32, 3, count}, Bytes(pixels)};
}

Variable Y(const std::vector<uint8_t>& labels) {
  return {"y", MAT_C_UINT8, MAT_T_UINT8, {labels.size(), 1}, Bytes(labels)};
}

Variable DoubleY(const std::vector<double>& labels) {
  return {"y", MAT_C_DOUBLE, MAT_T_DOUBLE, {labels.size(), 1}, Bytes(labels)};
}

void WriteMat(const std::string& path, std::vector<Variable> variables,
              matio_compression compression = MAT_COMPRESSION_ZLIB) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  mat_t* file = Mat_CreateVer(path.c_str(), "MATLAB 5.0 MAT-file, of a test", MAT_FT_MAT5);
  ASSERT_NE(file, nullptr);
  for (Variable& v : variables) {
    std::string imaginary = v.data;
    mat_complex_split_t parts = {v.data.data(), imaginary.data()};
    void* data = (v.flags & MAT_F_COMPLEX) != 0 ? static_cast<void*>(&parts) : v.data.data();
    matvar_t* variable =
        Mat_VarCreate(v.name.c_str(), v.type, v.data_type, static_cast<int>(v.sizes.size()),
                      v.sizes.data(), data, v.flags | MAT_F_DONT_COPY_DATA);
    ASSERT_NE(variable, nullptr);
    EXPECT_EQ(Mat_VarWrite(file, variable, compression), 0);
    Mat_VarFree(variable);
  }
  Mat_Close(file);
}

// A good data set, in whose test_32x32.mat the tests put what they want refused.
class SvhnTest : public ::testing::TestWithParam<matio_compression> {
 protected:
  SvhnTest() : folder_("svhn"), test_(folder_ / "test_32x32.mat") {
    WriteMat(folder_ / "train_32x32.mat", {X(3), Y({1, 10, 9})}, GetParam());
    WriteMat(test_, {X(2), Y({10, 5})}, GetParam());
  }
  DataSet Load() const { return LoadSvhn(folder_.path()); }
  void Write(const std::vector<Variable>& variables) const {
    WriteMat(test_, variables, GetParam());
  }

  const TemporaryFolder folder_;
  const std::string test_;
};

INSTANTIATE_TEST_SUITE_P(, SvhnTest, ::testing::Values(MAT_COMPRESSION_NONE, MAT_COMPRESSION_ZLIB),
                         [](const auto& parameter) {
                           return parameter.param == MAT_COMPRESSION_ZLIB ? "Compressed" : "Plain";
                         });

TEST_P(SvhnTest, ReadsThePublishedLayout) {
  const DataSet data = Load();
  EXPECT_EQ(data.name, "svhn:" + folder_.path());
  EXPECT_EQ(data.train.shape, (Shape{3, 32, 32}));
  EXPECT_EQ(data.test.shape, (Shape{3, 32, 32}));
  EXPECT_EQ(data.train.labels, (std::vector<int32_t>{1, 0, 9}));
  EXPECT_EQ(data.test.labels, (std::vector<int32_t>{0, 5}));
  EXPECT_EQ(data.classes,
            (std::vector<std::string>{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}));
  EXPECT_FALSE(data.mirrored);
  EXPECT_EQ(data.white, 255);
  ASSERT_EQ(data.train.pixels.size(), 3 * kPixels);
  ASSERT_EQ(data.test.pixels.size(), 2 * kPixels);
  const uint8_t* pixel = data.train.pixels.data();
  for (size_t n = 0; n < 3; ++n) {
    for (size_t c = 0; c < 3; ++c) {
      for (size_t h = 0; h < 32; ++h) {
        for (size_t w = 0; w < 32; ++w) {
          ASSERT_EQ(*pixel++, Pixel(h, w, c, n)) << h << " " << w << " " << c << " " << n;
        }
      }
    }
  }
  ASSERT_EQ(data.notes.size(), 1u);
  EXPECT_NE(data.notes[0].find("73257 and 26032"), std::string::npos) << data.notes[0];
}

TEST_P(SvhnTest, ReadsLabelsOfClassDoubleInAnyOrderOfVariables) {
  Write({DoubleY({10, 1, 2}), {"extra", MAT_C_CHAR, MAT_T_UINT8, {1, 3}, "abc"}, X(3)});
  const DataSet data = Load();
  EXPECT_EQ(data.test.labels, (std::vector<int32_t>{0, 1, 2}));
  EXPECT_EQ(data.test.pixels, data.train.pixels);
}

// Whatever a pixel's value, it is told from one that is missing.
TEST_P(SvhnTest, ReadsAnyLastPixel) {
  for (int last = 0; last < 256; ++last) {
    Variable x = X(1);
    x.data.back() = static_cast<char>(last);
    Write({x, Y({3})});
    ASSERT_EQ(Load().test.pixels.back(), last);
  }
}

TEST_P(SvhnTest, NamesWhatIsMissing) {
  Write({X(2)});
  CSC_EXPECT_ERROR(Load(), "test_32x32.mat", "no variable y", "it holds X");
  Write({Y({1, 2}), {"x", MAT_C_CHAR, MAT_T_UINT8, {1, 3}, "abc"}});
  CSC_EXPECT_ERROR(Load(), "test_32x32.mat", "no variable X", "it holds y, x");
  Write({Y({1, 2}), {"x\ny", MAT_C_CHAR, MAT_T_UINT8, {1, 3}, "abc"}});
  CSC_EXPECT_ERROR(Load(), "no variable X", "it holds y, x?y");
  Write({});
  CSC_EXPECT_ERROR(Load(), "test_32x32.mat", "no variable y", "it holds none");
  std::filesystem::remove(test_);
  CSC_EXPECT_ERROR(Load(), "test_32x32.mat", "cannot be opened", "train_32x32.mat and");
  std::filesystem::create_directory(test_);
  CSC_EXPECT_ERROR(Load(), "test_32x32.mat", "is a folder");
}

TEST_P(SvhnTest, NamesAnArrayOfAnotherTypeOrSize) {
  const Variable y = Y({1, 2});
  const std::string x_expected = "32 x 32 x 3 x N of class uint8 expected";
  Variable x = X(2);
  x.sizes = {32, 32, 6};
  Write({x, y});
  CSC_EXPECT_ERROR(Load(), "test_32x32.mat: X is an array 32 x 32 x 6 of class uint8", x_expected);
  x.sizes = {3, 32, 32, 2};
  Write({x, y});
  CSC_EXPECT_ERROR(Load(), "X is an array 3 x 32 x 32 x 2", x_expected);
  x.sizes = {32, 32, 3, 2, 1};
  Write({x, y});
  CSC_EXPECT_ERROR(Load(), "X is an array 32 x 32 x 3 x 2 x 1", x_expected);
  x = X(2);
  x.type = MAT_C_INT8;
  x.data_type = MAT_T_INT8;
  Write({x, y});
  CSC_EXPECT_ERROR(Load(), "X is an array 32 x 32 x 3 x 2 of class int8", x_expected);
  x = X(2);
  x.flags = MAT_F_COMPLEX;
  Write({x, y});
  CSC_EXPECT_ERROR(Load(), "of class complex uint8", x_expected);
  Write({{"X", MAT_C_UINT8, MAT_T_UINT8, {32, 32, 3, 0}, ""}, y});
  CSC_EXPECT_ERROR(Load(), "X is an array 32 x 32 x 3 x 0 of", x_expected);
  Write({{"X", MAT_C_CHAR, MAT_T_UINT8, {1, 5}, "house"}, y});
  CSC_EXPECT_ERROR(Load(), "X is an array 1 x 5 of class char", x_expected);

  const std::string y_expected = "N x 1 of class double or uint8 expected";
  Write({X(2), {"y", MAT_C_UINT8, MAT_T_UINT8, {1, 2}, "\1\2"}});
  CSC_EXPECT_ERROR(Load(), "test_32x32.mat: y is an array 1 x 2 of class uint8", y_expected);
  Write({X(2), {"y", MAT_C_UINT16, MAT_T_UINT16, {2, 1}, Bytes<uint16_t>({1, 2})}});
  CSC_EXPECT_ERROR(Load(), "y is an array 2 x 1 of class uint16", y_expected);
  Write({X(2), {"y", MAT_C_UINT8, MAT_T_UINT8, {0, 1}, ""}});
  CSC_EXPECT_ERROR(Load(), "y is an array 0 x 1", y_expected);
}

TEST_P(SvhnTest, NamesCountsThatDiffer) {
  Write({X(2), Y({1, 2, 3})});
  CSC_EXPECT_ERROR(Load(), "test_32x32.mat", "X holds 2 images and y 3 labels");
}

TEST_P(SvhnTest, NamesALabelThatIsNoDigit) {
  for (const uint8_t label : {0, 11, 255}) {
    Write({X(2), Y({10, label})});
    CSC_EXPECT_ERROR(Load(), "test_32x32.mat", "label " + std::to_string(label) + " for image 1",
                     "1..10 expected");
  }
  for (const double label : {0.0, -1.0, 2.5, 1e300, HUGE_VAL, std::nan("")}) {
    Write({X(2), DoubleY({label, 10})});
    CSC_EXPECT_ERROR(Load(), "test_32x32.mat", "for image 0", "1..10 expected");
  }
}

TEST_P(SvhnTest, RefusesAFileCutOffAnywhere) {
  const std::string whole = ReadFile(test_);
  ASSERT_GT(whole.size(), 200u);
  uint32_t x_bytes = 0;
  std::memcpy(&x_bytes, whole.data() + 132, 4);
  const size_t x_end = 136 + x_bytes;
  ASSERT_LT(x_end, whole.size());
  for (size_t size = 0; size < whole.size(); ++size) {
    // Everywhere near the seams, here and there between them.
    const auto near = [&](size_t seam) { return seam < size + 12 && size < seam + 12; };
    if (!near(0) && !near(128) && !near(x_end) && !near(whole.size()) && size % 37 != 0) continue;
    WriteBytes(test_, whole.substr(0, size));
    const char* reason = size < 128                     ? "is no MATLAB file"
                         : size == 128 || size == x_end ? "has no variable y"
                                                        : "is cut off";
    CSC_EXPECT_ERROR(Load(), "test_32x32.mat", reason);
    if (HasFailure()) FAIL() << "cut off after " << size << " bytes";
  }
}

TEST_P(SvhnTest, RefusesOtherFiles) {
  WriteBytes(test_, "<html>404 Not Found</html>");
  CSC_EXPECT_ERROR(Load(), "test_32x32.mat", "is no MATLAB file", "26 bytes");
  WriteBytes(test_, std::string(5000, '\0'));
  CSC_EXPECT_ERROR(Load(), "test_32x32.mat", "is no MATLAB file");
  WriteBytes(test_, "\x89PNG\r\n\x1a\n" + std::string(5000, 'x'));
  CSC_EXPECT_ERROR(Load(), "test_32x32.mat", "is no MATLAB file");
  // The header of an HDF5 file by MATLAB.
  std::string header = "MATLAB 7.3 MAT-file";
  header.resize(124, ' ');
  WriteBytes(test_, header + std::string("\0\2IM", 4) + std::string(5000, '\0'));
  CSC_EXPECT_ERROR(Load(), "test_32x32.mat", "version 7.3", "-v7");
  WriteBytes(test_, header + std::string("\0\1IM", 4) + "\x0e and no more of a matrix");
  CSC_EXPECT_ERROR(Load(), "test_32x32.mat", "is cut off");
  WriteBytes(test_, header + std::string("\0\1IM", 4) + std::string("\1\0\0\0\0\0\0\0", 8));
  CSC_EXPECT_ERROR(Load(), "test_32x32.mat", "is damaged", "byte 128", "type 1");
  WriteBytes(test_, header + std::string("\0\1IM", 4) + std::string("\x0f\0\0\0\4\0\0\0xxxx", 12));
  CSC_EXPECT_ERROR(Load(), "test_32x32.mat", "is damaged", "variable 1 of 1");
}

// Wherever a byte is wrong, the file is read or refused: no crash, no hang.
TEST_P(SvhnTest, SurvivesDamage) {
  const std::string whole = ReadFile(test_);
  const uint32_t seed = 20240229;
  std::mt19937 random(seed);
  int refused = 0;
  for (int i = 0; i < 500; ++i) {
    std::string bytes = whole;
    // Most of the time in the descriptions, which decide more than pixels do.
    const size_t range = i % 4 == 0 ? bytes.size() : 256;
    const size_t at = random() % std::min(range, bytes.size());
    bytes[at] = static_cast<char>(random());
    WriteBytes(test_, bytes);
    try {
      EXPECT_EQ(Load().test.size(), 2) << "seed " << seed << ", byte " << at;
    } catch (const Error& error) {
      ++refused;
      const std::string text = error.what();
      EXPECT_NE(text.find("test_32x32.mat"), std::string::npos) << text << ", byte " << at;
      EXPECT_EQ(text.find('\n'), std::string::npos) << text << ", byte " << at;
    }
  }
  EXPECT_GT(refused, 50);
}

// The bytes of a little-endian number.
std::string Four(uint32_t number) { return Bytes<uint32_t>({number}); }

// The zlib stream of `bytes` as they are, without any compression.
std::string Stored(const std::string& bytes) {
  const auto size = static_cast<uint16_t>(bytes.size());
  uint32_t a = 1;
  uint32_t b = 0;
  for (const char byte : bytes) {
    a = (a + static_cast<uint8_t>(byte)) % 65521;
    b = (b + a) % 65521;
  }
  const std::string adler = {static_cast<char>(b >> 8), static_cast<char>(b),
                             static_cast<char>(a >> 8), static_cast<char>(a)};
  return "\x78\x01\x01" + Bytes<uint16_t>({size, static_cast<uint16_t>(~size)}) + bytes + adler;
}

TEST_P(SvhnTest, RefusesSizesThatTheDataDoNotFill) {
  WriteMat(test_, {X(2)}, MAT_COMPRESSION_NONE);
  const std::string header = ReadFile(test_).substr(0, 128);
  std::string x = ReadFile(test_).substr(128);
  WriteMat(test_, {Y({1, 2})}, MAT_COMPRESSION_NONE);
  const std::string y = ReadFile(test_).substr(128);
  const auto write = [&](uint32_t count) {
    // The tag, the array's flags, the tag of its sizes, and three of these.
    std::string lying = x;
    lying.replace(8 + 16 + 8 + 12, 4, Four(count));
    if (GetParam() == MAT_COMPRESSION_ZLIB) {
      lying = Stored(lying);
      lying = Four(MAT_T_COMPRESSED) + Four(static_cast<uint32_t>(lying.size())) + lying;
    }
    WriteBytes(test_, header + lying + y);
  };
  write(2);
  EXPECT_EQ(Load().test.pixels.size(), 2 * kPixels);
  for (const uint32_t count : {3000u, 0x7fffffffu, 0xffffffffu}) {
    write(count);
    CSC_EXPECT_ERROR(Load(), "test_32x32.mat", "X is an array 32 x 32 x 3 x", "can hold");
  }
  write(3);
  if (GetParam() == MAT_COMPRESSION_ZLIB) {
    CSC_EXPECT_ERROR(Load(), "test_32x32.mat", "X is damaged", "end before its 9216 elements");
  } else {
    CSC_EXPECT_ERROR(Load(), "test_32x32.mat", "32 x 32 x 3 x 3", "can hold");
  }
}

}  // namespace
}  // namespace csc::test
