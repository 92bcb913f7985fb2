#include "solvers/engines/engine.h"

#include "solvers/error.h"

namespace csc {

void CheckRunArguments(const Program& program, const RunArguments& arguments) {
  Require(arguments.batch >= 1, "a batch of {}: at least 1 expected", arguments.batch);
  Require(arguments.inputs.size() == program.inputs().size(), "{} inputs found: {} expected",
          arguments.inputs.size(), program.inputs().size());
  for (size_t i = 0; i < arguments.inputs.size(); ++i) {
    Require(arguments.inputs[i] != nullptr, "input {} is null", i);
  }
  Require(arguments.outputs.size() == program.outputs().size(), "{} outputs found: {} expected",
          arguments.outputs.size(), program.outputs().size());
  for (const Instruction& i : program.instructions()) {
    if (i.op != Opcode::kSoftmaxLoss) continue;
    Require(arguments.labels != nullptr, "a program with a loss needs labels");
    const int64_t classes = program.shape(i.terms[0].value).channels;
    for (int64_t n = 0; n < arguments.batch; ++n) {
      Require(0 <= arguments.labels[n] && arguments.labels[n] < classes,
              "label {} of sample {}: 0..{} expected", arguments.labels[n], n, classes - 1);
    }
  }
}

}  // namespace csc
