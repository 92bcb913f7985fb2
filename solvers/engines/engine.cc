#include "solvers/engines/engine.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdlib>
#include <iterator>

#include "solvers/error.h"

namespace csc {

namespace {

constexpr const char* kArithmetics[] = {"direct", "float32", "tf32", "bf16"};
constexpr const char* kMemories[] = {"fast", "small"};

// The environment variable's value; empty where there is none.
std::string Environment(const char* variable) {
  const char* value = std::getenv(variable);
  return value == nullptr ? "" : value;
}

}  // namespace

const char* Name(Arithmetic arithmetic) { return kArithmetics[static_cast<int>(arithmetic)]; }

Arithmetic ArithmeticByName(const std::string& name) {
  for (size_t k = 0; k < std::size(kArithmetics); ++k) {
    if (name == kArithmetics[k]) return static_cast<Arithmetic>(k);
  }
  Fail("arithmetic \"{}\" is unknown: one of {} expected", name, fmt::join(kArithmetics, ", "));
}

const char* Name(Memory memory) { return kMemories[static_cast<int>(memory)]; }

Memory MemoryByName(const std::string& name) {
  for (size_t k = 0; k < std::size(kMemories); ++k) {
    if (name == kMemories[k]) return static_cast<Memory>(k);
  }
  Fail("memory \"{}\" is unknown: one of {} expected", name, fmt::join(kMemories, ", "));
}

PrepareOptions ChosenOptions() {
  PrepareOptions options;
  const std::string arithmetic = Environment("CSC_ARITHMETIC");
  if (!arithmetic.empty()) options.arithmetic = ArithmeticByName(arithmetic);
  const std::string memory = Environment("CSC_MEMORY");
  if (!memory.empty()) options.memory = MemoryByName(memory);
  return options;
}

void RequireFloat32(const std::string& engine, const PrepareOptions& options) {
  if (options.arithmetic == Arithmetic::kDirect || options.arithmetic == Arithmetic::kFloat32) {
    return;
  }
  throw EngineDeclined(fmt::format("arithmetic \"{}\" on engine \"{}\": direct or float32 expected",
                                   Name(options.arithmetic), engine));
}

void RequireFastMemory(const std::string& engine, const PrepareOptions& options) {
  if (options.memory == Memory::kFast) return;
  throw EngineDeclined(
      fmt::format("memory \"{}\" on engine \"{}\": fast expected", Name(options.memory), engine));
}

void CheckRunArguments(const Program& program, const RunArguments& arguments) {
  Require(arguments.batch >= 1, "a batch of {}: at least 1 expected", arguments.batch);
  Require(arguments.inputs.size() == program.inputs().size(), "{} inputs found: {} expected",
          arguments.inputs.size(), program.inputs().size());
  for (size_t i = 0; i < arguments.inputs.size(); ++i) {
    Require(arguments.inputs[i] != nullptr, "input {} is null", i);
  }
  Require(arguments.outputs.size() == program.outputs().size(), "{} outputs found: {} expected",
          arguments.outputs.size(), program.outputs().size());
  CheckLabels(program, arguments.labels, arguments.batch);
}

void CheckLabels(const Program& program, const int32_t* labels, int64_t batch) {
  for (const Instruction& i : program.instructions()) {
    if (i.op != Opcode::kSoftmaxLoss) continue;
    Require(labels != nullptr, "a program with a loss needs labels");
    const int64_t classes = program.shape(i.terms[0].value).channels;
    for (int64_t n = 0; n < batch; ++n) {
      Require(0 <= labels[n] && labels[n] < classes, "label {} of sample {}: 0..{} expected",
              labels[n], n, classes - 1);
    }
  }
}

}  // namespace csc
