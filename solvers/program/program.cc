#include "solvers/program/program.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "solvers/error.h"

namespace csc {

const char* Name(Opcode op) {
  switch (op) {
    case Opcode::kAnalysis:
      return "analysis";
    case Opcode::kSynthesis:
      return "synthesis";
    case Opcode::kPointwise:
      return "pointwise";
    case Opcode::kMask:
      return "mask";
    case Opcode::kMoments:
      return "moments";
    case Opcode::kNormalise:
      return "normalise";
    case Opcode::kNormaliseSums:
      return "normalise_sums";
    case Opcode::kNormaliseAdjoint:
      return "normalise_adjoint";
    case Opcode::kJoin:
      return "join";
    case Opcode::kView:
      return "view";
    case Opcode::kMaxPool:
      return "max_pool";
    case Opcode::kMaxPoolAdjoint:
      return "max_pool_adjoint";
    case Opcode::kAveragePool:
      return "average_pool";
    case Opcode::kAveragePoolAdjoint:
      return "average_pool_adjoint";
    case Opcode::kShortcut:
      return "shortcut";
    case Opcode::kShortcutAdjoint:
      return "shortcut_adjoint";
    case Opcode::kSoftmaxLoss:
      return "softmax_loss";
    case Opcode::kFilterGradient:
      return "filter_gradient";
    case Opcode::kScalarGradient:
      return "scalar_gradient";
    case Opcode::kChannelGradient:
      return "channel_gradient";
  }
  return "?";
}

const Shape& Program::shape(ValueId value) const {
  Require(0 <= value && value < num_values(), "value {} of a program of {}", value, num_values());
  return shapes_[value];
}

ValueId Program::AddInput(const Shape& shape) {
  Require(shape.channels > 0 && shape.height > 0 && shape.width > 0,
          "an input of shape {}: every size must be at least 1", csc::ToString(shape));
  NumElements({shape.channels, shape.height, shape.width});
  shapes_.push_back(shape);
  inputs_.push_back(static_cast<ValueId>(shapes_.size() - 1));
  return inputs_.back();
}

int Program::AddParameter(const std::string& name, const Dims& dims, bool trainable) {
  for (int64_t dim : dims) {
    Require(dim >= 1, "parameter {} has sizes {}: each must be at least 1", name,
            csc::ToString(dims));
  }
  parameters_.push_back({name, dims, parameter_size_, trainable});
  parameter_size_ += NumElements(dims);
  return static_cast<int>(parameters_.size() - 1);
}

int Program::AddStatistic(int64_t channels) {
  statistics_.push_back(channels);
  return static_cast<int>(statistics_.size() - 1);
}

void Program::MarkSameChannels(ValueId a, ValueId b) {
  Require(shape(a).channels == shape(b).channels,
          "values of {} and {} channels cannot be laid out alike", shape(a).channels,
          shape(b).channels);
  same_channels_.emplace_back(a, b);
}

ValueId Program::Append(Instruction instruction, const Shape& shape, bool has_result) {
  NumElements({shape.channels, shape.height, shape.width});  // no overflow
  for (const Term& term : instruction.terms) {
    this->shape(term.value);  // throws for a value not defined yet
    CheckCoefficient(term.coefficient);
  }
  if (has_result) {
    shapes_.push_back(shape);
    instruction.result = static_cast<ValueId>(shapes_.size() - 1);
  }
  instructions_.push_back(std::move(instruction));
  return instructions_.back().result;
}

const Dims& Program::FilterDims(int filters) const {
  Require(0 <= filters && filters < static_cast<int>(parameters_.size()),
          "parameter {} of a program of {}", filters, parameters_.size());
  const ParameterInfo& info = parameters_[filters];
  Require(info.dims.size() == 4, "filters {} have sizes {}: [w, C, kh, kw] expected", info.name,
          csc::ToString(info.dims));
  return info.dims;
}

void Program::CheckCoefficient(const Coefficient& coefficient) const {
  if (coefficient.parameter < 0) return;
  Require(coefficient.parameter < static_cast<int>(parameters_.size()) && 0 <= coefficient.offset &&
              coefficient.offset < parameters_[coefficient.parameter].size(),
          "coefficient reads entry {} of parameter {}, which does not exist", coefficient.offset,
          coefficient.parameter);
}

void Program::CheckVector(const ChannelVector& vector, int64_t channels, const char* what) const {
  if (!vector.present()) return;
  Require(vector.parameter < static_cast<int>(parameters_.size()),
          "{} refers to parameter {} of a program of {}", what, vector.parameter,
          parameters_.size());
  const ParameterInfo& info = parameters_[vector.parameter];
  Require((vector.count == 1 || vector.count == channels) && vector.offset >= 0 &&
              vector.offset + vector.count <= info.size(),
          "{} {} has {} entries at offset {} of {}: 1 or {} expected", what, info.name,
          vector.count, vector.offset, info.size(), channels);
}

ValueId Program::Analysis(ValueId x, int filters, const Geometry& geometry,
                          const Coefficient& scale) {
  const Dims& f = FilterDims(filters);
  const Shape in = shape(x);
  Validate(geometry);
  Require(f[2] == geometry.kernel[0] && f[3] == geometry.kernel[1],
          "filters {} have sizes {}, the geometry a kernel of [{}, {}]", parameters_[filters].name,
          csc::ToString(f), geometry.kernel[0], geometry.kernel[1]);
  Require(in.channels == f[1],
          "analysis by filters {} of sizes {} needs an input of {} channels, "
          "found {}",
          parameters_[filters].name, csc::ToString(f), f[1], in.channels);
  const Shape out = {f[0], geometry.OutputSize(0, in.height), geometry.OutputSize(1, in.width)};
  Require(out.height > 0 && out.width > 0,
          "filters {} of extent {} x {} do not fit an input of {} x {} with "
          "pads [{}, {}, {}, {}]",
          parameters_[filters].name, geometry.Extent(0), geometry.Extent(1), in.height, in.width,
          geometry.pads[0], geometry.pads[1], geometry.pads[2], geometry.pads[3]);
  Instruction instruction{Opcode::kAnalysis, {{x, scale}}};
  instruction.filters = filters;
  instruction.geometry = geometry;
  return Append(std::move(instruction), out);
}

ValueId Program::Synthesis(ValueId g, int filters, const Geometry& geometry, int64_t height,
                           int64_t width, const Coefficient& scale) {
  const Dims& f = FilterDims(filters);
  const Shape code = shape(g);
  Validate(geometry);
  Require(f[2] == geometry.kernel[0] && f[3] == geometry.kernel[1],
          "filters {} have sizes {}, the geometry a kernel of [{}, {}]", parameters_[filters].name,
          csc::ToString(f), geometry.kernel[0], geometry.kernel[1]);
  Require(code.channels == f[0],
          "synthesis by filters {} of sizes {} needs a code of {} channels, "
          "found {}",
          parameters_[filters].name, csc::ToString(f), f[0], code.channels);
  Require(height > 0 && width > 0, "synthesis to a size of {} x {}: each must be at least 1",
          height, width);
  Require(
      code.height == geometry.OutputSize(0, height) && code.width == geometry.OutputSize(1, width),
      "a code of {} x {} cannot be synthesised to {} x {}, whose analysis "
      "gives {} x {}",
      code.height, code.width, height, width, geometry.OutputSize(0, height),
      geometry.OutputSize(1, width));
  Instruction instruction{Opcode::kSynthesis, {{g, scale}}};
  instruction.filters = filters;
  instruction.geometry = geometry;
  return Append(std::move(instruction), {f[1], height, width});
}

ValueId Program::Pointwise(std::vector<Term> terms, Shrink shrink, const ChannelVector& threshold,
                           const ChannelVector& scale) {
  Require(!terms.empty(), "a pointwise instruction needs at least one term");
  const Shape out = shape(terms[0].value);
  for (const Term& term : terms) {
    Require(shape(term.value) == out, "terms of shapes {} and {} in one sum", csc::ToString(out),
            csc::ToString(shape(term.value)));
  }
  CheckVector(threshold, out.channels, "threshold");
  CheckVector(scale, out.channels, "scale");
  Instruction instruction{Opcode::kPointwise, std::move(terms)};
  instruction.shrink = shrink;
  instruction.threshold = threshold;
  instruction.scale = scale;
  return Append(std::move(instruction), out);
}

ValueId Program::Combine(std::vector<Term> terms) {
  std::vector<Term> kept;
  for (const Term& term : terms) {
    if (term.coefficient.constant != 0) kept.push_back(term);
  }
  return Pointwise(std::move(kept), Shrink::kNone);
}

ValueId Program::Mask(ValueId x, ValueId where_nonzero) {
  Require(shape(x) == shape(where_nonzero), "a mask of shape {} on a value {}",
          csc::ToString(shape(where_nonzero)), csc::ToString(shape(x)));
  return Append({Opcode::kMask, {{x, {}}, {where_nonzero, {}}}}, shape(x));
}

ValueId Program::Normalise(ValueId x, double epsilon) {
  Instruction moments{Opcode::kMoments, {{x, {}}}};
  moments.statistic = AddStatistic(shape(x).channels);
  Append(moments, {}, /*has_result=*/false);
  Instruction normalise{Opcode::kNormalise, {{x, {}}}};
  normalise.statistic = moments.statistic;
  normalise.epsilon = epsilon;
  return Append(std::move(normalise), shape(x));
}

ValueId Program::Join(const std::vector<ValueId>& values) {
  Require(!values.empty(), "a join needs at least one value");
  Shape out = shape(values[0]);
  out.channels = 0;
  Instruction instruction{Opcode::kJoin, {}};
  for (ValueId value : values) {
    const Shape& in = shape(value);
    Require(in.height == out.height && in.width == out.width,
            "values of {} x {} and {} x {} cannot be joined", out.height, out.width, in.height,
            in.width);
    out.channels += in.channels;
    instruction.terms.push_back({value, {}});
  }
  return Append(std::move(instruction), out);
}

ValueId Program::View(ValueId x, int64_t first_channel, int64_t channels) {
  Shape out = shape(x);
  Require(first_channel >= 0 && channels > 0 && first_channel + channels <= out.channels,
          "channels {}..{} of a value of {}", first_channel, first_channel + channels,
          out.channels);
  out.channels = channels;
  Instruction instruction{Opcode::kView, {{x, {}}}};
  instruction.first_channel = first_channel;
  return Append(std::move(instruction), out);
}

namespace {

Shape PooledShape(const Shape& in, const Geometry& geometry) {
  // No filter limits the window: a global average takes one of the image's size.
  Geometry of_strides = geometry;
  of_strides.kernel = {1, 1};
  Validate(of_strides);
  Require(geometry.kernel[0] >= 1 && geometry.kernel[1] >= 1,
          "a pooling window of {} x {}: at least 1 x 1 expected", geometry.kernel[0],
          geometry.kernel[1]);
  Require(geometry.dilations == std::array<int64_t, 2>{1, 1} &&
              geometry.pads == std::array<int64_t, 4>{0, 0, 0, 0},
          "pooling takes neither dilations nor pads: found dilations [{}] and pads [{}]",
          fmt::join(geometry.dilations, ", "), fmt::join(geometry.pads, ", "));
  const Shape out = {in.channels, geometry.OutputSize(0, in.height),
                     geometry.OutputSize(1, in.width)};
  Require(out.height > 0 && out.width > 0,
          "a pooling window of {} x {} does not fit an input of {} x {}", geometry.kernel[0],
          geometry.kernel[1], in.height, in.width);
  return out;
}

}  // namespace

ValueId Program::MaxPool(ValueId x, const Geometry& geometry) {
  Instruction instruction{Opcode::kMaxPool, {{x, {}}}};
  instruction.geometry = geometry;
  return Append(std::move(instruction), PooledShape(shape(x), geometry));
}

ValueId Program::AveragePool(ValueId x, const Geometry& geometry) {
  Instruction instruction{Opcode::kAveragePool, {{x, {}}}};
  instruction.geometry = geometry;
  return Append(std::move(instruction), PooledShape(shape(x), geometry));
}

ValueId Program::Shortcut(ValueId x, std::array<int64_t, 2> strides, int64_t channels) {
  const Shape in = shape(x);
  Require(channels >= in.channels, "a shortcut from {} to {} channels: it can only append",
          in.channels, channels);
  Instruction instruction{Opcode::kShortcut, {{x, {}}}};
  instruction.geometry.strides = strides;
  Validate(instruction.geometry);
  return Append(std::move(instruction),
                {channels, (in.height - 1) / strides[0] + 1, (in.width - 1) / strides[1] + 1});
}

ValueId Program::SoftmaxLoss(ValueId logits, double smoothing) {
  const Shape in = shape(logits);
  Require(in.height == 1 && in.width == 1, "the loss needs logits of shape [K, 1, 1], found {}",
          csc::ToString(in));
  Require(0 <= smoothing && smoothing < 1,
          "a label smoothing of {}: at least 0 and less than 1 expected", smoothing);
  Instruction instruction{Opcode::kSoftmaxLoss, {{logits, {}}}};
  instruction.smoothing = smoothing;
  return Append(std::move(instruction), in);
}

void Program::MarkOutput(ValueId value) {
  shape(value);
  outputs_.push_back(value);
}

std::string Program::ToString() const {
  std::string text;
  const auto coefficient = [&](const Coefficient& c) {
    if (c.IsOne()) return std::string();
    std::string s = fmt::format("{} ", c.constant);
    if (c.parameter >= 0) {
      s += fmt::format("{}[{}] ", parameters_[c.parameter].name, c.offset);
    }
    return s;
  };
  for (ValueId input : inputs_) {
    text += fmt::format("%{} = input {}\n", input, csc::ToString(shapes_[input]));
  }
  for (const Instruction& i : instructions_) {
    if (i.result >= 0) text += fmt::format("%{} = ", i.result);
    text += Name(i.op);
    for (const Term& term : i.terms) {
      text += fmt::format(" {}%{}", coefficient(term.coefficient), term.value);
    }
    if (i.filters >= 0) {
      text += fmt::format(" filters={} {}", parameters_[i.filters].name, csc::ToString(i.geometry));
    }
    if (i.scale.present()) {
      text += fmt::format(" a={}", parameters_[i.scale.parameter].name);
    }
    if (i.threshold.present()) {
      text += fmt::format(" b={}", parameters_[i.threshold.parameter].name);
    }
    if (i.shrink == Shrink::kSoft) text += " soft";
    if (i.shrink == Shrink::kNonnegative) text += " nonnegative";
    if (i.result >= 0) {
      text += fmt::format(" -> {}", csc::ToString(shapes_[i.result]));
    }
    text += "\n";
  }
  return text;
}

}  // namespace csc
