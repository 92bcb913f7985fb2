// The paper's networks at their real size, forward and backward.

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "solvers/engines/registry.h"
#include "tests/solvers/compare.h"
#include "tests/solvers/gradients.h"
#include "tests/solvers/random.h"
#include "tests/solvers/random_layer.h"
#include "tests/solvers/run.h"

namespace csc::test {
namespace {

using Ints = std::vector<int64_t>;
using Attributes = std::map<std::string, AttributeValue>;

// Adds layers one on another, each for the shape that the one before leaves.
class Stack {
 public:
  Stack(Random* random, const Shape& input) : random_(*random), shape_(input) {}

  const Shape& shape() const { return shape_; }
  std::vector<LayerCase> Take() { return std::move(layers_); }

  void Add(const std::string& op, const Attributes& attributes, std::vector<Tensor> parameters) {
    LayerCase layer;
    layer.spec = MakeLayerSpec(op, attributes, static_cast<int>(parameters.size()));
    layer.parameters = std::move(parameters);
    layer.input = shape_;
    CheckParameters(layer.spec, &layer.parameters);
    std::vector<Dims> dims;
    for (const Tensor& tensor : layer.parameters) dims.push_back(tensor.dims);
    const Dims out =
        OutputDims(layer.spec, dims, {1, shape_.channels, shape_.height, shape_.width});
    shape_ = {out[1], out[2], out[3]};
    layers_.push_back(std::move(layer));
  }

  Tensor Filters(const Dims& dims, double scale) {
    const double limit = scale * std::sqrt(3.0 / static_cast<double>(NumElements(dims) / dims[0]));
    return {dims, random_.Reals(NumElements(dims), -limit, limit)};
  }
  Tensor Uniform(int64_t n, double low, double high) { return {{n}, random_.Reals(n, low, high)}; }

  void Classify(int64_t classes) {
    Add("GlobalAveragePool", {}, {});
    Add("Gemm", {}, {Filters({classes, shape_.channels, 1, 1}, 1), Uniform(classes, -0.1, 0.1)});
  }

 private:
  Random& random_;
  Shape shape_;
  std::vector<LayerCase> layers_;
};

std::vector<LayerCase> MsdCsc(Random* random, int depth, int64_t width, int64_t size) {
  Stack stack(random, {3, size, size});
  for (int i = 0; i < depth; ++i) {
    const int64_t c = stack.shape().channels, dilation = i % 3 + 1;
    stack.Add("MsdCsc",
              {{"dilations", Ints{dilation, dilation}},
               {"unfolding", int64_t{2}},
               {"algorithm", std::string("fista")}},
              {stack.Filters({width, c, 3, 3}, 0.7),
               stack.Uniform(c + width, 0, 0.05),
               {{1}, {0.3f}},
               stack.Uniform(c + width, 0.9, 1.3)});
    if (3 * (i + 1) == depth || 3 * (i + 1) == 2 * depth) {
      stack.Add("MaxPool", {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}}, {});
    }
  }
  stack.Classify(10);
  return stack.Take();
}

std::vector<LayerCase> ResCsc(Random* random, int blocks, int64_t size) {
  Stack stack(random, {3, size, size});
  stack.Add("LayeredThreshold", {}, {stack.Filters({16, 3, 3, 3}, 1.4), {{1}, {0}}});
  for (int64_t m : {16, 32, 64}) {
    for (int block = 0; block < blocks; ++block) {
      const int64_t c = stack.shape().channels, stride = c == m ? 1 : 2;
      stack.Add("ResCsc", {{"shortcut", std::string("pad")}, {"strides", Ints{stride, stride}}},
                {stack.Filters({m, c, 3, 3}, 1.2),
                 stack.Uniform(m, -0.05, 0.05),
                 stack.Filters({m, m, 3, 3}, 0.6),
                 stack.Uniform(m, -0.05, 0.05),
                 {{1}, {-0.2f}}});
    }
  }
  stack.Classify(10);
  return stack.Take();
}

class PaperNetworks : public ::testing::TestWithParam<std::string> {
 protected:
  void ExpectInferenceParity(const std::vector<LayerCase>& layers, Random* random, int64_t batch) {
    const Program program = NetworkProgram(layers);
    const Work work = RandomWork(random, program, Flatten(layers), batch);
    const auto pool = MakeThreadPool(2);
    EXPECT_TRUE(CloseTo(RunOn(FindEngine(GetParam()), program, work, {}, pool.get()).outputs[0],
                        RunInDouble(program, work).outputs[0]));
  }

  // Millions of values lie near kinks here and some cross them: gradients are
  // compared in norm, over all of them.
  void ExpectGradientParity(const std::vector<LayerCase>& layers, Random* random, int64_t batch) {
    const Program program = WithSoftmaxLoss(NetworkProgram(layers));
    const Work work = RandomWork(random, program, Flatten(layers), batch, 10);
    const auto pool = MakeThreadPool(2);
    const Results actual = RunOn(FindEngine(GetParam()), program, work, {}, pool.get());
    const ReferenceResult<double> expected = RunInDouble(program, work);
    EXPECT_NEAR(actual.loss, expected.loss, kEngineTolerance * expected.loss);
    double squares = 0, error = 0;
    for (size_t i = 0; i < expected.gradients.size(); ++i) {
      squares += expected.gradients[i] * expected.gradients[i];
      error += std::pow(actual.gradients[i] - expected.gradients[i], 2);
    }
    EXPECT_LE(std::sqrt(error), 1e-4 * std::sqrt(squares));
  }
};

TEST_P(PaperNetworks, MsdCscOfTwelveLayersInfersAsTheReference) {
  Random random(1);
  ExpectInferenceParity(MsdCsc(&random, 12, 32, 32), &random, 2);
}

TEST_P(PaperNetworks, ResCscOfTwentyLayersInfersAsTheReference) {
  Random random(2);
  ExpectInferenceParity(ResCsc(&random, 3, 32), &random, 2);
}

TEST_P(PaperNetworks, MsdCscOfSixLayersLearnsAsTheReference) {
  Random random(3);
  ExpectGradientParity(MsdCsc(&random, 6, 16, 24), &random, 3);
}

TEST_P(PaperNetworks, ResCscOfEightLayersLearnsAsTheReference) {
  Random random(4);
  ExpectGradientParity(ResCsc(&random, 1, 32), &random, 3);
}

INSTANTIATE_TEST_SUITE_P(Engines, PaperNetworks, ::testing::ValuesIn(PresentEngines()),
                         EngineTestName);

}  // namespace
}  // namespace csc::test
