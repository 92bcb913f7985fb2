// Layers as programs, and what these are run on.

#include "tests/solvers/random_layer.h"

#include <fmt/format.h>

namespace csc::test {

std::vector<float> Flatten(const std::vector<LayerCase>& layers) {
  std::vector<float> flat;
  for (const LayerCase& layer : layers) {
    for (const Tensor& tensor : layer.parameters) {
      flat.insert(flat.end(), tensor.data.begin(), tensor.data.end());
    }
  }
  return flat;
}

Program NetworkProgram(const std::vector<LayerCase>& layers, const BuildOptions& options) {
  Program program;
  ValueId value = program.AddInput(layers.at(0).input);
  for (size_t i = 0; i < layers.size(); ++i) {
    std::vector<int> numbers;
    for (const Tensor& tensor : layers[i].parameters) {
      numbers.push_back(program.AddParameter(fmt::format("{}.{}", i, numbers.size()), tensor.dims));
    }
    value = BuildLayer(layers[i].spec, numbers, value, &program, options);
  }
  program.MarkOutput(value);
  return program;
}

Program LayerProgram(const LayerCase& layer, const BuildOptions& options) {
  return NetworkProgram({layer}, options);
}

Work RandomWork(Random* random, const Program& program, std::vector<float> parameters,
                int64_t batch, int64_t classes) {
  Work work;
  work.batch = batch;
  work.parameters = std::move(parameters);
  for (ValueId input : program.inputs()) {
    work.inputs.push_back(random->Reals(batch * program.shape(input).size(), -1, 1));
  }
  for (int64_t n = 0; classes > 0 && n < batch; ++n) {
    work.labels.push_back(static_cast<int32_t>(random->Int(0, classes - 1)));
  }
  return work;
}

void MakeIntegers(Random* random, int64_t low, int64_t high, double density, Work* work) {
  for (std::vector<float>& input : work->inputs) {
    input = random->Integers(static_cast<int64_t>(input.size()), low, high, density);
  }
}

}  // namespace csc::test
