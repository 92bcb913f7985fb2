#include "tests/solvers/engines/cuda/emulated/counts.h"

#include <algorithm>
#include <iterator>

namespace csc::test::ptx {

namespace {

void SortUnique(std::vector<uint64_t>* values) {
  std::sort(values->begin(), values->end());
  values->erase(std::unique(values->begin(), values->end()), values->end());
}

// The different pieces of `unit` bytes that lanes reach, `bytes` each.
std::vector<uint64_t> Different(const std::vector<uint64_t>& addresses, int bytes, int unit) {
  std::vector<uint64_t> units;
  for (uint64_t address : addresses) {
    for (uint64_t u = address / unit; u * unit < address + bytes; ++u) units.push_back(u);
  }
  SortUnique(&units);
  return units;
}

// Each bank of 4 bytes gives one word in a row.
uint64_t SharedRows(const std::vector<uint64_t>& addresses, int bytes) {
  constexpr int kBanks = kRowBytes / 4;
  uint64_t words[kBanks] = {};
  for (uint64_t word : Different(addresses, bytes, 4)) ++words[word % kBanks];
  return *std::max_element(words, words + kBanks);
}

}  // namespace

Counter::Counter(const Kernel& kernel)
    : kernel_(kernel),
      executed_(kernel.code.size() * kLanes),
      most_(kernel.code.size()),
      requests_(kernel.code.size()) {
  counts_.lines.resize(kernel.code.size());
}

void Counter::Execute(uint32_t lane, int at) {
  const uint32_t times = ++executed_[static_cast<size_t>(at) * kLanes + lane];
  if (times <= most_[at]) return;
  if (most_[at]++ == 0) touched_.push_back(at);
}

void Counter::Access(uint32_t lane, int at, uint64_t address) {
  std::vector<Request>& requests = requests_[at];
  const uint32_t times = executed_[static_cast<size_t>(at) * kLanes + lane];
  if (requests.size() < times) requests.resize(times);
  Request& request = requests[times - 1];
  request.lanes |= uint32_t{1} << lane;
  request.addresses[lane] = address;
}

void Counter::EndSegment() {
  for (int at : touched_) {
    Counts::Line& line = counts_.lines[at];
    line.issued += most_[at];
    most_[at] = 0;
    std::fill_n(executed_.begin() + static_cast<ptrdiff_t>(at) * kLanes, kLanes, 0);
    for (const Request& request : requests_[at]) Count(kernel_.code[at], request, &line);
    requests_[at].clear();
  }
  touched_.clear();
}

void Counter::Count(const Instruction& i, const Request& request, Counts::Line* line) {
  if (request.lanes == 0) return;
  const int bytes = BytesOf(i.type) * i.width;
  // Memory answers the lanes of 128 bytes at a time: all, or halves or quarters of a warp.
  const uint32_t lanes_at_once = std::min<uint32_t>(kLanes, kRowBytes / bytes);
  ++line->requests;
  for (uint32_t first = 0; first < kLanes; first += lanes_at_once) {
    std::vector<uint64_t> addresses;
    for (uint32_t lane = first; lane < first + lanes_at_once; ++lane) {
      if ((request.lanes >> lane & 1) != 0) addresses.push_back(request.addresses[lane]);
    }
    if (addresses.empty()) continue;
    ++line->least_rows;
    if (i.space == Space::kShared) {
      line->rows += SharedRows(addresses, bytes);
      continue;
    }
    line->rows += Different(addresses, bytes, kRowBytes).size();
    const std::vector<uint64_t> sectors = Different(addresses, bytes, kSectorBytes);
    line->sectors += sectors.size();
    const uint64_t different = Different(addresses, bytes, bytes).size() * bytes;
    line->least_sectors += (different + kSectorBytes - 1) / kSectorBytes;
    block_.insert(block_.end(), sectors.begin(), sectors.end());
  }
}

void Counter::EndBlock() {
  SortUnique(&block_);
  ++counts_.blocks;
  counts_.block_sectors += block_.size();
  stretches_.back().insert(stretches_.back().end(), block_.begin(), block_.end());
  block_.clear();
}

Counts Counter::Finish() {
  for (std::vector<uint64_t>& stretch : stretches_) {
    SortUnique(&stretch);
    counts_.own_sectors += stretch.size();
  }
  if (stretches_.size() == 2) {
    std::vector<uint64_t> common;
    std::set_intersection(stretches_[0].begin(), stretches_[0].end(), stretches_[1].begin(),
                          stretches_[1].end(), std::back_inserter(common));
    counts_.common_sectors = common.size();
    counts_.own_sectors -= 2 * common.size();
  }
  return counts_;
}

}  // namespace csc::test::ptx
