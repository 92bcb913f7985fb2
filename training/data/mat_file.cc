#include "training/data/mat_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "solvers/error.h"

namespace csc {

namespace {

constexpr int64_t kHeader = 128;  // bytes of a file before its variables
constexpr int64_t kTag = 8;       // bytes of a variable before its own

// No deflated byte stands for more than these.
constexpr int64_t kMostInflated = 1032;

// What matio last complained about in this thread; it has one function for
// everybody to complain to.
thread_local std::string complaint;

// What a damaged file says, made fit for a message of one line.
std::string Printable(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return text;
}

extern "C" void KeepComplaint(int level, char* text) {
  if ((level & (MATIO_LOG_LEVEL_CRITICAL | MATIO_LOG_LEVEL_WARNING)) != 0) {
    complaint = Printable(text);
  }
}

uint32_t Number(const unsigned char* bytes, bool big_endian) {
  uint32_t number = 0;
  for (int i = 0; i < 4; ++i) number |= uint32_t{bytes[i]} << (big_endian ? 24 - 8 * i : 8 * i);
  return number;
}

const char* ClassName(matio_classes type) {
  constexpr const char* kNames[] = {"empty",  "cell",   "struct", "object", "char",    "sparse",
                                    "double", "single", "int8",   "uint8",  "int16",   "uint16",
                                    "int32",  "uint32", "int64",  "uint64", "function"};
  const auto i = static_cast<size_t>(type);
  return i < sizeof(kNames) / sizeof(kNames[0]) ? kNames[i] : "unknown";
}

// As in "32 x 32 x 3 x N", with `zero` for a size of 0.
template <typename T>
std::string Sizes(const T* sizes, int64_t rank, const char* zero) {
  std::vector<std::string> parts;
  for (int64_t i = 0; i < rank; ++i) {
    parts.push_back(sizes[i] == 0 ? zero : std::to_string(sizes[i]));
  }
  return fmt::format("{}", fmt::join(parts, " x "));
}

}  // namespace

MatFile::MatFile(const std::string& path) : path_(path) {
  const std::vector<int64_t> bytes = Walk();
  Mat_LogInitFunc("", KeepComplaint);
  complaint.clear();
  file_.reset(Mat_Open(path.c_str(), MAT_ACC_RDONLY));
  Require(file_ != nullptr, "{}: is no MATLAB file that matio reads: {}", path, complaint);
  for (size_t i = 0; i < bytes.size(); ++i) {
    variables_.push_back({decltype(Variable::info)(Mat_VarReadNextInfo(file_.get())), bytes[i]});
    Require(variables_.back().info != nullptr,
            "{}: is damaged: variable {} of {} cannot be read: {}", path, i + 1, bytes.size(),
            complaint.empty() ? "its description is cut off" : complaint);
  }
}

std::vector<int64_t> MatFile::Walk() const {
  std::error_code error;
  Require(!std::filesystem::is_directory(path_, error), "{}: is a folder: a file expected", path_);
  std::ifstream file(path_, std::ios::binary);
  Require(file.good(), "{}: cannot be opened: {}", path_, std::strerror(errno));
  file.seekg(0, std::ios::end);
  const auto size = static_cast<int64_t>(file.tellg());
  const auto read = [&](int64_t begin, unsigned char* dst, int64_t count) {
    file.seekg(begin);
    file.read(reinterpret_cast<char*>(dst), count);
    Require(file.good(), "{}: cannot be read", path_);
  };

  unsigned char header[kHeader] = {};
  read(0, header, std::min(size, kHeader));
  // The header ends with the version, 1 or 2 in the upper byte, and "MI" as a
  // number of two bytes.
  const bool big_endian = header[126] == 'M' && header[127] == 'I';
  const bool little_endian = header[126] == 'I' && header[127] == 'M';
  const int version = header[big_endian ? 124 : 125];
  Require((big_endian || little_endian) && (version == 1 || version == 2),
          "{}: is no MATLAB file: {} bytes without the header of a file of version 5", path_, size);
  Require(version == 1,
          "{}: is a MATLAB file of version 7.3: version 5 expected, as MATLAB saves with -v7",
          path_);

  std::vector<int64_t> bytes;
  for (int64_t begin = kHeader; begin < size;) {
    unsigned char tag[kTag] = {};
    const int64_t left = size - begin - kTag;
    if (left >= 0) read(begin, tag, kTag);
    const uint32_t type = Number(tag, big_endian);
    const int64_t expected = Number(tag + 4, big_endian);
    Require(left >= 0 && left >= expected,
            "{}: is cut off: it has {} bytes, and variable {} needs at least {}", path_, size,
            bytes.size() + 1, begin + kTag + expected);
    Require(type == MAT_T_MATRIX || type == MAT_T_COMPRESSED,
            "{}: is damaged: at byte {} stands a value of type {}: {} or {} expected", path_, begin,
            type, static_cast<int>(MAT_T_MATRIX), static_cast<int>(MAT_T_COMPRESSED));
    bytes.push_back(expected);
    begin += kTag + expected;
  }
  return bytes;
}

const MatFile::Variable& MatFile::Find(const std::string& name) const {
  std::vector<std::string> names;
  for (const Variable& variable : variables_) {
    if (variable.info->name == nullptr) continue;
    if (variable.info->name == name) return variable;
    names.push_back(Printable(variable.info->name));
  }
  Fail("{}: has no variable {}: it holds {}", path_, name,
       names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")));
}

int64_t MatFile::Count(const Variable& variable, const std::vector<int64_t>& sizes,
                       bool right_class, const char* expected) const {
  const matvar_t& info = *variable.info;
  const auto rank = static_cast<int64_t>(sizes.size());
  bool right = right_class && info.isComplex == 0 && info.rank == rank && info.dims != nullptr;
  for (int64_t i = 0; right && i < rank; ++i) {
    right = sizes[i] == 0 ? info.dims[i] > 0 : static_cast<int64_t>(info.dims[i]) == sizes[i];
  }
  Require(right, "{}: {} is an array {} of class {}{}: {} of class {} expected", path_, info.name,
          Sizes(info.dims, info.dims == nullptr ? 0 : info.rank, "0"),
          info.isComplex != 0 ? "complex " : "", ClassName(info.class_type),
          Sizes(sizes.data(), rank, "N"), expected);

  // Nobody may ask for memory on the word of a few bytes.
  const bool compressed = info.compression == MAT_COMPRESSION_ZLIB;
  const int64_t most =
      std::min<int64_t>(INT_MAX, variable.bytes * (compressed ? kMostInflated : 1));
  int64_t count = 1;
  for (int64_t i = 0; i < rank; ++i) {
    const auto size = static_cast<int64_t>(info.dims[i]);
    Require(size <= most / count, "{}: {} is an array {}: more than its {} bytes can hold", path_,
            info.name, Sizes(info.dims, rank, "0"), variable.bytes);
    count *= size;
  }
  return count;
}

template <typename T>
std::vector<T> MatFile::Read(const Variable& variable, int64_t count) {
  std::vector<T> elements(count);
  // Where compressed data end early, matio says nothing and leaves the rest as
  // it was. So the last byte is made to differ from what it was: by the first
  // mark, or by the second if the data hold the first.
  auto* last = reinterpret_cast<unsigned char*>(elements.data() + count) - 1;
  for (const unsigned char mark : {0x5a, 0xa5}) {
    *last = mark;
    complaint.clear();
    const int error = Mat_VarReadDataLinear(file_.get(), variable.info.get(), elements.data(), 0, 1,
                                            static_cast<int>(count));
    Require(error == 0 && complaint.empty(), "{}: {} is damaged: {}", path_, variable.info->name,
            complaint.empty() ? fmt::format("matio's error {}", error) : complaint);
    if (*last != mark) return elements;
  }
  Fail("{}: {} is damaged: its data end before its {} elements", path_, variable.info->name, count);
}

std::vector<uint8_t> MatFile::ReadBytes(const std::string& name,
                                        const std::vector<int64_t>& sizes) {
  const Variable& variable = Find(name);
  const bool right = variable.info->class_type == MAT_C_UINT8;
  return Read<uint8_t>(variable, Count(variable, sizes, right, "uint8"));
}

std::vector<double> MatFile::ReadNumbers(const std::string& name,
                                         const std::vector<int64_t>& sizes) {
  const Variable& variable = Find(name);
  const bool bytes = variable.info->class_type == MAT_C_UINT8;
  const bool right = bytes || variable.info->class_type == MAT_C_DOUBLE;
  const int64_t count = Count(variable, sizes, right, "double or uint8");
  if (!bytes) return Read<double>(variable, count);
  const std::vector<uint8_t> elements = Read<uint8_t>(variable, count);
  return {elements.begin(), elements.end()};
}

}  // namespace csc
