// Event files, as TensorBoard reads them: curves to watch a training by.
//
//   tensorboard --logdir OUT/events
//
// A file is a sequence of TFRecords, each a protobuf of event.proto. One run of
// the program writes one file; a training that was resumed has several in its
// folder, which TensorBoard reads in the order of their names.

#ifndef CSC_TRAINING_REPORT_EVENT_FILE_H_
#define CSC_TRAINING_REPORT_EVENT_FILE_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace csc {

// CRC-32C (Castagnoli) of `bytes`, rotated and offset as TFRecords have it, so
// that the checksum of data that holds checksums stays a good one.
uint32_t MaskedCrc(const std::string& bytes);

// One TFRecord: length (8 bytes, little-endian), the length's masked CRC (4),
// `bytes`, their masked CRC.
std::string TfRecord(const std::string& bytes);

// Writes one event file. Every record is handed to the system as it is written,
// so that a killed training loses none.
class EventFile {
 public:
  // Starts a new file in `folder`, which is made if need be, named so that it
  // sorts behind those that are there. Its first events are the format's
  // version and a start of the session at `first_step`: points of earlier files
  // at this step or later ones come from a run that was cut off, and TensorBoard
  // drops them. `now` is the time, in seconds since 1970. Throws Error.
  EventFile(const std::string& folder, int64_t first_step, double now);
  ~EventFile();
  EventFile(const EventFile&) = delete;
  EventFile& operator=(const EventFile&) = delete;

  // Values of one step by their tags, as in "train/loss". Throws Error.
  void AddScalars(int64_t step, double now,
                  const std::vector<std::pair<std::string, double>>& values);

  const std::string& path() const { return path_; }

 private:
  void Write(const std::string& bytes);

  std::string path_;
  int fd_ = -1;
};

}  // namespace csc

#endif  // CSC_TRAINING_REPORT_EVENT_FILE_H_
