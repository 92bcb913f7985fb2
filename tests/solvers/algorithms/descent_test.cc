// Each step of ISTA with a step of at most 1 / L lowers the objective that the
// layer pursues, half the squared residual plus the weighted l1 norm.

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "solvers/algorithms/lasso.h"
#include "solvers/network/layer.h"
#include "solvers/network/operator.h"
#include "tests/solvers/random.h"
#include "tests/solvers/random_layer.h"
#include "tests/solvers/run.h"

namespace csc::test {
namespace {

using Doubles = std::vector<double>;

constexpr int kSteps = 12;

// 1/2 ||x - F^T g||^2 + sum beta |g|, F^T by a program of its own.
double Objective(const Tensor& filters, const Geometry& geometry, const Shape& image,
                 const std::vector<float>& x, const Shape& code, const Doubles& g, double beta) {
  Program synthesis;
  const int f = synthesis.AddParameter("F", filters.dims);
  synthesis.MarkOutput(
      synthesis.Synthesis(synthesis.AddInput(code), f, geometry, image.height, image.width));
  const Doubles estimate =
      RunReference<double>(synthesis, 1, {g}, Doubles(filters.data.begin(), filters.data.end()))
          .outputs[0];
  double squares = 0, norm = 0;
  for (size_t i = 0; i < x.size(); ++i) squares += (x[i] - estimate[i]) * (x[i] - estimate[i]);
  for (double value : g) norm += std::abs(value);
  return squares / 2 + beta * norm;
}

struct Pursuit {
  LayerCase layer;
  Convolution convolution;  // the dictionary's
  Tensor dictionary;
  double beta;
};

// Objectives after the first estimate and each further step.
Doubles Trajectory(const Pursuit& pursuit, const std::vector<float>& x,
                   const std::string& algorithm) {
  Doubles objectives;
  for (int unfolding = 0; unfolding < kSteps; ++unfolding) {
    LayerCase layer = pursuit.layer;
    layer.spec.attributes["unfolding"] = int64_t{unfolding};
    layer.spec.attributes["algorithm"] = algorithm;
    Work work;
    work.inputs = {x};
    work.parameters = Flatten({layer});
    const Convolution& c = pursuit.convolution;
    objectives.push_back(Objective(pursuit.dictionary, c.geometry, c.image, x, c.code(),
                                   RunInDouble(LayerProgram(layer), work).outputs[0],
                                   pursuit.beta));
  }
  return objectives;
}

void ExpectDescent(const Doubles& objectives) {
  for (size_t k = 1; k < objectives.size(); ++k) {
    // The step is a float: at 1 / L it may be above by its rounding.
    EXPECT_LE(objectives[k], objectives[k - 1] * (1 + 1e-9)) << "step " << k;
  }
  EXPECT_LE(objectives.back(), objectives.front());
}

std::vector<int64_t> Two(const std::array<int64_t, 2>& v) { return {v[0], v[1]}; }

// A LayeredPursuit at step `part` / bound.
Pursuit RandomPursuit(Random* random, double part) {
  Pursuit p;
  p.convolution = RandomConvolution(random);
  p.convolution.filters = random->Int(1, 6);
  const Geometry& g = p.convolution.geometry;
  const Dims dims = p.convolution.filter_dims();
  p.dictionary = {dims, random->Reals(NumElements(dims), -1, 1)};
  const float step = static_cast<float>(part / DictionaryBound(p.dictionary, g));
  p.beta = random->Real(0.01, 0.3);
  p.layer.input = p.convolution.image;
  p.layer.spec = MakeLayerSpec("LayeredPursuit",
                               {{"strides", Two(g.strides)},
                                {"dilations", Two(g.dilations)},
                                {"pads", std::vector<int64_t>(g.pads.begin(), g.pads.end())},
                                {"nonnegative", int64_t{random->Chance(0.5)}}},
                               3);
  p.layer.parameters = {p.dictionary, {{1}, {static_cast<float>(p.beta * step)}}, {{1}, {step}}};
  return p;
}

TEST(LayeredPursuit, LowersTheObjectiveWithEveryIstaStep) {
  ForEachSeed(40, [](Random* random) {
    const Pursuit p = RandomPursuit(random, random->Pick({1.0, 0.5, 0.1}));
    ExpectDescent(Trajectory(p, random->Reals(p.layer.input.size(), -1, 1), "ista"));
  });
}

TEST(LayeredPursuit, GetsBelowIstaWithFista) {
  int lower = 0, cases = 0;
  ForEachSeed(30, [&](Random* random) {
    const Pursuit p = RandomPursuit(random, 1.0);
    const auto x = random->Reals(p.layer.input.size(), -1, 1);
    const double ista = Trajectory(p, x, "ista").back();
    const double fista = Trajectory(p, x, "fista").back();
    ++cases;
    lower += fista <= ista * (1 + 1e-9);
  });
  EXPECT_GE(lower, cases * 9 / 10);
}

TEST(MsdCsc, LowersTheObjectiveWithEveryIstaStepWhereThresholdsAreStepTimesBeta) {
  ForEachSeed(40, [](Random* random) {
    const int64_t c = random->Int(1, 3), w = random->Int(1, 4);
    Pursuit p;
    p.convolution = {{c, 6, 7}, c + w, SamePadded({3, 3}, {1, 1}, {random->Int(1, 3), 1})};
    Tensor filters = {{w, c, 3, 3}, random->Reals(w * c * 9, -1, 1)};
    p.dictionary = {{c + w, c, 3, 3}, std::vector<float>((c + w) * c * 9, 0.0f)};
    for (int64_t i = 0; i < c; ++i) p.dictionary.data[(i * c + i) * 9 + 4] = 1;
    std::copy(filters.data.begin(), filters.data.end(), p.dictionary.data.begin() + c * c * 9);
    // lambda_max of the dictionary [I, F^T] is 1 more than that of F^T.
    const Geometry& g = p.convolution.geometry;
    const double bound = 1 + DictionaryBound(filters, g);
    EXPECT_GE(bound * 1.00001, DictionaryBound(p.dictionary, g) / 1.05);
    const float step = static_cast<float>(1 / bound);
    p.beta = random->Real(0.01, 0.3);
    p.layer.input = p.convolution.image;
    p.layer.spec = MakeLayerSpec("MsdCsc", {{"dilations", Two(g.dilations)}}, 3);
    p.layer.parameters = {filters, {{1}, {static_cast<float>(p.beta * step)}}, {{1}, {step}}};
    ExpectDescent(Trajectory(p, random->Reals(p.layer.input.size(), 0, 1), "ista"));
  });
}

TEST(LayeredPursuit, RaisesTheObjectiveWhereTheStepIsTooLong) {
  // A step of 4 / L overshoots the largest direction: the test can fail.
  const Tensor filters = {{1, 1, 1, 1}, {1}};
  Pursuit p;
  p.convolution = {{1, 2, 2}, 1, {}};
  p.dictionary = filters;
  p.beta = 0;
  p.layer.input = {1, 2, 2};
  p.layer.spec = MakeLayerSpec("LayeredPursuit", {{"nonnegative", int64_t{0}}}, 3);
  p.layer.parameters = {filters, {{1}, {0}}, {{1}, {4}}};
  const Doubles objectives = Trajectory(p, {1, 1, 1, 1}, "ista");
  EXPECT_GT(objectives.back(), objectives.front());
}

}  // namespace
}  // namespace csc::test
