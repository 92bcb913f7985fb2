#include "training/checkpoint/checkpoint.h"

#include <cstdint>
#include <cstring>

#include "solvers/error.h"
#include "training/file.h"
#include "training/hash.h"

namespace csc {

namespace {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "checkpoints are written as the machine's own numbers");

constexpr char kMagic[] = "CSCTRAIN";
constexpr size_t kMagicSize = 8;
constexpr uint32_t kVersion = 2;
constexpr size_t kHeaderSize = kMagicSize + sizeof(uint32_t) + sizeof(uint64_t);

class Writer {
 public:
  template <typename T>
  void Number(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(T));
  }
  void Text(const std::string& text) {
    Number<uint64_t>(text.size());
    bytes_ += text;
  }
  void Floats(const std::vector<float>& values) {
    Number<uint64_t>(values.size());
    bytes_.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  }
  std::string& bytes() { return bytes_; }

 private:
  std::string bytes_;
};

// Reads a payload whose checksum was right; still bounds every size, because
// a checksum is no proof of who wrote it.
class Reader {
 public:
  Reader(const char* begin, size_t size) : next_(begin), left_(size) {}

  uint64_t Size() {
    uint64_t value;
    Copy(&value, sizeof(value));
    return value;
  }
  std::string Text() {
    std::string text(Bounded(Size(), 1), '\0');
    Copy(text.data(), text.size());
    return text;
  }
  std::vector<float> Floats() {
    std::vector<float> values(Bounded(Size(), sizeof(float)));
    Copy(values.data(), values.size() * sizeof(float));
    return values;
  }
  size_t left() const { return left_; }

 private:
  size_t Bounded(uint64_t count, size_t element) {
    Require(count <= left_ / element, "a part of {} elements is too long", count);
    return count;
  }
  void Copy(void* dst, size_t size) {
    Require(size <= left_, "it ends too early");
    // memcpy wants a pointer even for nothing; an empty vector has none.
    if (size > 0) std::memcpy(dst, next_, size);
    next_ += size;
    left_ -= size;
  }
  const char* next_;
  size_t left_;
};

Checkpoint Parse(const std::string& bytes) {
  Require(bytes.size() >= kHeaderSize && bytes.compare(0, kMagicSize, kMagic) == 0,
          "not a checkpoint: \"{}\" expected at its start", kMagic);
  uint32_t version;
  std::memcpy(&version, bytes.data() + kMagicSize, sizeof(version));
  Require(version == kVersion,
          "a checkpoint of version {}: version {} expected; another release "
          "of this program may read it",
          version, kVersion);
  uint64_t size;
  std::memcpy(&size, bytes.data() + kMagicSize + sizeof(version), sizeof(size));
  const uint64_t room = bytes.size() - kHeaderSize;
  Require(room >= sizeof(uint64_t) && size == room - sizeof(uint64_t),
          "a damaged checkpoint: {} bytes found, {} expected", bytes.size(),
          kHeaderSize + size + sizeof(uint64_t));
  Hash hash;
  hash.Add(bytes.data() + kHeaderSize, size);
  uint64_t checksum;
  std::memcpy(&checksum, bytes.data() + kHeaderSize + size, sizeof(checksum));
  Require(checksum == hash.value(),
          "a damaged checkpoint: checksum {:016x} found, {:016x} expected", hash.value(), checksum);

  Reader reader(bytes.data() + kHeaderSize, size);
  Checkpoint checkpoint;
  checkpoint.description = reader.Text();
  const uint64_t count = reader.Size();
  for (uint64_t i = 0; i < count; ++i) {
    std::string name = reader.Text();
    checkpoint.arrays[name] = reader.Floats();
  }
  Require(reader.left() == 0, "{} bytes too many", reader.left());
  return checkpoint;
}

}  // namespace

void WriteCheckpoint(const std::string& path, const Checkpoint& checkpoint) {
  Writer payload;
  payload.Text(checkpoint.description);
  payload.Number<uint64_t>(checkpoint.arrays.size());
  for (const auto& [name, values] : checkpoint.arrays) {
    payload.Text(name);
    payload.Floats(values);
  }
  Hash hash;
  hash.Add(payload.bytes().data(), payload.bytes().size());

  Writer file;
  file.bytes().append(kMagic, kMagicSize);
  file.Number<uint32_t>(kVersion);
  file.Text(payload.bytes());
  file.Number<uint64_t>(hash.value());
  WriteFile(path, file.bytes());
}

Checkpoint ReadCheckpoint(const std::string& path) {
  const std::string bytes = ReadFile(path);
  try {
    return Parse(bytes);
  } catch (const Error& error) {
    Fail("{}: {}", path, error.what());
  }
}

}  // namespace csc
