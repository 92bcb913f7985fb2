#include "training/models/builder.h"

#include <fmt/format.h>

#include <cmath>

#include "solvers/error.h"

namespace csc {

namespace {

using Ints = std::vector<int64_t>;

}  // namespace

ModelBuilder::ModelBuilder(const ModelOptions& resolved, const Shape& input, int64_t classes)
    : shape_(input) {
  model_.options = resolved;
  model_.input = input;
  model_.classes = classes;
}

ModelParameter ModelBuilder::Filters(const Dims& dims, double scale) const {
  ModelParameter p;
  p.dims = dims;
  p.role = Role::kFilters;
  const int64_t fan_in = dims[1] * dims[2] * dims[3];
  p.deviation = scale / std::sqrt(static_cast<double>(fan_in));
  return p;
}

ModelParameter ModelBuilder::Vector(int64_t n, Role role, double constant) const {
  ModelParameter p;
  p.dims = {n};
  p.role = role;
  p.constant = constant;
  return p;
}

ModelParameter ModelBuilder::Step() const {
  ModelParameter p = Vector(1, Role::kStep, *options().step);
  p.trainable = *options().learn_step;
  return p;
}

void ModelBuilder::AddLayer(const std::string& op, const Attributes& attributes,
                            std::vector<ModelParameter> parameters, int frozen_count,
                            bool normalise) {
  ModelLayer layer;
  layer.spec = MakeLayerSpec(op, attributes, frozen_count);
  layer.first = static_cast<int>(model_.parameters.size());
  layer.count = static_cast<int>(parameters.size());
  layer.normalise = normalise;

  std::vector<std::string> names = ParameterNames(layer.spec);
  if (layer.count > frozen_count) names.push_back("a");
  const bool two_sided = layer.spec.Has("nonnegative") && layer.spec.Int("nonnegative") == 0;
  std::vector<Dims> dims;
  for (int i = 0; i < layer.count; ++i) {
    ModelParameter& p = parameters[i];
    p.name = fmt::format("layer{}.{}", model_.layers.size(), names[i]);
    p.nonnegative = two_sided && p.role == Role::kThreshold;
    dims.push_back(p.dims);
    model_.parameters.push_back(std::move(p));
  }
  try {
    const Dims out =
        OutputDims(layer.spec, dims, {1, shape_.channels, shape_.height, shape_.width});
    shape_ = {out[1], out[2], out[3]};
  } catch (const Error& error) {
    Fail("images of {} are too small for model {}: layer {}: {}", ToString(model_.input),
         options().model, model_.layers.size(), error.what());
  }
  model_.layers.push_back(std::move(layer));
}

void ModelBuilder::AddMsdCsc(int64_t width, int64_t dilation, double scale) {
  const int64_t identity = options().threshold_identity ? shape_.channels : 0;
  std::vector<ModelParameter> parameters = {Filters({width, shape_.channels, 3, 3}, scale),
                                            Vector(identity + width, Role::kThreshold, 0), Step()};
  if (normalise()) {
    parameters.push_back(Vector(identity + width, Role::kScale, 1));
  }
  const int count = static_cast<int>(parameters.size());
  AddLayer("MsdCsc",
           {{"dilations", Ints{dilation, dilation}},
            {"unfolding", int64_t{*options().unfolding}},
            {"algorithm", options().algorithm},
            {"threshold_identity", int64_t{options().threshold_identity}}},
           std::move(parameters), count, normalise());
}

void ModelBuilder::AddResCsc(int64_t width, int64_t stride, bool simplified, double scale) {
  std::vector<ModelParameter> parameters = {
      Filters({width, shape_.channels, 3, 3}, scale), Vector(width, Role::kThreshold, 0),
      Filters({width, width, 3, 3}, scale), Vector(width, Role::kThreshold, 0), Step()};
  if (normalise()) {
    parameters.push_back(Vector(width, Role::kScale, 1));
    parameters.push_back(Vector(width, Role::kScale, 1));
  }
  const bool same = stride == 1 && width == shape_.channels;
  const int count = static_cast<int>(parameters.size());
  AddLayer("ResCsc",
           {{"strides", Ints{stride, stride}},
            {"shortcut", std::string(same ? "identity" : "pad")},
            {"simplified", int64_t{simplified}}},
           std::move(parameters), count, normalise());
}

void ModelBuilder::AddLayeredThreshold(const Convolution& c) {
  std::vector<ModelParameter> parameters = {
      Filters({c.width, shape_.channels, c.kernel, c.kernel}, c.scale),
      Vector(c.width, Role::kThreshold, 0)};
  if (normalise()) parameters.push_back(Vector(c.width, Role::kScale, 1));
  AddLayer("LayeredThreshold",
           {{"strides", Ints{c.stride, c.stride}},
            {"pads", Ints{c.pad, c.pad, c.pad, c.pad}},
            {"nonnegative", int64_t{1}}},
           std::move(parameters), 2, normalise());
}

void ModelBuilder::AddLayeredPursuit(int64_t width, double scale) {
  std::vector<ModelParameter> parameters = {Filters({width, shape_.channels, 3, 3}, scale),
                                            Vector(width, Role::kThreshold, 0), Step()};
  AddLayer("LayeredPursuit",
           {{"unfolding", int64_t{*options().unfolding}},
            {"algorithm", options().algorithm},
            {"nonnegative", int64_t{1}}},
           std::move(parameters), 3, /*normalise=*/false);
}

void ModelBuilder::AddMlCsc(const std::vector<Convolution>& convolutions) {
  std::vector<ModelParameter> parameters;
  Ints strides;
  Ints pads;
  int64_t channels = shape_.channels;
  for (const Convolution& c : convolutions) {
    parameters.push_back(Filters({c.width, channels, c.kernel, c.kernel}, c.scale));
    parameters.push_back(Vector(c.width, Role::kThreshold, 0));
    parameters.push_back(Step());
    strides.push_back(c.stride);
    pads.push_back(c.pad);
    channels = c.width;
  }
  const int count = static_cast<int>(parameters.size());
  AddLayer("MlCsc",
           {{"layers", static_cast<int64_t>(convolutions.size())},
            {"layer_strides", strides},
            {"layer_pads", pads},
            {"unfolding", int64_t{*options().unfolding}},
            {"algorithm", options().algorithm}},
           std::move(parameters), count, /*normalise=*/false);
}

void ModelBuilder::AddDenseCsc(int64_t width, const Ints& dilations, double scale) {
  std::vector<ModelParameter> parameters;
  int64_t channels = shape_.channels;
  for (size_t i = 0; i < dilations.size(); ++i) {
    parameters.push_back(Filters({width, channels, 3, 3}, scale));
    channels += width;
    parameters.push_back(Vector(channels, Role::kThreshold, 0));
    parameters.push_back(Step());
    if (normalise()) parameters.push_back(Vector(channels, Role::kScale, 1));
  }
  const int count = static_cast<int>(parameters.size());
  AddLayer("DenseCsc",
           {{"layers", static_cast<int64_t>(dilations.size())},
            {"layer_dilations", dilations},
            {"unfolding", int64_t{*options().unfolding}},
            {"algorithm", options().algorithm}},
           std::move(parameters), count, normalise());
}

void ModelBuilder::AddMaxPool() {
  if (shape_.height < 2 || shape_.width < 2) return;
  AddLayer("MaxPool", {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}}, {}, 0, false);
}

void ModelBuilder::AddGlobalAveragePool() { AddLayer("GlobalAveragePool", {}, {}, 0, false); }

void ModelBuilder::AddClassifier() {
  const int64_t k = model_.classes;
  AddLayer("Gemm", {},
           {Filters({k, shape_.channels, shape_.height, shape_.width}, 1),
            Vector(k, Role::kThreshold, 0)},
           2, false);
}

Model ModelBuilder::Finish() { return std::move(model_); }

}  // namespace csc
