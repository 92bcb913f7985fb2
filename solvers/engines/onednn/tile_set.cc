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

namespace {

bool IsConvolution(Opcode op) {
  return op == Opcode::kAnalysis || op == Opcode::kSynthesis || op == Opcode::kFilterGradient;
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

bool SameCoefficient(const Coefficient& a, const Coefficient& b) {
  return a.constant == b.constant && a.parameter == b.parameter && a.offset == b.offset;
}

}  // namespace

TileSet::TileSet(const Program& program, const Plan& plan, int64_t images)
    : program_(program),
      plan_(plan),
      images_(images),
      convolutions_(plan.instructions.size()),
      shapes_(plan.instructions.size()),
      packed_(plan.instructions.size()) {
  for (size_t k = 0; k < plan.instructions.size(); ++k) {
    const Instruction& i = plan.instructions[k];
    if (!IsConvolution(i.op)) continue;
    shapes_[k] = ShapeOf(plan, i, images);
    convolutions_[k] = std::make_unique<Convolution>(shapes_[k]);
    const Convolution& convolution = *convolutions_[k];
    scratchpad_floats_ = std::max(scratchpad_floats_, convolution.scratchpad_bytes() / 4 + 1);
    const int64_t floats = static_cast<int64_t>(convolution.filters_desc().get_size()) / 4;
    if (i.op == Opcode::kFilterGradient) {
      gradient_floats_ =
          std::max({gradient_floats_, floats,
                    static_cast<int64_t>(convolution.plain_filters_desc().get_size()) / 4});
      continue;
    }
    for (size_t earlier = 0; earlier < k && !packed_[k]; ++earlier) {
      const Instruction& other = plan.instructions[earlier];
      if (!packed_[earlier] || other.op != i.op || other.filters != i.filters ||
          !SameCoefficient(other.terms[0].coefficient, i.terms[0].coefficient) ||
          !(shapes_[earlier].image_layout == shapes_[k].image_layout) ||
          !(shapes_[earlier].code_layout == shapes_[k].code_layout) ||
          convolutions_[earlier]->transposed() != convolution.transposed() ||
          convolutions_[earlier]->filters_desc() != convolution.filters_desc()) {
        continue;
      }
      packed_[k] = packed_[earlier];
    }
    if (!packed_[k]) packed_[k] = std::make_shared<Buffer>(floats);
  }
}

void TileSet::PackFilters(const float* parameters) {
  dnnl::stream stream(CpuEngine());
  std::vector<const Buffer*> done;
  for (size_t k = 0; k < packed_.size(); ++k) {
    if (!packed_[k] || std::find(done.begin(), done.end(), packed_[k].get()) != done.end()) {
      continue;
    }
    done.push_back(packed_[k].get());
    const Instruction& i = plan_.instructions[k];
    const ParameterInfo& info = program_.parameters()[i.filters];
    const std::vector<float> plain = SpreadFilters(
        parameters + info.offset, info.dims, shapes_[k], convolutions_[k]->transposed(),
        CoefficientValue(program_, i.terms[0].coefficient, parameters));
    Reorder(stream, convolutions_[k]->plain_filters_desc(), plain.data(),
            convolutions_[k]->filters_desc(), packed_[k]->data());
  }
  stream.wait();
}

int64_t TileSet::PackedBytes() const {
  int64_t bytes = 0;
  for (size_t k = 0; k < packed_.size(); ++k) {
    if (packed_[k]) bytes += packed_[k]->bytes() / packed_[k].use_count();
  }
  return bytes;
}

std::string TileSet::Describe() const {
  std::string text;
  for (size_t k = 0; k < convolutions_.size(); ++k) {
    if (!convolutions_[k]) continue;
    const Instruction& i = plan_.instructions[k];
    text += fmt::format("{} {} {} images {} codes {} tile {}: {}\n", Name(i.op),
                        program_.parameters()[i.filters].name, ToString(i.geometry),
                        ToString(shapes_[k].image), ToString(shapes_[k].code), images_,
                        convolutions_[k]->implementation());
  }
  return text;
}

}  // namespace csc::onednn
