// A 64-bit checksum (FNV-1a over words), against damage and mix-ups, not
// against attackers. Little-endian machines agree on its value.

#ifndef CSC_TRAINING_HASH_H_
#define CSC_TRAINING_HASH_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace csc {

class Hash {
 public:
  void Add(const void* data, size_t size) {
    const char* bytes = static_cast<const char*>(data);
    // Eight bytes at a time: a data set of 180 MB is hashed at every start.
    for (; size >= 8; size -= 8, bytes += 8) {
      uint64_t word;
      std::memcpy(&word, bytes, 8);
      Mix(word);
    }
    uint64_t rest = size;  // also tells "ab" from "ab\0"
    std::memcpy(reinterpret_cast<char*>(&rest) + 1, bytes, size < 7 ? size : 7);
    Mix(rest);
  }
  uint64_t value() const { return value_; }

 private:
  void Mix(uint64_t word) {
    value_ = (value_ ^ word) * 0x100000001b3;
    value_ ^= value_ >> 29;  // lets high bits reach low ones
  }
  uint64_t value_ = 0xcbf29ce484222325;
};

}  // namespace csc

#endif  // CSC_TRAINING_HASH_H_
