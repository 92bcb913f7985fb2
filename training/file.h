// Files that are there whole or not at all.

#ifndef CSC_TRAINING_FILE_H_
#define CSC_TRAINING_FILE_H_

#include <string>

namespace csc {

// Writes `bytes` to `path`.tmp, forces them to the disk and renames the file
// to `path`: whoever reads `path`, after a crash too, meets the old content or
// the new one. Throws Error.
void WriteFile(const std::string& path, const std::string& bytes);

// The whole file. Throws Error.
std::string ReadFile(const std::string& path);

}  // namespace csc

#endif  // CSC_TRAINING_FILE_H_
