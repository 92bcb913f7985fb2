// Checkpoints: everything a training needs to go on, in one file.
//
// Layout, all numbers little-endian:
//
//   8 bytes   "CSCTRAIN"
//   u32       version, 2
//   u64       bytes of the payload
//   payload   u64 and text: a JSON object that describes the training
//             u64: number of arrays; for each u64 and text: its name, then
//             u64 and float32: its values
//   u64       checksum of the payload
//
// The file is replaced in one step, so that a crash leaves the one before.

#ifndef CSC_TRAINING_CHECKPOINT_CHECKPOINT_H_
#define CSC_TRAINING_CHECKPOINT_CHECKPOINT_H_

#include <map>
#include <string>
#include <vector>

namespace csc {

struct Checkpoint {
  std::string description;  // JSON text
  std::map<std::string, std::vector<float>> arrays;
};

void WriteCheckpoint(const std::string& path, const Checkpoint& checkpoint);

// Throws Error that names the file and says what is wrong: no checkpoint at
// all, a newer version, truncated, damaged.
Checkpoint ReadCheckpoint(const std::string& path);

}  // namespace csc

#endif  // CSC_TRAINING_CHECKPOINT_CHECKPOINT_H_
