// Random layers of every operator of the contract, and networks of them.

#ifndef CSC_TESTS_SOLVERS_RANDOM_LAYER_H_
#define CSC_TESTS_SOLVERS_RANDOM_LAYER_H_

#include <string>
#include <vector>

#include "solvers/network/layer.h"
#include "solvers/network/network.h"
#include "solvers/network/operator.h"
#include "solvers/program/program.h"
#include "tests/solvers/random.h"
#include "tests/solvers/run.h"

namespace csc::test {

struct LayerStyle {
  // Constants are small integers and iterations few: results are exact.
  bool integers = false;
  // No threshold is zero, so that zero itself is no kink.
  bool away_from_kinks = false;
  // As a network in training has it: a scale before every threshold.
  bool normalise = false;
};

// A layer, its constants and the shape of the input it fits.
struct LayerCase {
  LayerSpec spec;
  std::vector<Tensor> parameters;
  Shape input;
};

// All operators that are programs: everything but Lasso.
std::vector<std::string> ProgramOperators();

// A shape for the layer's input, small.
Shape RandomInputShape(Random* random, const LayerStyle& style = {});

// A layer of operator `op` for inputs of this shape, its attributes drawn from
// the whole of their meaningful ranges. Its constants have passed
// CheckParameters unless `style.normalise`.
LayerCase RandomLayer(Random* random, const std::string& op, const Shape& input,
                      const LayerStyle& style = {});

// The program of one layer: one input, one output.
Program LayerProgram(const LayerCase& layer, const BuildOptions& options = {});

// The constants of layers in the order of their programs' flat array.
std::vector<float> Flatten(const std::vector<LayerCase>& layers);

// A network of two to five layers that ends in K logits of shape [K, 1, 1].
std::vector<LayerCase> RandomNetwork(Random* random, const LayerStyle& style = {});

// The program of layers in sequence; the last one's output is marked.
Program NetworkProgram(const std::vector<LayerCase>& layers, const BuildOptions& options = {});

// Images for the program's inputs and, where `classes` > 0, labels.
Work RandomWork(Random* random, const Program& program, std::vector<float> parameters,
                int64_t batch, int64_t classes = 0);
// Other images: small integers (Random::Integers).
void MakeIntegers(Random* random, int64_t low, int64_t high, double density, Work* work);

}  // namespace csc::test

#endif  // CSC_TESTS_SOLVERS_RANDOM_LAYER_H_
