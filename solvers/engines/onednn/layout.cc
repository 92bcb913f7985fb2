#include "solvers/engines/onednn/layout.h"

#include <numeric>

namespace csc::onednn {

namespace {

int64_t RoundUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

class UnionFind {
 public:
  explicit UnionFind(int64_t size) : parent_(size) {
    std::iota(parent_.begin(), parent_.end(), ValueId{0});
  }
  ValueId Find(ValueId v) {
    while (parent_[v] != v) v = parent_[v] = parent_[parent_[v]];
    return v;
  }
  void Unite(ValueId a, ValueId b) { parent_[Find(a)] = Find(b); }

 private:
  std::vector<ValueId> parent_;
};

// Whether the result orders its channels as every operand does.
bool KeepsChannels(Opcode op) {
  switch (op) {
    case Opcode::kPointwise:
    case Opcode::kMask:
    case Opcode::kNormalise:
    case Opcode::kNormaliseAdjoint:
    case Opcode::kMaxPool:
    case Opcode::kMaxPoolAdjoint:
    case Opcode::kAveragePool:
    case Opcode::kAveragePoolAdjoint:
    case Opcode::kSoftmaxLoss:
      return true;
    default:
      return false;
  }
}

}  // namespace

int64_t Layout::channels() const {
  return std::accumulate(segments.begin(), segments.end(), int64_t{0});
}

int64_t Layout::lanes() const {
  int64_t lanes = 0;
  for (int64_t segment : segments) lanes += RoundUp(segment, block);
  return lanes;
}

std::vector<int64_t> Layout::LaneOfChannel() const {
  std::vector<int64_t> lane_of_channel;
  int64_t first_lane = 0;
  for (int64_t segment : segments) {
    for (int64_t i = 0; i < segment; ++i) {
      lane_of_channel.push_back(first_lane + i);
    }
    first_lane += RoundUp(segment, block);
  }
  return lane_of_channel;
}

std::vector<Layout> ChooseLayouts(const Program& program, int block) {
  UnionFind classes(program.num_values());
  for (const Instruction& i : program.instructions()) {
    if (!KeepsChannels(i.op)) continue;
    for (const Term& term : i.terms) classes.Unite(i.result, term.value);
  }
  for (const auto& [a, b] : program.same_channels()) classes.Unite(a, b);

  // Segments by class: a join's where the class has one, else one for all.
  std::vector<std::vector<int64_t>> segments(program.num_values());
  const auto segments_of = [&](ValueId v) {
    const std::vector<int64_t>& found = segments[classes.Find(v)];
    return found.empty() ? std::vector<int64_t>{program.shape(v).channels} : found;
  };
  for (const Instruction& i : program.instructions()) {
    if (i.op != Opcode::kJoin || !segments[classes.Find(i.result)].empty()) {
      continue;
    }
    std::vector<int64_t> joined;
    for (const Term& term : i.terms) {
      const std::vector<int64_t> part = segments_of(term.value);
      joined.insert(joined.end(), part.begin(), part.end());
    }
    segments[classes.Find(i.result)] = joined;
  }
  std::vector<Layout> layouts;
  for (ValueId v = 0; v < program.num_values(); ++v) {
    layouts.push_back({segments_of(v), block});
  }
  return layouts;
}

int64_t FirstLaneOfPart(const Layout& whole, int64_t first_channel, const Layout& part) {
  int64_t channel = 0;
  int64_t lane = 0;
  for (size_t s = 0; s < whole.segments.size(); ++s) {
    if (channel == first_channel) {
      if (whole.segments.size() - s < part.segments.size()) return -1;
      for (size_t k = 0; k < part.segments.size(); ++k) {
        if (whole.segments[s + k] != part.segments[k]) return -1;
      }
      return lane;
    }
    channel += whole.segments[s];
    lane += RoundUp(whole.segments[s], whole.block);
  }
  return -1;
}

}  // namespace csc::onednn
