#include "samples/check/compare_engines.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "solvers/algorithms/lasso.h"
#include "solvers/error.h"

namespace csc {

namespace {

// A converged Lasso is no program: it is a network by itself.
bool IsLasso(const Network& network) {
  return network.layers.size() == 1 && network.layers[0].op == "Lasso";
}

std::vector<float> SolveLasso(const Network& network, const Engine& engine, const Tensor& x,
                              const Shape& in, Executor* executor) {
  const LayerSpec& layer = network.layers[0];
  const Tensor& filters = network.parameters[0];
  LassoOptions options;
  options.geometry = LayerGeometries(layer, {filters.dims})[0];
  options.algorithm = ParseAlgorithm(layer.String("algorithm"));
  options.max_iterations = static_cast<int>(layer.Int("max_iterations"));
  // Stopping early at different iterations would be no difference of engines.
  options.tolerance = 0;
  options.nonnegative = layer.Int("nonnegative") != 0;
  options.step = layer.Float("step");
  LassoSolver solver(engine, filters, network.parameters[1], options, in);
  std::vector<float> codes(x.dims[0] * solver.output_shape().size());
  solver.Solve(x.data.data(), x.dims[0], executor, codes.data(), nullptr, nullptr);
  return codes;
}

std::vector<float> Run(const Network& network, const Engine& engine, const Tensor& x,
                       const PrepareOptions& prepare, Executor* executor) {
  const Shape in = {x.dims[1], x.dims[2], x.dims[3]};
  if (IsLasso(network)) return SolveLasso(network, engine, x, in, executor);
  const Program program = BuildProgram(network, in);
  const auto executable = engine.Prepare(program, prepare);
  executable->SetParameters(FlattenParameters(network).data());
  std::vector<float> output(x.dims[0] * program.shape(program.outputs()[0]).size(),
                            std::numeric_limits<float>::quiet_NaN());
  RunArguments arguments;
  arguments.batch = x.dims[0];
  arguments.inputs = {x.data.data()};
  arguments.outputs = {output.data()};
  arguments.executor = executor;
  executable->Run(arguments);
  return output;
}

int64_t SameClass(const Tensor& a, const std::vector<float>& b) {
  if (a.dims[1] < 2 || a.dims[2] != 1 || a.dims[3] != 1) return -1;
  int64_t same = 0;
  const auto largest = [&](const std::vector<float>& values, int64_t image) {
    const auto begin = values.begin() + image * a.dims[1];
    return std::max_element(begin, begin + a.dims[1]) - begin;
  };
  for (int64_t n = 0; n < a.dims[0]; ++n) same += largest(a.data, n) == largest(b, n);
  return same;
}

// Runs `network` on both; `output` becomes what `reference` makes of `x`.
Comparison CompareOne(const std::string& what, const Network& network, const Tensor& x,
                      const Engine& reference, const Engine& checked, const CompareOptions& options,
                      Tensor* output) {
  Comparison comparison;
  comparison.what = what;
  Tensor expected{OutputDims(network, x.dims), Run(network, reference, x, {}, options.executor)};
  comparison.output = {expected.dims[1], expected.dims[2], expected.dims[3]};
  try {
    const std::vector<float> found = Run(network, checked, x, options.prepare, options.executor);
    comparison.difference = Compare(expected.data, found);
    if (network.layers.size() > 1) comparison.same_class = SameClass(expected, found);
  } catch (const EngineDeclined& reason) {
    comparison.declined = reason.what();
  }
  *output = std::move(expected);
  return comparison;
}

}  // namespace

Difference Compare(const std::vector<float>& expected, const std::vector<float>& found) {
  Require(expected.size() == found.size() && !expected.empty(),
          "arrays of {} and {} values cannot be compared", expected.size(), found.size());
  Difference result;
  for (float value : expected) {
    result.magnitude = std::max(result.magnitude, std::fabs(double{value}));
  }
  const double unit = result.magnitude > 0 ? result.magnitude : 1;
  std::vector<double> errors(expected.size());
  for (size_t i = 0; i < errors.size(); ++i) {
    const double error = std::fabs(double{expected[i]} - double{found[i]}) / unit;
    errors[i] = std::isfinite(error) ? error : HUGE_VAL;
  }
  const auto at = [&](double share) {
    const auto nth = errors.begin() + static_cast<int64_t>(share * (errors.size() - 1));
    std::nth_element(errors.begin(), nth, errors.end());
    return *nth;
  };
  result.median = at(0.5);
  result.percentile99 = at(0.99);
  result.largest = at(1);
  return result;
}

std::vector<Comparison> CompareEngines(const Network& network, const Tensor& images,
                                       const Engine& reference, const Engine& checked,
                                       const CompareOptions& options) {
  std::vector<Comparison> comparisons;
  Tensor x = images;
  bool lasso = false;
  size_t first = 0;
  for (size_t i = 0; i < network.layers.size(); ++i) {
    const LayerSpec& layer = network.layers[i];
    const auto begin = network.parameters.begin() + first;
    const Network alone = {{layer}, {begin, begin + layer.num_parameters}};
    first += layer.num_parameters;
    lasso = lasso || layer.op == "Lasso";
    Tensor output;
    comparisons.push_back(CompareOne(fmt::format("{} {}", i, layer.op), alone, x, reference,
                                     checked, options, &output));
    x = std::move(output);
  }
  // A network with a Lasso in it runs only layer by layer.
  if (!lasso) {
    comparisons.push_back(
        CompareOne("all layers", network, images, reference, checked, options, &x));
  }
  return comparisons;
}

}  // namespace csc
