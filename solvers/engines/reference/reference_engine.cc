#include "solvers/engines/reference/reference_engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "solvers/engines/reference/interpreter.h"

namespace csc {

namespace {

class ReferenceExecutable : public Executable {
 public:
  explicit ReferenceExecutable(const Program& program)
      : program_(program), parameters_(program.parameter_size()) {}

  void SetParameters(const float* parameters) override {
    std::copy_n(parameters, parameters_.size(), parameters_.begin());
  }

  void Reserve(int64_t, int) override {}  // the interpreter allocates as it goes

  void Run(const RunArguments& arguments) override {
    CheckRunArguments(program_, arguments);
    std::vector<std::vector<float>> inputs;
    for (size_t i = 0; i < arguments.inputs.size(); ++i) {
      const int64_t size = arguments.batch * program_.shape(program_.inputs()[i]).size();
      inputs.emplace_back(arguments.inputs[i], arguments.inputs[i] + size);
    }
    const ReferenceResult<float> result =
        RunReference<float>(program_, arguments.batch, inputs, parameters_, arguments.labels);
    for (size_t i = 0; i < result.outputs.size(); ++i) {
      if (arguments.outputs[i] == nullptr) continue;
      std::copy(result.outputs[i].begin(), result.outputs[i].end(), arguments.outputs[i]);
    }
    if (arguments.gradients != nullptr) {
      std::copy(result.gradients.begin(), result.gradients.end(), arguments.gradients);
    }
    if (arguments.statistics != nullptr) {
      std::copy(result.statistics.begin(), result.statistics.end(), arguments.statistics);
    }
    if (arguments.loss != nullptr) *arguments.loss = result.loss;
    if (arguments.correct != nullptr) *arguments.correct = result.correct;
  }

  int64_t WorkspaceBytes() const override {
    return static_cast<int64_t>(parameters_.size() * sizeof(float));
  }

  std::string Describe() const override {
    return fmt::format("all {} instructions: plain loops\n", program_.instructions().size());
  }

 private:
  const Program program_;
  std::vector<float> parameters_;
};

class ReferenceEngine : public Engine {
 public:
  const std::string& name() const override { return name_; }

  std::unique_ptr<Executable> Prepare(const Program& program,
                                      const PrepareOptions& options) const override {
    RequireFloat32(name_, options);
    RequireFastMemory(name_, options);
    return std::make_unique<ReferenceExecutable>(program);
  }

 private:
  const std::string name_ = "reference";
};

}  // namespace

std::unique_ptr<Engine> MakeReferenceEngine() { return std::make_unique<ReferenceEngine>(); }

}  // namespace csc
