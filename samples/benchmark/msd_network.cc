#include "samples/benchmark/msd_network.h"

#include <cmath>
#include <random>
#include <utility>
#include <vector>

#include "solvers/error.h"

namespace csc {

namespace {

Tensor Normal(const Dims& dims, double deviation, std::mt19937_64* random) {
  std::normal_distribution<float> normal(0, static_cast<float>(deviation));
  Tensor tensor{dims, std::vector<float>(NumElements(dims))};
  for (float& value : tensor.data) value = normal(*random);
  return tensor;
}

Tensor Constant(int64_t size, float value) { return {{size}, std::vector<float>(size, value)}; }

}  // namespace

Network MakeMsdNetwork(const MsdOptions& options) {
  Require(options.depth >= 1 && options.width >= 1,
          "a network of depth {} and width {}: at least 1 of each expected", options.depth,
          options.width);
  constexpr int64_t kKernel = 3;
  std::mt19937_64 random(options.seed);
  Network network;
  const auto add = [&](const std::string& op, std::map<std::string, AttributeValue> attributes,
                       std::vector<Tensor> parameters) {
    network.layers.push_back(
        MakeLayerSpec(op, std::move(attributes), static_cast<int>(parameters.size())));
    for (Tensor& tensor : parameters) network.parameters.push_back(std::move(tensor));
  };

  const int third = options.depth / 3;
  const int64_t w = options.width;
  int64_t channels = options.input.channels;
  for (int i = 0; i < options.depth; ++i) {
    const int64_t dilation = i % 3 + 1;
    const double deviation = 0.1 / std::sqrt(static_cast<double>(channels * kKernel * kKernel));
    add("MsdCsc",
        {{"dilations", std::vector<int64_t>{dilation, dilation}},
         {"unfolding", int64_t{options.unfolding}},
         {"algorithm", options.algorithm}},
        {Normal({w, channels, kKernel, kKernel}, deviation, &random), Constant(channels + w, 0.01f),
         Constant(1, 1.f)});
    channels += w;
    if (third > 0 && (i + 1 == third || i + 1 == 2 * third)) {
      add("MaxPool",
          {{"kernel_shape", std::vector<int64_t>{2, 2}}, {"strides", std::vector<int64_t>{2, 2}}},
          {});
    }
  }
  add("GlobalAveragePool", {}, {});
  add("Gemm", {},
      {Normal({options.classes, channels, 1, 1}, 1 / std::sqrt(static_cast<double>(channels)),
              &random),
       Constant(options.classes, 0.f)});
  CheckNetwork(&network);
  return network;
}

}  // namespace csc
