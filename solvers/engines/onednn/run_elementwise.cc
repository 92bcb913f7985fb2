// A unit's elementwise instructions: what they read and write, and what becomes of
// their sums.

#include <algorithm>

#include "solvers/engines/onednn/copies.h"
#include "solvers/engines/onednn/executable.h"
#include "solvers/error.h"

namespace csc::onednn {

Operand OneDnnExecutable::OperandOf(ValueId value, const Tile& tile) const {
  const Storage& s = plan_.storage[value];
  if (s.kind == Storage::Kind::kStrip) return {{}, static_cast<int>(s.offset), false};
  return {PlaneOf(value, tile), -1, s.kind == Storage::Kind::kBatch};
}

ElementOp OneDnnExecutable::MakeElementOp(int index, const Tile& tile) const {
  const Instruction& i = plan_.instructions[index];
  const Packed& packed = packed_[index];
  ElementOp op;
  op.num_terms = static_cast<int>(i.terms.size());
  for (int t = 0; t < op.num_terms; ++t) {
    op.terms[t] = OperandOf(i.terms[t].value, tile);
    op.coefficients[t] = packed.coefficients[t];
  }
  if (i.result >= 0) op.result = OperandOf(i.result, tile);
  switch (i.op) {
    case Opcode::kPointwise:
      op.shrink = i.shrink;
      op.a = packed.a.empty() ? nullptr : packed.a.data();
      op.b = packed.b.empty() ? nullptr : packed.b.data();
      if (i.statistic >= 0) {
        op.a = packed.normalised_a.data();
        op.b = packed.normalised_b.data();
      }
      break;
    case Opcode::kMask:
      op.kind = ElementKind::kMask;
      break;
    case Opcode::kNormalise:  // x / deviation - mean / deviation
      op.a = statistics_[i.statistic].second.data();
      op.b = statistics_[i.statistic].shift.data();
      break;
    case Opcode::kNormaliseAdjoint:
      op.kind = ElementKind::kNormaliseAdjoint;
      op.a = statistics_[i.statistic].second.data();
      op.b = statistics_[i.sums_statistic].first.data();
      op.c = statistics_[i.sums_statistic].second.data();
      break;
    case Opcode::kMoments:
      op.kind = ElementKind::kSumAndSquares;
      break;
    case Opcode::kNormaliseSums:
      op.kind = ElementKind::kSumAndProducts;
      break;
    case Opcode::kScalarGradient:
      op.kind = ElementKind::kSumTimesSecond;
      break;
    case Opcode::kChannelGradient:
      op.kind = i.channel_sum == ChannelSum::kPlain         ? ElementKind::kSum
                : i.channel_sum == ChannelSum::kTimesSecond ? ElementKind::kSumTimesSecond
                                                            : ElementKind::kSumTimesSign;
      break;
    default:
      Fail("{} is not elementwise", Name(i.op));
  }
  return op;
}

std::vector<ElementOp> OneDnnExecutable::MakeElementOps(const Unit& unit, const Tile& tile) {
  std::vector<ElementOp> ops;
  double* free_sums = tile.worker->sums.data();
  for (int index : unit.instructions) {
    const Instruction& i = plan_.instructions[index];
    if (!IsElementwise(i.op)) continue;  // the linear map that they finish
    ElementOp op = MakeElementOp(index, tile);
    const int64_t lanes = plan_.layouts[i.terms[0].value].lanes();
    if (i.op == Opcode::kMoments || i.op == Opcode::kNormaliseSums) {
      op.sums = statistics_[i.statistic].partial.data() + tile.index * 2 * lanes;
    } else if (i.result < 0) {
      op.sums = free_sums;
      std::fill_n(op.sums, lanes, 0.0);
      free_sums += lanes;
    }
    ops.push_back(op);
  }
  return ops;
}

void OneDnnExecutable::FinishElementOps(const Unit& unit, const std::vector<ElementOp>& ops,
                                        const Tile& tile) {
  const size_t skipped = unit.instructions.size() - ops.size();
  for (size_t k = 0; k < ops.size(); ++k) {
    const Instruction& i = plan_.instructions[unit.instructions[skipped + k]];
    if (i.op == Opcode::kScalarGradient || i.op == Opcode::kChannelGradient) {
      AddGradients(i, ops[k].sums, plan_.layouts[i.terms[0].value].lanes(), tile);
    }
  }
}

void OneDnnExecutable::RunElementwiseUnit(const Unit& unit, const Tile& tile, int part, int parts) {
  const ValueId value = plan_.instructions[unit.instructions[0]].terms[0].value;
  const Layout& layout = plan_.layouts[value];
  const Shape& shape = plan_.shapes[value];
  const int64_t pixels = shape.height * shape.width;
  const std::vector<ElementOp> ops = MakeElementOps(unit, tile);
  const ElementRange range = {0,
                              tile.images,
                              FirstLaneOfSplit(layout.lanes(), layout.block, part, parts),
                              FirstLaneOfSplit(layout.lanes(), layout.block, part + 1, parts),
                              0,
                              pixels};
  RunElementwise(ops, range, layout.lanes(), pixels, layout.block);
  FinishElementOps(unit, ops, tile);
}

void OneDnnExecutable::AddGradients(const Instruction& i, const double* sums, int64_t lanes,
                                    const Tile& tile) {
  if (i.op == Opcode::kScalarGradient) {
    const Coefficient& target = i.scalar_target;
    double sum = 0;
    for (int64_t lane = 0; lane < lanes; ++lane) sum += sums[lane];
    gradients_.Of(target.parameter, tile.index)[target.offset] +=
        static_cast<float>(target.constant * sum);
    return;
  }
  const ChannelVector& target = i.channel_target;
  float* gradient = gradients_.Of(target.parameter, tile.index) + target.offset;
  const std::vector<int64_t> lane_of_channel = plan_.layouts[i.terms[0].value].LaneOfChannel();
  for (size_t c = 0; c < lane_of_channel.size(); ++c) {
    gradient[target.count == 1 ? 0 : c] +=
        static_cast<float>(i.gradient_constant * sums[lane_of_channel[c]]);
  }
}

}  // namespace csc::onednn
