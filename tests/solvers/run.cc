#include "tests/solvers/run.h"

#include <limits>

#include "solvers/engines/registry.h"
#include "tests/solvers/compare.h"

namespace csc::test {

namespace {

constexpr float kPoison = std::numeric_limits<float>::quiet_NaN();

std::vector<double> InDouble(const std::vector<float>& values) {
  return {values.begin(), values.end()};
}

}  // namespace

Results RunPrepared(Executable* executable, const Program& program, const Work& work,
                    Executor* executor) {
  Results results;
  RunArguments arguments;
  arguments.batch = work.batch;
  arguments.executor = executor;
  for (const auto& input : work.inputs) arguments.inputs.push_back(input.data());
  for (ValueId output : program.outputs()) {
    results.outputs.emplace_back(work.batch * program.shape(output).size(), kPoison);
  }
  for (auto& output : results.outputs) arguments.outputs.push_back(output.data());
  int64_t statistics = 0;
  for (int64_t channels : program.statistics()) statistics += 2 * channels;
  results.statistics.assign(statistics, kPoison);
  results.gradients.assign(program.parameter_size(), kPoison);
  results.loss = kPoison;
  results.correct = -1;
  arguments.labels = work.labels.empty() ? nullptr : work.labels.data();
  arguments.gradients = results.gradients.data();
  arguments.statistics = results.statistics.data();
  arguments.loss = &results.loss;
  arguments.correct = &results.correct;
  executable->Run(arguments);
  return results;
}

Results RunOn(const Engine& engine, const Program& program, const Work& work,
              const PrepareOptions& options, Executor* executor) {
  const auto executable = engine.Prepare(program, options);
  executable->SetParameters(work.parameters.data());
  return RunPrepared(executable.get(), program, work, executor);
}

ReferenceResult<double> RunInDouble(const Program& program, const Work& work) {
  std::vector<std::vector<double>> inputs;
  for (const auto& input : work.inputs) inputs.push_back(InDouble(input));
  return RunReference<double>(program, work.batch, inputs, InDouble(work.parameters),
                              work.labels.empty() ? nullptr : work.labels.data());
}

void ExpectSameBits(const Results& actual, const Results& expected) {
  ASSERT_EQ(actual.outputs.size(), expected.outputs.size());
  for (size_t i = 0; i < expected.outputs.size(); ++i) {
    EXPECT_TRUE(SameBits(actual.outputs[i], expected.outputs[i])) << "output " << i;
  }
  EXPECT_TRUE(SameBits(actual.gradients, expected.gradients)) << "gradients";
  EXPECT_TRUE(SameBits(actual.statistics, expected.statistics)) << "statistics";
  EXPECT_TRUE(SameBits<double>({actual.loss}, {expected.loss})) << "loss";
  EXPECT_EQ(actual.correct, expected.correct);
}

std::vector<std::string> PresentEngines() {
  std::vector<std::string> names;
  for (const EngineInfo& engine : KnownEngines()) {
    if (engine.present) names.push_back(engine.name);
  }
  return names;
}

std::string EngineTestName(const ::testing::TestParamInfo<std::string>& info) { return info.param; }

}  // namespace csc::test
