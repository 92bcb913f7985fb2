#include "solvers/engines/onednn/tile_set.h"

#include <fmt/format.h>

#include <algorithm>

namespace csc::onednn {

float CoefficientValue(const Program& program, const Coefficient& coefficient,
                       const float* parameters) {
  if (coefficient.parameter < 0) {
    return static_cast<float>(coefficient.constant);
  }
  const ParameterInfo& info = program.parameters()[coefficient.parameter];
  return static_cast<float>(coefficient.constant * parameters[info.offset + coefficient.offset]);
}

int64_t FirstLaneOfSplit(int64_t lanes, int block, int part, int parts) {
  return lanes / block * part / parts * block;
}

ConvolutionShape ShapeOf(const Plan& plan, const Instruction& i, int64_t images) {
  ConvolutionShape shape;
  ValueId image = i.terms[0].value;
  ValueId code = i.result;
  if (i.op == Opcode::kAnalysis) {
    shape.kind = ConvolutionKind::kAnalysis;
  } else if (i.op == Opcode::kSynthesis) {
    shape.kind = ConvolutionKind::kSynthesis;
    std::swap(image, code);
  } else {
    shape.kind = ConvolutionKind::kFilterGradient;
    code = i.terms[1].value;
  }
  shape.geometry = i.geometry;
  shape.image_layout = plan.layouts[image];
  shape.code_layout = plan.layouts[code];
  shape.image = plan.shapes[image];
  shape.code = plan.shapes[code];
  shape.images = images;
  return shape;
}

namespace {

bool SameCoefficient(const Coefficient& a, const Coefficient& b) {
  return a.constant == b.constant && a.parameter == b.parameter && a.offset == b.offset;
}

}  // namespace

TileSet::TileSet(const Program& program, const Plan& plan, const std::vector<int>& instructions,
                 int64_t images, int max_parts, bool bf16)
    : program_(program),
      plan_(plan),
      images_(images),
      max_parts_(max_parts),
      bf16_(bf16),
      parts_(plan.instructions.size()) {
  for (size_t n = 0; n < instructions.size(); ++n) {
    const int k = instructions[n];
    AddParts(k);
    bool shared = false;
    for (size_t m = 0; m < n && !shared; ++m) shared = ShareFilters(k, instructions[m]);
    for (Part& part : parts_[k]) {
      if (shared) break;
      part.filters = std::make_shared<Buffer>(
          static_cast<int64_t>(part.convolution->filters_desc().get_size() / sizeof(float)));
    }
  }
}

void TileSet::AddParts(int instruction) {
  const ConvolutionShape whole = ShapeOf(plan_, plan_.instructions[instruction], images_);
  const bool analysis = whole.kind == ConvolutionKind::kAnalysis;
  const Layout& output = analysis ? whole.code_layout : whole.image_layout;
  const int64_t lanes = output.lanes();
  const int count =
      IsForward(whole) ? static_cast<int>(std::min<int64_t>(max_parts_, lanes / output.block)) : 1;
  for (int p = 0; p < count; ++p) {
    Part part;
    part.shape = whole;
    if (count > 1) {
      part.shape.first_lane = FirstLaneOfSplit(lanes, output.block, p, count);
      part.shape.part_lanes =
          FirstLaneOfSplit(lanes, output.block, p + 1, count) - part.shape.first_lane;
    }
    part.convolution = std::make_unique<Convolution>(part.shape, bf16_);
    scratchpad_floats_ = std::max(scratchpad_floats_, part.convolution->scratchpad_floats());
    parts_[instruction].push_back(std::move(part));
  }
}

// Takes over the packed filters of an earlier instruction, if they are the same.
bool TileSet::ShareFilters(int instruction, int earlier) {
  const Instruction& a = plan_.instructions[instruction];
  const Instruction& b = plan_.instructions[earlier];
  std::vector<Part>& mine = parts_[instruction];
  const std::vector<Part>& theirs = parts_[earlier];
  if (a.op != b.op || a.filters != b.filters || mine.size() != theirs.size() ||
      !SameCoefficient(a.terms[0].coefficient, b.terms[0].coefficient)) {
    return false;
  }
  for (size_t p = 0; p < mine.size(); ++p) {
    const ConvolutionShape& x = mine[p].shape;
    const ConvolutionShape& y = theirs[p].shape;
    if (!(x.image_layout == y.image_layout) || !(x.code_layout == y.code_layout) ||
        mine[p].convolution->transposed() != theirs[p].convolution->transposed() ||
        mine[p].convolution->filters_desc() != theirs[p].convolution->filters_desc()) {
      return false;
    }
  }
  for (size_t p = 0; p < mine.size(); ++p) mine[p].filters = theirs[p].filters;
  return true;
}

void TileSet::PackFilters(const float* parameters) {
  dnnl::stream stream(CpuEngine());
  std::vector<const Buffer*> done;
  for (size_t k = 0; k < parts_.size(); ++k) {
    const std::vector<Part>& parts = parts_[k];
    if (parts.empty() ||
        std::find(done.begin(), done.end(), parts[0].filters.get()) != done.end()) {
      continue;
    }
    done.push_back(parts[0].filters.get());
    const Instruction& i = plan_.instructions[k];
    const ParameterInfo& info = program_.parameters()[i.filters];
    const std::vector<float> plain = SpreadFilters(
        parameters + info.offset, info.dims, parts[0].shape, parts[0].convolution->transposed(),
        CoefficientValue(program_, i.terms[0].coefficient, parameters));
    for (const Part& part : parts) {
      const dnnl::memory::desc desc = part.convolution->plain_filters_desc();
      const int64_t row = static_cast<int64_t>(desc.get_size() / sizeof(float)) / desc.dims()[0];
      Reorder(stream, desc, plain.data() + part.shape.first_lane * row,
              part.convolution->filters_desc(), part.filters->data());
    }
  }
  stream.wait();
}

int64_t TileSet::PackedBytes() const {
  int64_t bytes = 0;
  for (const std::vector<Part>& parts : parts_) {
    for (const Part& part : parts) {
      bytes += part.filters->bytes() / part.filters.use_count();
    }
  }
  return bytes;
}

std::string TileSet::Describe(int instruction) const {
  const std::vector<Part>& parts = parts_[instruction];
  std::string text = fmt::format("oneDNN {}", parts[0].convolution->implementation());
  if (parts.size() > 1) text += fmt::format(" in {} parts", parts.size());
  if (images_ > 1) text += fmt::format(" for {} images", images_);
  return text;
}

}  // namespace csc::onednn
