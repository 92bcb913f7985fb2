// One tile's way through a stage, group by group and unit by unit.

#include <algorithm>
#include <cmath>

#include "solvers/engines/onednn/copies.h"
#include "solvers/engines/onednn/executable.h"
#include "solvers/error.h"

namespace csc::onednn {

namespace {

// What the end of a unit that begins with this instruction is charged to. What
// finishes a map of our own kernels is charged band by band.
double Times::*KindOf(Opcode op) {
  if (IsElementwise(op)) return &Times::elementwise;
  switch (op) {
    case Opcode::kAnalysis:
    case Opcode::kSynthesis:
      return &Times::elementwise;
    case Opcode::kFilterGradient:
      return &Times::gradients;
    case Opcode::kJoin:
    case Opcode::kView:
      return &Times::layout;
    default:
      return &Times::other;
  }
}

}  // namespace

void OneDnnExecutable::Load(const Group& group, const Tile& tile, int part, int parts) {
  for (ValueId value : group.loads) {
    const auto& inputs = program_.inputs();
    const size_t k = std::find(inputs.begin(), inputs.end(), value) - inputs.begin();
    const Shape& shape = plan_.shapes[value];
    const Layout& layout = plan_.layouts[value];
    LoadImages(tile.arguments->inputs[k] + tile.first_image * shape.size(), shape, layout,
               tile.images, FirstLaneOfSplit(layout.lanes(), layout.block, part, parts),
               FirstLaneOfSplit(layout.lanes(), layout.block, part + 1, parts),
               PlaneOf(value, tile));
  }
  tile.worker->stopwatch.Lap(&Times::layout);
}

void OneDnnExecutable::Store(const Group& group, const Tile& tile, int part, int parts) {
  for (ValueId value : group.stores) {
    for (size_t k = 0; k < program_.outputs().size(); ++k) {
      float* output = tile.arguments->outputs[k];
      if (program_.outputs()[k] != value || output == nullptr) continue;
      const Shape& shape = plan_.shapes[value];
      const Layout& layout = plan_.layouts[value];
      StoreImages(PlaneOf(value, tile), shape, layout, tile.images,
                  FirstLaneOfSplit(layout.lanes(), layout.block, part, parts),
                  FirstLaneOfSplit(layout.lanes(), layout.block, part + 1, parts),
                  output + tile.first_image * shape.size());
    }
  }
  tile.worker->stopwatch.Lap(&Times::layout);
}

void OneDnnExecutable::RunStage(size_t stage, Tile tile) {
  OneOmpThread one_thread;
  tile.worker->stopwatch.Restart();
  const int64_t first_image = tile.first_image;
  float* sums = tile.worker->gradient_sums.data();
  banded_.ClearGradients(stage, sums);
  gradients_.Clear(stage, tile.index);
  try {
    for (const Group& group : plan_.stages[stage].groups) {
      tile.group_images = std::min(group.images, tile.tile_images);
      const int64_t steps = (tile.tile_images + tile.group_images - 1) / tile.group_images;
      for (int64_t step = 0; step < steps; ++step) {
        const int64_t n = (IsReversed(stage) ? steps - 1 - step : step) * tile.group_images;
        tile.inner_image = n;
        tile.first_image = first_image + n;
        tile.images = std::min(tile.group_images, tile.tile_images - n);
        tile.set = FindTileSet(tile.images, 1);
        Load(group, tile, 0, 1);
        for (const Unit& unit : group.units) RunUnit(unit, tile, 0, 1);
        Store(group, tile, 0, 1);
      }
    }
  } catch (const dnnl::error& error) {
    Fail("oneDNN failed: {}", error.what());
  }
  if (gradients_.empty()) return;
  banded_.AddGradients(stage, sums, tile.index, &gradients_);
  tile.worker->stopwatch.Lap(&Times::gradients);
}

int OneDnnExecutable::PartsOf(const Unit& unit, const TileSet& set, int workers) const {
  const int head = unit.instructions[0];
  const Instruction& i = plan_.instructions[head];
  if (const BandedMap* map = banded_.map(head)) {
    return static_cast<int>(std::min<int64_t>(workers, map->most_parts()));
  }
  if (!set.parts(head).empty()) return static_cast<int>(set.parts(head).size());
  if (!IsElementwise(i.op) && i.op != Opcode::kMaxPool && i.op != Opcode::kAveragePool) return 1;
  const Layout& layout = plan_.layouts[i.terms[0].value];
  return static_cast<int>(std::min<int64_t>(workers, layout.lanes() / layout.block));
}

void OneDnnExecutable::RunUnit(const Unit& unit, const Tile& tile, int part, int parts) {
  DispatchUnit(unit, tile, part, parts);
  tile.worker->stopwatch.Lap(KindOf(plan_.instructions[unit.instructions[0]].op));
}

void OneDnnExecutable::DispatchUnit(const Unit& unit, const Tile& tile, int part, int parts) {
  const int index = unit.instructions[0];
  const Instruction& i = plan_.instructions[index];
  if (IsElementwise(i.op)) return RunElementwiseUnit(unit, tile, part, parts);
  const auto plane = [&](size_t term) { return PlaneOf(i.terms[term].value, tile); };
  const auto shape = [&](size_t term) -> const Shape& { return plan_.shapes[i.terms[term].value]; };
  const auto layout = [&](size_t term) -> const Layout& {
    return plan_.layouts[i.terms[term].value];
  };
  switch (i.op) {
    case Opcode::kAnalysis:
    case Opcode::kSynthesis:
      return RunLinearUnit(unit, tile, part, parts);
    case Opcode::kFilterGradient:
      return RunFilterGradient(index, tile);
    case Opcode::kJoin:
      return RunJoin(index, tile);
    case Opcode::kView:
      return RunView(i, tile);
    case Opcode::kSoftmaxLoss:
      return RunSoftmaxLoss(i, tile);
    default:
      break;
  }
  const Plane result = PlaneOf(i.result, tile);
  const Shape& out = plan_.shapes[i.result];
  const Layout& out_layout = plan_.layouts[i.result];
  const int block = layout(0).block;
  const int64_t lane = FirstLaneOfSplit(layout(0).lanes(), block, part, parts);
  const int64_t lanes = FirstLaneOfSplit(layout(0).lanes(), block, part + 1, parts) - lane;
  const auto from_lane = [&](Plane p, const Shape& shape_of_p) {
    return Plane{p.data + lane * shape_of_p.height * shape_of_p.width, p.image_stride};
  };
  const Pool pooled{shape(0), out, i.geometry, tile.images, lanes};
  const Pool unpooled{out, shape(0), i.geometry, tile.images, lanes};
  switch (i.op) {
    case Opcode::kMaxPool:
      return MaxPool(pooled, from_lane(plane(0), shape(0)), from_lane(result, out), block);
    case Opcode::kMaxPoolAdjoint:
      return MaxPoolAdjoint(unpooled, plane(0), plane(1), result, block);
    case Opcode::kAveragePool:
      return AveragePool(pooled, from_lane(plane(0), shape(0)), from_lane(result, out), block);
    case Opcode::kAveragePoolAdjoint:
      return AveragePoolAdjoint(unpooled, plane(0), result, block);
    case Opcode::kShortcut:
      return Shortcut(plane(0), layout(0), shape(0), result, out_layout, out, i.geometry,
                      tile.images);
    case Opcode::kShortcutAdjoint:
      return ShortcutAdjoint(plane(0), layout(0), shape(0), result, out_layout, out, i.geometry,
                             tile.images);
    default:
      Fail("the oneDNN engine does not know {}", Name(i.op));
  }
}

void OneDnnExecutable::RunLinearUnit(const Unit& unit, const Tile& tile, int part, int parts) {
  const int index = unit.instructions[0];
  const Instruction& i = plan_.instructions[index];
  const Layout& layout = plan_.layouts[i.result];
  const Shape& shape = plan_.shapes[i.result];
  const int64_t pixels = shape.height * shape.width;
  const std::vector<ElementOp> ops = MakeElementOps(unit, tile);
  const auto finish = [&](const ElementRange& range) {
    tile.worker->stopwatch.Lap(&Times::maps);
    if (!ops.empty()) RunElementwise(ops, range, layout.lanes(), pixels, layout.block);
    tile.worker->stopwatch.Lap(&Times::elementwise);
  };
  if (const BandedMap* map = banded_.map(index)) {
    map->Run(PlaneOf(i.terms[0].value, tile), tile.images, map->PartOf(part, parts),
             banded_.filters(index), packed_[index].coefficients[0], PlaneOf(i.result, tile),
             tile.worker->scratchpad.data(), finish);
  } else {
    RunConvolution(index, tile, part);
    const ConvolutionShape& computed = tile.set->parts(index)[part].shape;
    const int64_t lanes = computed.part_lanes > 0 ? computed.part_lanes : layout.lanes();
    finish({0, tile.images, computed.first_lane, computed.first_lane + lanes, 0, pixels});
  }
  FinishElementOps(unit, ops, tile);
}

void OneDnnExecutable::RunConvolution(int index, const Tile& tile, int part) {
  const Instruction& i = plan_.instructions[index];
  const TileSet::Part& p = tile.set->parts(index)[part];
  const Shape& out_shape = plan_.shapes[i.result];
  float* in = PlaneOf(i.terms[0].value, tile).data;
  float* out =
      PlaneOf(i.result, tile).data + p.shape.first_lane * out_shape.height * out_shape.width;
  const bool analysis = i.op == Opcode::kAnalysis;
  dnnl::stream stream(CpuEngine());
  p.convolution->Run(stream, analysis ? in : out, p.filters->data(), analysis ? out : in,
                     tile.worker->scratchpad.data());
}

void OneDnnExecutable::RunFilterGradient(int index, const Tile& tile) {
  const Instruction& i = plan_.instructions[index];
  const std::vector<float>& c = packed_[index].coefficients;
  banded_.gradient(index)->Accumulate(
      PlaneOf(i.terms[0].value, tile), PlaneOf(i.terms[1].value, tile), tile.images, c[0] * c[1],
      tile.worker->gradient_sums.data() + banded_.gradient_offset(index),
      tile.worker->scratchpad.data());
}

void OneDnnExecutable::RunJoin(int index, const Tile& tile) const {
  if (plan_.inlaid[index]) return;
  const Instruction& i = plan_.instructions[index];
  const Layout& whole = plan_.layouts[i.result];
  const Shape& shape = plan_.shapes[i.result];
  const Plane result = PlaneOf(i.result, tile);
  if (whole.channels() != whole.lanes()) {  // some lanes are no part's
    for (int64_t n = 0; n < tile.images; ++n) {
      std::fill_n(result.image(n), plan_.ImageFloats(i.result), 0.0f);
    }
  }
  int64_t channel = 0;
  for (const Term& term : i.terms) {
    const int64_t count = plan_.shapes[term.value].channels;
    CopyChannels(PlaneOf(term.value, tile), plan_.layouts[term.value], 0, result, whole, channel,
                 count, shape.height, shape.width, tile.images);
    channel += count;
  }
}

void OneDnnExecutable::RunView(const Instruction& i, const Tile& tile) const {
  const ValueId from = i.terms[0].value;
  const Layout& part = plan_.layouts[i.result];
  const Shape& shape = plan_.shapes[i.result];
  const Plane source = PlaneOf(from, tile);
  const Plane result = PlaneOf(i.result, tile);
  const int64_t lane = FirstLaneOfPart(plan_.layouts[from], i.first_channel, part);
  const int64_t pixels = shape.height * shape.width;
  for (int64_t n = 0; n < tile.images; ++n) {
    if (lane >= 0) {
      std::copy_n(source.image(n) + lane * pixels, part.lanes() * pixels, result.image(n));
    } else {
      std::fill_n(result.image(n), part.lanes() * pixels, 0.0f);
    }
  }
  if (lane >= 0) return;
  CopyChannels(source, plan_.layouts[from], i.first_channel, result, part, 0, shape.channels,
               shape.height, shape.width, tile.images);
}

void OneDnnExecutable::RunSoftmaxLoss(const Instruction& i, const Tile& tile) {
  const ValueId logits = i.terms[0].value;
  const std::vector<int64_t> lanes = plan_.layouts[logits].LaneOfChannel();
  const Plane in = PlaneOf(logits, tile);
  const Plane out = PlaneOf(i.result, tile);
  const double batch = static_cast<double>(tile.arguments->batch);
  const double spread = i.smoothing / static_cast<double>(lanes.size());  // every class's target
  for (int64_t n = 0; n < tile.images; ++n) {
    const float* z = in.image(n);  // [lanes], one pixel
    const int32_t label = tile.arguments->labels[tile.first_image + n];
    size_t best = 0;
    for (size_t k = 1; k < lanes.size(); ++k) {
      if (z[lanes[k]] > z[lanes[best]]) best = k;
    }
    const double max = z[lanes[best]];
    double sum = 0;
    double total = 0;
    for (int64_t lane : lanes) sum += std::exp(z[lane] - max);
    for (int64_t lane : lanes) total += z[lane];
    const double target = (1 - i.smoothing) * z[lanes[label]] + spread * total;
    tile_loss_[tile.index] += (std::log(sum) + max - target) / batch;
    tile_correct_[tile.index] += static_cast<int32_t>(best) == label ? 1 : 0;
    float* gradient = out.image(n);
    std::fill_n(gradient, plan_.layouts[i.result].lanes(), 0.0f);
    for (size_t k = 0; k < lanes.size(); ++k) {
      const double expected = (static_cast<int32_t>(k) == label ? 1 - i.smoothing : 0) + spread;
      gradient[lanes[k]] =
          static_cast<float>((std::exp(z[lanes[k]] - max) / sum - expected) / batch);
    }
  }
}

}  // namespace csc::onednn
