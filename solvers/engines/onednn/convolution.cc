#include "solvers/engines/onednn/convolution.h"

#include <omp.h>

#include "solvers/error.h"

namespace csc::onednn {

namespace {

using dnnl::algorithm;
using dnnl::memory;
using dnnl::prop_kind;

memory::desc BlockedDesc(int64_t lanes, int block, const Shape& shape, int64_t images) {
  const auto tag = block == 16 ? memory::format_tag::nChw16c : memory::format_tag::nChw8c;
  return {{images, lanes, shape.height, shape.width}, memory::data_type::f32, tag};
}

memory::desc PlainDesc(const memory::desc& blocked) {
  return {blocked.dims(), memory::data_type::f32, memory::format_tag::nchw};
}

int64_t Floats(const memory::desc& desc) {
  return static_cast<int64_t>(desc.get_size() / sizeof(float));
}

// The primitive chooses the filters' layout.
memory::desc AnyFilters(const memory::dims& dims, memory::data_type type = memory::data_type::f32) {
  return {dims, type, memory::format_tag::any};
}

memory::desc WithType(const memory::desc& blocked, int block, memory::data_type type) {
  return {blocked.dims(), type,
          block == 16 ? memory::format_tag::nChw16c : memory::format_tag::nChw8c};
}

dnnl::primitive_attr UserScratchpad() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

memory::dims Strides(const Geometry& g) { return {g.strides[0], g.strides[1]}; }
memory::dims Dilations(const Geometry& g) {  // oneDNN counts from 0
  return {g.dilations[0] - 1, g.dilations[1] - 1};
}
memory::dims PadsBegin(const Geometry& g) { return {g.pads[0], g.pads[1]}; }
memory::dims PadsEnd(const Geometry& g) { return {g.pads[2], g.pads[3]}; }

// Synthesis at stride 1 as the analysis by flipped, transposed filters, where
// its pads d (k - 1) - p are not negative.
bool FlippedGeometry(const Geometry& g, Geometry* flipped) {
  if (g.strides != std::array<int64_t, 2>{1, 1}) return false;
  *flipped = g;
  for (int side = 0; side < 4; ++side) {
    flipped->pads[side] = g.Extent(side % 2) - 1 - g.pads[side];
    if (flipped->pads[side] < 0) return false;
  }
  return true;
}

}  // namespace

OneOmpThread::OneOmpThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
OneOmpThread::~OneOmpThread() { omp_set_num_threads(before_); }

const dnnl::engine& CpuEngine() {
  static const auto* engine = new dnnl::engine(dnnl::engine::kind::cpu, 0);
  return *engine;
}

template <typename PrimitiveDesc>
void Convolution::Describe(const PrimitiveDesc& desc) {
  scratchpad_desc_ = desc.scratchpad_desc();
  implementation_ = desc.impl_info_str();
}

void Convolution::MakeForward(const ConvolutionShape& s, memory::data_type factors) {
  const bool analysis = s.kind == ConvolutionKind::kAnalysis;
  memory::desc source = analysis ? image_desc_ : code_desc_;
  if (factors != memory::data_type::f32) {
    source = rounded_desc_ = WithType(source, s.code_layout.block, factors);
  }
  Geometry g = s.geometry;
  if (!analysis) FlippedGeometry(s.geometry, &g);
  const dnnl::convolution_forward::desc desc(
      prop_kind::forward_inference, algorithm::convolution_direct, source,
      AnyFilters(plain_filter_dims_, factors), analysis ? code_desc_ : image_desc_, Strides(g),
      Dilations(g), PadsBegin(g), PadsEnd(g));
  const dnnl::convolution_forward::primitive_desc primitive_desc(desc, UserScratchpad(),
                                                                 CpuEngine());
  filters_desc_ = primitive_desc.weights_desc();
  Describe(primitive_desc);
  primitive_ = dnnl::convolution_forward(primitive_desc);
  arguments_ = analysis ? std::vector<int>{DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST}
                        : std::vector<int>{DNNL_ARG_DST, DNNL_ARG_WEIGHTS, DNNL_ARG_SRC};
}

void Convolution::MakeBackward(const ConvolutionShape& s) {
  const Geometry& g = s.geometry;
  const memory::desc filters = AnyFilters(plain_filter_dims_);
  const dnnl::convolution_forward::primitive_desc hint(
      {prop_kind::forward_training, algorithm::convolution_direct, image_desc_, filters, code_desc_,
       Strides(g), Dilations(g), PadsBegin(g), PadsEnd(g)},
      CpuEngine());
  if (s.kind == ConvolutionKind::kSynthesis) {
    const dnnl::convolution_backward_data::primitive_desc primitive_desc(
        {algorithm::convolution_direct, image_desc_, filters, code_desc_, Strides(g), Dilations(g),
         PadsBegin(g), PadsEnd(g)},
        UserScratchpad(), CpuEngine(), hint);
    filters_desc_ = primitive_desc.weights_desc();
    Describe(primitive_desc);
    primitive_ = dnnl::convolution_backward_data(primitive_desc);
    arguments_ = {DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST};
  } else {
    const dnnl::convolution_backward_weights::primitive_desc primitive_desc(
        {algorithm::convolution_direct, image_desc_, filters, code_desc_, Strides(g), Dilations(g),
         PadsBegin(g), PadsEnd(g)},
        UserScratchpad(), CpuEngine(), hint);
    filters_desc_ = primitive_desc.diff_weights_desc();
    Describe(primitive_desc);
    primitive_ = dnnl::convolution_backward_weights(primitive_desc);
    arguments_ = {DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST};
  }
}

void Convolution::Make(const ConvolutionShape& s) {
  if (IsForward(s)) {
    MakeForward(s, memory::data_type::f32);
  } else {
    MakeBackward(s);
  }
}

// False where oneDNN has no fast kernel for it.
bool Convolution::MakeBf16(const ConvolutionShape& s) {
  if (!IsForward(s)) return false;
  try {
    MakeForward(s, memory::data_type::bf16);
  } catch (const dnnl::error&) {
    return false;
  }
  if (implementation_.rfind("jit", 0) != 0 && implementation_.rfind("brgconv", 0) != 0) {
    return false;
  }
  const memory::desc& source = arguments_[0] == DNNL_ARG_SRC ? image_desc_ : code_desc_;
  round_ =
      dnnl::reorder(dnnl::reorder::primitive_desc(CpuEngine(), source, CpuEngine(), rounded_desc_));
  return true;
}

bool IsForward(const ConvolutionShape& shape) {
  Geometry flipped;
  return shape.kind == ConvolutionKind::kAnalysis ||
         (shape.kind == ConvolutionKind::kSynthesis && FlippedGeometry(shape.geometry, &flipped));
}

Convolution::Convolution(const ConvolutionShape& s, bool bf16) {
  transposed_ = s.kind == ConvolutionKind::kSynthesis && IsForward(s);
  int64_t code_lanes = s.code_layout.lanes();
  int64_t image_lanes = s.image_layout.lanes();
  if (s.part_lanes > 0) (transposed_ ? image_lanes : code_lanes) = s.part_lanes;
  blocked_image_desc_ = BlockedDesc(image_lanes, s.image_layout.block, s.image, s.images);
  blocked_code_desc_ = BlockedDesc(code_lanes, s.code_layout.block, s.code, s.images);
  plain_filter_dims_ = {transposed_ ? image_lanes : code_lanes,
                        transposed_ ? code_lanes : image_lanes, s.geometry.kernel[0],
                        s.geometry.kernel[1]};
  try {
    image_desc_ = blocked_image_desc_;
    code_desc_ = blocked_code_desc_;
    if (bf16 && MakeBf16(s)) return;
    rounded_desc_ = {};
    Make(s);
    // Windows in the pads alone and kernels wider than the image have no fast
    // kernel for blocks of lanes, but one (by matrix products) for plain NCHW.
    if (implementation_.rfind("ref", 0) == 0) {
      reorders_ = true;
      image_desc_ = PlainDesc(blocked_image_desc_);
      code_desc_ = PlainDesc(blocked_code_desc_);
      Make(s);
      implementation_ += " on reordered NCHW";
    }
  } catch (const dnnl::error& error) {
    throw EngineDeclined(fmt::format("oneDNN cannot convolve images of {} by filters {}: {}",
                                     ToString(s.image), ToString(s.geometry), error.what()));
  }
}

memory::desc Convolution::plain_filters_desc() const {
  return {plain_filter_dims_, memory::data_type::f32, memory::format_tag::oihw};
}

int64_t Convolution::scratchpad_floats() const {
  const int64_t own = reorders_ ? Floats(image_desc_) + Floats(code_desc_) : 0;
  return own + (Floats(rounded_desc_) + 15) / 16 * 16 + Floats(scratchpad_desc_) +
         16;  // rounded up and aligned
}

void Convolution::Run(const dnnl::stream& stream, float* image, float* filters, float* code,
                      float* scratchpad) const {
  if (!reorders_) return Execute(stream, image, filters, code, scratchpad);
  float* plain_image = scratchpad;
  float* plain_code = plain_image + Floats(image_desc_);
  const bool writes_image = arguments_[0] == DNNL_ARG_DST || arguments_[0] == DNNL_ARG_DIFF_SRC;
  const bool writes_code = arguments_[2] == DNNL_ARG_DST;
  if (!writes_image) Reorder(stream, blocked_image_desc_, image, image_desc_, plain_image);
  if (!writes_code) Reorder(stream, blocked_code_desc_, code, code_desc_, plain_code);
  // The primitive's own scratchpad wants cache-line alignment.
  const int64_t used = (Floats(image_desc_) + Floats(code_desc_) + 15) / 16 * 16;
  Execute(stream, plain_image, filters, plain_code, scratchpad + used);
  if (writes_image) Reorder(stream, image_desc_, plain_image, blocked_image_desc_, image);
  if (writes_code) Reorder(stream, code_desc_, plain_code, blocked_code_desc_, code);
}

void Convolution::Execute(const dnnl::stream& stream, float* image, float* filters, float* code,
                          float* scratchpad) const {
  const dnnl::engine& engine = CpuEngine();
  std::unordered_map<int, memory> arguments = {
      {arguments_[0], memory(image_desc_, engine, image)},
      {arguments_[1], memory(filters_desc_, engine, filters)},
      {arguments_[2], memory(code_desc_, engine, code)}};
  if (round_) {
    memory rounded(rounded_desc_, engine, scratchpad);
    memory& source = arguments.at(DNNL_ARG_SRC);
    round_.execute(stream, source, rounded);
    source = rounded;
    scratchpad += (Floats(rounded_desc_) + 15) / 16 * 16;
  }
  if (scratchpad_desc_.get_size() > 0) {
    arguments.emplace(DNNL_ARG_SCRATCHPAD, memory(scratchpad_desc_, engine, scratchpad));
  }
  primitive_.execute(stream, arguments);
}

namespace {

// Calls body(k, c, tap, lane of k, lane of c).
template <typename Body>
void ForEachFilterTap(const Dims& dims, const ConvolutionShape& shape, const Body& body) {
  const std::vector<int64_t> code_lane = shape.code_layout.LaneOfChannel();
  const std::vector<int64_t> image_lane = shape.image_layout.LaneOfChannel();
  const int64_t taps = dims[2] * dims[3];
  for (int64_t k = 0; k < dims[0]; ++k) {
    for (int64_t c = 0; c < dims[1]; ++c) {
      for (int64_t tap = 0; tap < taps; ++tap) {
        body((k * dims[1] + c) * taps + tap, tap, code_lane[k], image_lane[c]);
      }
    }
  }
}

}  // namespace

std::vector<float> SpreadFilters(const float* filters, const Dims& dims,
                                 const ConvolutionShape& shape, bool transposed, float scale) {
  const int64_t taps = dims[2] * dims[3];
  const int64_t code_lanes = shape.code_layout.lanes();
  const int64_t image_lanes = shape.image_layout.lanes();
  std::vector<float> spread(code_lanes * image_lanes * taps, 0.0f);
  ForEachFilterTap(dims, shape, [&](int64_t from, int64_t tap, int64_t k, int64_t c) {
    const int64_t to = transposed ? (c * code_lanes + k) * taps + taps - 1 - tap
                                  : (k * image_lanes + c) * taps + tap;
    spread[to] = scale * filters[from];
  });
  return spread;
}

void Reorder(const dnnl::stream& stream, const memory::desc& from_desc, const float* from,
             const memory::desc& to_desc, float* to) {
  // oneDNN's memory takes a mutable pointer although a source is only read.
  memory source(from_desc, CpuEngine(), const_cast<float*>(from));
  memory target(to_desc, CpuEngine(), to);
  dnnl::reorder(source, target).execute(stream, source, target);
}

}  // namespace csc::onednn
