// One layer run in double.

#ifndef CSC_TESTS_SOLVERS_ALGORITHMS_ONE_LAYER_H_
#define CSC_TESTS_SOLVERS_ALGORITHMS_ONE_LAYER_H_

#include <map>
#include <string>
#include <vector>

#include "solvers/network/layer.h"
#include "solvers/network/operator.h"
#include "tests/solvers/random.h"
#include "tests/solvers/random_layer.h"
#include "tests/solvers/run.h"

namespace csc::test {

using Attributes = std::map<std::string, AttributeValue>;
using Doubles = std::vector<double>;

inline constexpr double kRounding = 1e-12;  // of doubles, in another order of sums

inline LayerCase Layer(const std::string& op, const Attributes& attributes,
                       std::vector<Tensor> parameters, const Shape& input) {
  LayerCase layer;
  layer.spec = MakeLayerSpec(op, attributes, static_cast<int>(parameters.size()));
  layer.parameters = std::move(parameters);
  layer.input = input;
  CheckParameters(layer.spec, &layer.parameters);
  return layer;
}

inline Doubles OutputOf(const LayerCase& layer, const std::vector<float>& x, int64_t batch) {
  Work work;
  work.batch = batch;
  work.inputs = {x};
  work.parameters = Flatten({layer});
  return RunInDouble(LayerProgram(layer), work).outputs[0];
}

inline Tensor RandomFilters(Random* random, const Dims& dims) {
  return {dims, random->Reals(NumElements(dims), -0.5, 0.5)};
}

}  // namespace csc::test

#endif  // CSC_TESTS_SOLVERS_ALGORITHMS_ONE_LAYER_H_
