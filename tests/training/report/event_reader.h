// Reads event files back with nothing of what writes them but the messages.

#ifndef CSC_TESTS_TRAINING_REPORT_EVENT_READER_H_
#define CSC_TESTS_TRAINING_REPORT_EVENT_READER_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "training/file.h"
#include "training/report/event.pb.h"

namespace csc::test {

// CRC-32C from its definition, bit by bit.
inline uint32_t SlowCrc(const std::string& bytes) {
  uint32_t crc = ~0u;
  for (unsigned char byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78u : 0);
  }
  return ~crc;
}

inline uint64_t Number(const std::string& bytes, size_t at, int count) {
  uint64_t value = 0;
  for (int i = count; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes.at(at + i));
  return value;
}

inline uint32_t Unmasked(uint64_t masked) {
  const uint32_t rotated = static_cast<uint32_t>(masked) - 0xa282ead8u;
  return rotated >> 17 | rotated << 15;
}

// All events of a file, its framing and checksums checked.
inline std::vector<events::Event> ReadEvents(const std::string& path) {
  const std::string bytes = ReadFile(path);
  std::vector<events::Event> list;
  for (size_t at = 0; at < bytes.size();) {
    const size_t length = Number(bytes, at, 8);
    EXPECT_EQ(Unmasked(Number(bytes, at + 8, 4)), SlowCrc(bytes.substr(at, 8)));
    const std::string payload = bytes.substr(at + 12, length);
    EXPECT_EQ(payload.size(), length);
    EXPECT_EQ(Unmasked(Number(bytes, at + 12 + length, 4)), SlowCrc(payload));
    list.emplace_back();
    EXPECT_TRUE(list.back().ParseFromString(payload));
    at += length + 16;
  }
  return list;
}

// The files of a folder in the order of their names, which is TensorBoard's.
inline std::vector<std::string> EventFiles(const std::string& folder) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace csc::test

#endif  // CSC_TESTS_TRAINING_REPORT_EVENT_READER_H_
