#include "training/report/event_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <isa-l/crc.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "solvers/error.h"
#include "training/report/event.pb.h"

namespace csc {

namespace {

// TensorBoard asks for "tfevents" in a file's name.
constexpr char kPrefix[] = "events.out.tfevents.";

std::string LittleEndian(uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text.push_back(static_cast<char>(value >> (8 * i) & 0xff));
  return text;
}

// The seconds since 1970 and the number that follow the prefix of a name.
struct Stamp {
  long long seconds = 0;
  int number = 0;

  bool operator<(const Stamp& other) const {
    return seconds != other.seconds ? seconds < other.seconds : number < other.number;
  }
};

// The latest of the files in `folder`.
Stamp Latest(const std::string& folder) {
  Stamp latest;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    Stamp stamp;
    if (name.rfind(kPrefix, 0) == 0 && std::sscanf(name.c_str() + std::strlen(kPrefix), "%lld.%d",
                                                   &stamp.seconds, &stamp.number) >= 1) {
      latest = std::max(latest, stamp);
    }
  }
  return latest;
}

// A name behind all that are there, even within their second and where the
// clock was put back.
std::string NextName(const std::string& folder, double now) {
  const Stamp latest = Latest(folder);
  Stamp next = {static_cast<long long>(now), 0};
  if (!(latest < next)) next = {latest.seconds, latest.number + 1};
  return fmt::format("{}{:010}.{:06}.csc", kPrefix, next.seconds, next.number);
}

}  // namespace

uint32_t MaskedCrc(const std::string& bytes) {
  // crc32_iscsi only reads; its start and its end are not inverted yet.
  auto* data = reinterpret_cast<unsigned char*>(const_cast<char*>(bytes.data()));
  const uint32_t crc = ~crc32_iscsi(data, static_cast<int>(bytes.size()), ~0u);
  return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

std::string TfRecord(const std::string& bytes) {
  const std::string length = LittleEndian(bytes.size(), 8);
  return length + LittleEndian(MaskedCrc(length), 4) + bytes + LittleEndian(MaskedCrc(bytes), 4);
}

EventFile::EventFile(const std::string& folder, int64_t first_step, double now) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  Require(std::filesystem::is_directory(folder), "{}: cannot be made into a folder: {}", folder,
          error.message());
  path_ = folder + "/" + NextName(folder, now);
  fd_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
  Require(fd_ >= 0, "{}: cannot be opened: {}", path_, std::strerror(errno));
  events::Event event;
  event.set_wall_time(now);
  event.set_file_version("brain.Event:2");
  std::string bytes = TfRecord(event.SerializeAsString());
  event.set_step(first_step);
  event.mutable_session_log()->set_status(events::SessionLog::START);
  Write(bytes + TfRecord(event.SerializeAsString()));
}

EventFile::~EventFile() { close(fd_); }

void EventFile::AddScalars(int64_t step, double now,
                           const std::vector<std::pair<std::string, double>>& values) {
  events::Event event;
  event.set_wall_time(now);
  event.set_step(step);
  for (const auto& [tag, number] : values) {
    events::Summary::Value* value = event.mutable_summary()->add_value();
    value->set_tag(tag);
    value->set_simple_value(static_cast<float>(number));
  }
  Write(TfRecord(event.SerializeAsString()));
}

void EventFile::Write(const std::string& bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = write(fd_, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    Require(n >= 0, "{}: cannot be written: {}", path_, std::strerror(errno));
    done += n;
  }
}

}  // namespace csc
