#include "solvers/engines/reference/interpreter.h"

#include <string>
#include <utility>

#include "solvers/engines/reference/instructions.h"
#include "solvers/error.h"
#include "solvers/memory.h"

namespace csc {

template <typename T>
ReferenceResult<T> RunReference(const Program& program, int64_t batch,
                                const std::vector<std::vector<T>>& inputs,
                                const std::vector<T>& parameters, const int32_t* labels) {
  Require(static_cast<int64_t>(parameters.size()) == program.parameter_size(),
          "{} parameters found: {} expected", parameters.size(), program.parameter_size());
  Require(inputs.size() == program.inputs().size(), "{} inputs found: {} expected", inputs.size(),
          program.inputs().size());
  reference::Machine<T> machine{&program, batch, &parameters, labels};
  machine.values.resize(program.num_values());
  machine.gradients.assign(program.parameter_size(), 0.0);
  for (int64_t channels : program.statistics()) {
    machine.statistics.emplace_back(2 * channels);
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    const ValueId value = program.inputs()[i];
    Require(static_cast<int64_t>(inputs[i].size()) == batch * program.shape(value).size(),
            "input {} has {} elements: {} expected", i, inputs[i].size(),
            batch * program.shape(value).size());
    machine.values[value] = {program.shape(value), inputs[i]};
  }
  for (const Instruction& instruction : program.instructions()) {
    if (instruction.result >= 0) {
      const Shape& shape = program.shape(instruction.result);
      RequireMemory(NumElements({batch, shape.size(), int64_t{sizeof(T)}}),
                    "an intermediate result of " + std::to_string(batch) + " images");
      machine.values[instruction.result] = {shape, std::vector<T>(batch * shape.size())};
    }
    reference::Execute(instruction, &machine);
  }

  ReferenceResult<T> result;
  for (ValueId output : program.outputs()) {
    result.outputs.push_back(machine.values[output].data);
  }
  result.gradients.assign(machine.gradients.begin(), machine.gradients.end());
  for (const std::vector<double>& statistic : machine.statistics) {
    result.statistics.insert(result.statistics.end(), statistic.begin(), statistic.end());
  }
  result.loss = machine.loss;
  result.correct = machine.correct;
  return result;
}

template ReferenceResult<float> RunReference(const Program&, int64_t,
                                             const std::vector<std::vector<float>>&,
                                             const std::vector<float>&, const int32_t*);
template ReferenceResult<double> RunReference(const Program&, int64_t,
                                              const std::vector<std::vector<double>>&,
                                              const std::vector<double>&, const int32_t*);

}  // namespace csc
