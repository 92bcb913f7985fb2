// First-fit allocation of offsets in an arena that grows as needed.

#ifndef CSC_SOLVERS_ENGINES_ONEDNN_ARENA_H_
#define CSC_SOLVERS_ENGINES_ONEDNN_ARENA_H_

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>

namespace csc::onednn {

class Arena {
 public:
  // Offset of a free range of `size` > 0.
  int64_t Allocate(int64_t size) {
    for (auto hole = free_.begin(); hole != free_.end(); ++hole) {
      if (hole->second < size) continue;
      const int64_t offset = hole->first;
      const int64_t left = hole->second - size;
      free_.erase(hole);
      if (left > 0) free_[offset + size] = left;
      return offset;
    }
    int64_t offset = end_;
    if (!free_.empty()) {  // extend the hole at the end, if there is one
      const auto last = std::prev(free_.end());
      if (last->first + last->second == end_) {
        offset = last->first;
        free_.erase(last);
      }
    }
    end_ = offset + size;
    return offset;
  }

  void Free(int64_t offset, int64_t size) {
    auto next = free_.lower_bound(offset);
    if (next != free_.end() && offset + size == next->first) {
      size += next->second;
      next = free_.erase(next);
    }
    if (next != free_.begin()) {
      const auto before = std::prev(next);
      if (before->first + before->second == offset) {
        before->second += size;
        return;
      }
    }
    free_[offset] = size;
  }

  // What all allocations so far needed at most.
  int64_t size() const { return end_; }

 private:
  std::map<int64_t, int64_t> free_;  // offset -> size, never adjacent
  int64_t end_ = 0;
};

}  // namespace csc::onednn

#endif  // CSC_SOLVERS_ENGINES_ONEDNN_ARENA_H_
