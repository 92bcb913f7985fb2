#include "training/data/jpeg.h"

#include <cstdint>

#include "training/file.h"

namespace csc {

bool IsCutOffJpeg(const std::string& path) {
  const std::string bytes = ReadFile(path);
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  if (bytes.size() < 2 || byte(0) != 0xff || byte(1) != 0xd8) return false;
  // A marker is 0xff and a code. In compressed data 0xff is followed by 0 or a
  // restart marker; all other parts begin with their length, by which previews
  // inside them, with end markers of their own, are skipped.
  for (size_t i = 2; i + 1 < bytes.size();) {
    const int code = byte(i) == 0xff ? byte(i + 1) : 0xff;
    if (code == 0xff) {
      ++i;  // compressed data, or one of several 0xff before a code
      continue;
    }
    if (code == 0xd9) return false;
    i += 2;
    const bool bare = code <= 0x01 || (0xd0 <= code && code <= 0xd8);
    if (bare) continue;
    if (i + 1 >= bytes.size()) break;
    i += byte(i) << 8 | byte(i + 1);
  }
  return true;
}

}  // namespace csc
