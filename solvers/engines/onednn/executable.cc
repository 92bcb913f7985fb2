#include "solvers/engines/onednn/executable.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <set>

#include "solvers/engines/onednn/convolution.h"
#include "solvers/error.h"

namespace csc::onednn {

namespace {

// Images a worker takes through a stage together. A training tile is also the
// chunk whose gradients are summed before those of all chunks are, in order.
constexpr int64_t kInferenceTile = kMostGroupImages;
constexpr int64_t kTrainingTile = kMostGroupImages;
// Floats of a worker's arena beyond which a tile has fewer images: 128 MB.
constexpr int64_t kMostTileFloats = int64_t{1} << 25;
// Tiles that an inference batch is cut into at least, for so many workers.
constexpr int64_t kLeastTiles = 8;
// Up to so many images are computed one after the other, all workers together.
constexpr int64_t kCooperativeBatch = 3;

}  // namespace

OneDnnExecutable::OneDnnExecutable(const Program& program, const PrepareOptions& options, int block)
    : program_(program),
      plan_(MakePlan(program, block, options)),
      arithmetic_(options.arithmetic),
      keep_times_(options.keep_times),
      banded_(program_, plan_, arithmetic_),
      gradients_(program_, plan_),
      batch_gradients_(program_, plan_),
      parameters_(program.parameter_size()),
      packed_(plan_.instructions.size()),
      statistics_(program.statistics().size()),
      statistic_stage_(program.statistics().size()) {
  for (size_t k = 0; k < plan_.instructions.size(); ++k) {
    const Instruction& i = plan_.instructions[k];
    has_loss_ = has_loss_ || i.op == Opcode::kSoftmaxLoss;
    if (i.op != Opcode::kMoments && i.op != Opcode::kNormaliseSums) continue;
    Statistic& statistic = statistics_[i.statistic];
    const ValueId value = i.terms[0].value;
    statistic.lane_of_channel = plan_.layouts[value].LaneOfChannel();
    statistic.lanes = plan_.layouts[value].lanes();
    statistic.pixels = plan_.shapes[value].height * plan_.shapes[value].width;
    statistic.moments = i.op == Opcode::kMoments;
    statistic_stage_[i.statistic] = plan_.levels[k];
  }
  for (const Instruction& i : program_.instructions()) {
    if (i.op == Opcode::kNormalise) statistics_[i.statistic].epsilon = i.epsilon;
  }
  for (const Stage& stage : plan_.stages) {
    for (const Group& group : stage.groups)
      num_units_ += 2 + static_cast<int64_t>(group.units.size());
  }
  // Whether oneDNN can do it at all shows now, not at the first run.
  OneOmpThread one_thread;
  MakeTileSets(1, Cooperates(1) ? kTogetherParts : 1);
}

int64_t OneDnnExecutable::TileImages(int64_t batch) const {
  // A function of the batch alone: the number of threads must not matter.
  const int64_t fitting =
      std::max<int64_t>(1, kMostTileFloats / std::max<int64_t>(1, plan_.tile_floats));
  if (HasGradients()) return std::min({batch, kTrainingTile, fitting});
  return std::clamp<int64_t>(batch / kLeastTiles, 1, std::min(kInferenceTile, fitting));
}

bool OneDnnExecutable::Cooperates(int64_t batch) const {
  return batch <= kCooperativeBatch && !HasGradients() && !has_loss_ && statistics_.empty();
}

template <typename Body>
void OneDnnExecutable::ForEachGroup(int64_t images, const Body& body) const {
  for (const Stage& stage : plan_.stages) {
    for (const Group& group : stage.groups) {
      const int64_t at_a_time = std::min(group.images, images);
      body(group, at_a_time);
      if (images % at_a_time != 0) body(group, images % at_a_time);
    }
  }
}

// A set serves all groups that ever take its number of images.
void OneDnnExecutable::MakeTileSets(int64_t images, int max_parts) {
  std::map<int64_t, std::set<int>> convolutions;
  ForEachGroup(images, [&](const Group& group, int64_t at_a_time) {
    std::set<int>& all = convolutions[at_a_time];
    for (const Unit& unit : group.units) {
      const int head = unit.instructions[0];
      if (IsConvolution(plan_.instructions[head].op) && !banded_.map(head)) all.insert(head);
    }
  });
  for (auto& [at_a_time, all] : convolutions) {
    std::unique_ptr<TileSet>* place = nullptr;
    for (auto& set : tile_sets_) {
      if (set->images() == at_a_time && set->max_parts() == max_parts) place = &set;
    }
    if (place == nullptr) place = &tile_sets_.emplace_back();
    if (*place) {
      const size_t asked = all.size();
      size_t known = 0;
      for (int k = 0; k < static_cast<int>(plan_.instructions.size()); ++k) {
        if ((*place)->parts(k).empty()) continue;
        known += all.count(k);
        all.insert(k);
      }
      if (known == asked) continue;
    }
    const std::vector<int> instructions(all.begin(), all.end());
    *place = std::make_unique<TileSet>(program_, plan_, instructions, at_a_time, max_parts,
                                       arithmetic_ == Arithmetic::kBfloat16);
    (*place)->PackFilters(parameters_.data());
  }
}

const TileSet* OneDnnExecutable::FindTileSet(int64_t images, int max_parts) const {
  for (const auto& set : tile_sets_) {
    if (set->images() == images && set->max_parts() == max_parts) return set.get();
  }
  Fail("no convolutions were prepared for {} images at a time", images);
}

void OneDnnExecutable::SetParameters(const float* parameters) {
  OneOmpThread one_thread;
  packed_any_ = true;
  std::copy_n(parameters, parameters_.size(), parameters_.begin());
  const auto by_lane = [&](const ChannelVector& v, const Layout& layout) {
    std::vector<float> lanes;
    if (!v.present()) return lanes;
    lanes.resize(layout.lanes());
    const float* from = parameters + program_.parameters()[v.parameter].offset + v.offset;
    const std::vector<int64_t> lane_of_channel = layout.LaneOfChannel();
    for (size_t c = 0; c < lane_of_channel.size(); ++c) {
      lanes[lane_of_channel[c]] = static_cast<float>(v.constant * from[v.count == 1 ? 0 : c]);
    }
    return lanes;
  };
  for (size_t k = 0; k < plan_.instructions.size(); ++k) {
    const Instruction& i = plan_.instructions[k];
    Packed& packed = packed_[k];
    packed.coefficients.clear();
    for (const Term& term : i.terms) {
      packed.coefficients.push_back(CoefficientValue(program_, term.coefficient, parameters));
    }
    if (i.result < 0) continue;
    packed.a = by_lane(i.scale, plan_.layouts[i.result]);
    packed.b = by_lane(i.threshold, plan_.layouts[i.result]);
  }
  banded_.PackFilters(parameters);
  for (const auto& set : tile_sets_) set->PackFilters(parameters);
}

void OneDnnExecutable::Reserve(int64_t batch, int workers) {
  if (batch == reserved_batch_ && workers <= static_cast<int>(workers_.size())) return;
  reserved_batch_ = 0;
  OneOmpThread one_thread;
  const int64_t images = TileImages(batch);
  const int64_t tiles = (batch + images - 1) / images;
  MakeTileSets(images, Cooperates(batch) ? kTogetherParts : 1);
  if (batch % images != 0) MakeTileSets(batch % images, 1);
  if (progress_.empty()) progress_ = std::vector<Progress>(num_units_);
  if (static_cast<int>(workers_.size()) < workers) workers_.resize(workers);
  size_t sums = 0;
  ForEachGroup(1, [&](const Group& group, int64_t) {
    for (const Unit& unit : group.units) {
      size_t unit_sums = 0;
      for (int index : unit.instructions) {
        const Instruction& i = plan_.instructions[index];
        if (i.result < 0) unit_sums += plan_.layouts[i.terms[0].value].lanes();
      }
      sums = std::max(sums, unit_sums);
    }
  });
  for (Worker& worker : workers_) {
    if (keep_times_) worker.stopwatch.TurnOn();
    // Workers that share an image keep its values in the first one's arena.
    if (!Cooperates(batch) || &worker == &workers_[0]) {
      worker.arena.Grow(plan_.ArenaFloats(images));
    }
    worker.scratchpad.Grow(banded_.scratch_floats(images));
    worker.gradient_sums.Grow(banded_.gradient_floats());
    worker.sums.resize(std::max(worker.sums.size(), sums));
    for (const auto& set : tile_sets_) {
      worker.scratchpad.Grow(set->scratchpad_floats());
    }
  }
  batch_buffer_.Grow(plan_.batch_floats * batch);
  gradients_.Reserve(tiles);
  batch_gradients_.Reserve();
  for (Statistic& statistic : statistics_) {
    statistic.partial.resize(tiles * 2 * statistic.lanes);
  }
  tile_loss_.resize(tiles);
  tile_correct_.resize(tiles);
  reserved_batch_ = batch;
}

Plane OneDnnExecutable::PlaneOf(ValueId value, const Tile& tile) const {
  const Storage& s = plan_.storage[value];
  float* base = nullptr;
  switch (s.kind) {
    case Storage::Kind::kGroup:
      base = tile.arena + plan_.tile_floats * tile.tile_images + s.offset * tile.group_images;
      break;
    case Storage::Kind::kTile:
      base = tile.arena + s.offset * tile.tile_images + tile.inner_image * s.image_stride;
      break;
    default:
      base = batch_buffer_.data() + s.offset * tile.arguments->batch +
             tile.first_image * s.image_stride;
  }
  return {base + s.inner_offset, s.image_stride};
}

void OneDnnExecutable::Run(const RunArguments& arguments) {
  CheckRunArguments(program_, arguments);
  SerialExecutor serial;
  Executor* executor = arguments.executor ? arguments.executor : &serial;
  if (!packed_any_) SetParameters(std::vector<float>(parameters_.size()).data());
  Reserve(arguments.batch, executor->num_workers());
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  if (Cooperates(arguments.batch)) {
    RunTogether(arguments, executor);
  } else {
    RunTiles(arguments, executor);
  }
  if (!keep_times_) return;
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  Times times;
  times.total = times_.total + seconds * executor->num_workers();
  for (const Worker& worker : workers_) {
    for (double Times::*kind : kTimesKinds) times.*kind += worker.stopwatch.times().*kind;
  }
  times_ = times;
}

void OneDnnExecutable::RunTiles(const RunArguments& arguments, Executor* executor) {
  const int64_t batch = arguments.batch;
  const int64_t images = TileImages(batch);
  const int64_t tiles = (batch + images - 1) / images;
  if (HasGradients() && arguments.gradients != nullptr) {  // those that nothing adds to
    std::fill_n(arguments.gradients, program_.parameter_size(), 0.0f);
  }
  for (Statistic& statistic : statistics_) {
    std::fill(statistic.partial.begin(), statistic.partial.end(), 0.0);
  }
  std::fill(tile_loss_.begin(), tile_loss_.end(), 0.0);
  std::fill(tile_correct_.begin(), tile_correct_.end(), 0);
  for (size_t stage = 0; stage < plan_.stages.size(); ++stage) {
    executor->ParallelFor(tiles, [&](int64_t turn, int worker) {
      const int64_t index = IsReversed(stage) ? tiles - 1 - turn : turn;
      Tile tile{};
      tile.index = index;
      tile.first_image = index * images;
      tile.tile_images = std::min(images, batch - tile.first_image);
      tile.worker = &workers_[worker];
      tile.arena = tile.worker->arena.data();
      tile.arguments = &arguments;
      RunStage(stage, tile);
    });
    FinishStatistics(static_cast<int>(stage), tiles, arguments);
    gradients_.Reduce(stage, tiles, arguments.gradients, executor);
    if (arguments.gradients != nullptr) RunBatchGradients(stage, arguments, executor);
  }
  if (arguments.loss != nullptr) {
    *arguments.loss = 0;
    for (int64_t t = 0; t < tiles; ++t) *arguments.loss += tile_loss_[t];
  }
  if (arguments.correct != nullptr) {
    *arguments.correct = 0;
    for (int64_t t = 0; t < tiles; ++t) *arguments.correct += tile_correct_[t];
  }
}

void OneDnnExecutable::RunBatchGradients(size_t stage, const RunArguments& arguments,
                                         Executor* executor) {
  Tile whole{};
  whole.arguments = &arguments;
  const auto values_of = [&](int instruction) {
    const Instruction& i = plan_.instructions[instruction];
    const std::vector<float>& c = packed_[instruction].coefficients;
    return BatchGradients::Values{PlaneOf(i.terms[0].value, whole),
                                  PlaneOf(i.terms[1].value, whole), c[0] * c[1]};
  };
  executor->ParallelFor(batch_gradients_.num_parts(stage), [&](int64_t part, int worker) {
    workers_[worker].stopwatch.Restart();
    batch_gradients_.Run(stage, part, values_of, arguments.batch, arguments.gradients);
    workers_[worker].stopwatch.Lap(&Times::gradients);
  });
}

void OneDnnExecutable::FinishStatistics(int stage, int64_t tiles, const RunArguments& arguments) {
  int64_t out = 0;
  for (size_t k = 0; k < statistics_.size(); ++k) {
    Statistic& s = statistics_[k];
    const int64_t channels = program_.statistics()[k];
    if (statistic_stage_[k] == stage) {
      for (auto* v : {&s.first, &s.second, &s.shift}) v->assign(s.lanes, 0.0f);
      const double count = static_cast<double>(arguments.batch * s.pixels);
      for (int64_t c = 0; c < channels; ++c) {
        const int64_t lane = s.lane_of_channel[c];
        double sums[2] = {0, 0};
        for (int64_t t = 0; t < tiles; ++t) {
          sums[0] += s.partial[2 * t * s.lanes + lane];
          sums[1] += s.partial[(2 * t + 1) * s.lanes + lane];
        }
        const double mean = sums[0] / count;
        double second = sums[1] / count;
        if (s.moments) second = std::max(second - mean * mean, 0.0);
        if (arguments.statistics != nullptr) {
          arguments.statistics[out + c] = static_cast<float>(mean);
          arguments.statistics[out + channels + c] = static_cast<float>(second);
        }
        s.first[lane] = static_cast<float>(mean);
        s.second[lane] = static_cast<float>(second);
        if (s.moments) {
          const double inverse = 1 / std::sqrt(second + s.epsilon);
          s.second[lane] = static_cast<float>(inverse);
          s.shift[lane] = static_cast<float>(mean * inverse);
        }
      }
      if (s.moments) FoldStatistic(static_cast<int>(k));
    }
    out += 2 * channels;
  }
}

// P_b(a (x / deviation - shift)) is P_b'(a' x).
void OneDnnExecutable::FoldStatistic(int statistic) {
  const Statistic& s = statistics_[statistic];
  for (size_t k = 0; k < plan_.instructions.size(); ++k) {
    const Instruction& i = plan_.instructions[k];
    if (i.op != Opcode::kPointwise || i.statistic != statistic) continue;
    Packed& packed = packed_[k];
    packed.normalised_a.resize(s.lanes);
    packed.normalised_b.resize(s.lanes);
    for (int64_t lane = 0; lane < s.lanes; ++lane) {
      const float a = packed.a.empty() ? 1 : packed.a[lane];
      packed.normalised_a[lane] = a * s.second[lane];
      packed.normalised_b[lane] = (packed.b.empty() ? 0 : packed.b[lane]) + a * s.shift[lane];
    }
  }
}

int64_t OneDnnExecutable::WorkspaceBytes() const {
  int64_t bytes = batch_buffer_.bytes() + gradients_.bytes() + batch_gradients_.bytes() +
                  static_cast<int64_t>(parameters_.size() * sizeof(float));
  for (const Worker& worker : workers_) {
    bytes += worker.arena.bytes() + worker.scratchpad.bytes() + worker.gradient_sums.bytes();
  }
  bytes += banded_.PackedBytes();
  for (const auto& set : tile_sets_) bytes += set->PackedBytes();
  return bytes;
}

}  // namespace csc::onednn
