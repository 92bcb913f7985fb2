// The layouts of the paper's networks.

#include <algorithm>

#include "solvers/error.h"
#include "training/models/builder.h"

namespace csc {

namespace {

// A max-pool follows one and two thirds of the layers.
bool PoolFollows(int layer, int depth) {
  return layer + 1 == depth / 3 || layer + 1 == 2 * depth / 3;
}

// 1, 2, 3 by turns, but a filter wider than the image would meet mostly
// padding. At 32 x 32 this changes nothing.
int64_t Dilation(int layer, const Shape& shape) {
  const int64_t side = std::min(shape.height, shape.width);
  const int64_t widest = std::max<int64_t>(1, (side - 1) / 2);
  return std::min<int64_t>(layer % 3 + 1, widest);
}

}  // namespace

// Layer i sees the image's channels and w from each layer before it.
void BuildMsdCsc(ModelBuilder* builder) {
  const ModelOptions& options = builder->options();
  const int depth = *options.depth;
  for (int i = 0; i < depth; ++i) {
    builder->AddMsdCsc(*options.width, Dilation(i, builder->shape()), *options.filter_scale);
    if (PoolFollows(i, depth)) builder->AddMaxPool();
  }
  builder->AddGlobalAveragePool();
  builder->AddClassifier();
}

// The same layers; those between two pools are pursued together.
void BuildMsdCscJoint(ModelBuilder* builder) {
  const ModelOptions& options = builder->options();
  const int depth = *options.depth;
  std::vector<int64_t> dilations;  // of the block begun
  for (int i = 0; i < depth; ++i) {
    dilations.push_back(Dilation(i, builder->shape()));
    const bool pool = PoolFollows(i, depth);
    if (!pool && i + 1 < depth) continue;
    builder->AddDenseCsc(*options.width, dilations, *options.filter_scale);
    dilations.clear();
    if (pool) builder->AddMaxPool();
  }
  builder->AddGlobalAveragePool();
  builder->AddClassifier();
}

// Plain layers, w channels each, without dilation: a code is all that the next
// layer sees. Pools as above.
void BuildLayeredPursuit(ModelBuilder* builder) {
  const ModelOptions& options = builder->options();
  const int depth = *options.depth;
  for (int i = 0; i < depth; ++i) {
    builder->AddLayeredPursuit(*options.width, *options.filter_scale);
    if (PoolFollows(i, depth)) builder->AddMaxPool();
  }
  builder->AddGlobalAveragePool();
  builder->AddClassifier();
}

// He et al.'s networks for small images: 6n + 2 layers in three stages, the
// second and third at half the size and twice the width, option-A shortcuts.
void BuildResidual(ModelBuilder* builder) {
  const ModelOptions& options = builder->options();
  const int blocks = (*options.depth - 2) / 6;
  const bool plain = options.model == "plain";
  const bool simplified = options.model == "res_csc_simplified";
  const double scale = *options.filter_scale;
  const auto threshold = [&](int64_t width, int64_t stride) {
    ModelBuilder::Convolution c{width};
    c.stride = stride;
    c.scale = scale;
    builder->AddLayeredThreshold(c);
  };
  int64_t width = *options.width;
  threshold(width, 1);
  for (int stage = 0; stage < 3; ++stage) {
    for (int block = 0; block < blocks; ++block) {
      const int64_t stride = stage > 0 && block == 0 ? 2 : 1;
      if (plain) {
        threshold(width, stride);
        threshold(width, 1);
      } else {
        builder->AddResCsc(width, stride, simplified, scale);
      }
    }
    width *= 2;
  }
  builder->AddGlobalAveragePool();
  builder->AddClassifier();
}

// Sulam et al.'s network: three layers of 4 x 4 filters with stride 2 pursued
// together, then three plain layers of 3 x 3, the last two with max-pooling.
void BuildMultiLayer(ModelBuilder* builder) {
  const ModelOptions& options = builder->options();
  const int64_t w = *options.width;
  std::vector<ModelBuilder::Convolution> pursued;
  for (int64_t width : {w, 2 * w, 4 * w}) {
    pursued.push_back({width, 4, 2, 1, *options.filter_scale});
  }
  if (options.model == "ml_csc") {
    builder->AddMlCsc(pursued);
  } else {
    for (const auto& layer : pursued) builder->AddLayeredThreshold(layer);
  }
  builder->AddLayeredThreshold({8 * w});
  builder->AddLayeredThreshold({16 * w});
  builder->AddMaxPool();
  builder->AddLayeredThreshold({16 * w});
  builder->AddMaxPool();
  builder->AddClassifier();
}

}  // namespace csc
