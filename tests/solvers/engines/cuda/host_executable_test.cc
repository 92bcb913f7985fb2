// What an Executable owes its caller besides right numbers.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "solvers/engines/registry.h"
#include "solvers/error.h"
#include "solvers/executor.h"
#include "tests/solvers/compare.h"
#include "tests/solvers/gradients.h"
#include "tests/solvers/random.h"
#include "tests/solvers/random_layer.h"
#include "tests/solvers/run.h"

namespace csc::test {
namespace {

using ::testing::HasSubstr;

class ExecutableOf : public ::testing::TestWithParam<std::string> {
 protected:
  const Engine& engine_ = FindEngine(GetParam());
};

TEST_P(ExecutableOf, HasTheEnginesName) { EXPECT_EQ(engine_.name(), GetParam()); }

TEST_P(ExecutableOf, ComputesOtherOutputsFromOtherParameters) {
  for (const std::string& op : ProgramOperators()) {
    if (op == "MaxPool" || op == "GlobalAveragePool") continue;
    ForEachSeed(10, [&](Random* random) {
      SCOPED_TRACE(op);
      const LayerCase layer = RandomLayer(random, op, RandomInputShape(random));
      const Program program = LayerProgram(layer);
      Work work = RandomWork(random, program, Flatten({layer}), random->Int(1, 5));
      const auto executable = engine_.Prepare(program);
      executable->SetParameters(work.parameters.data());
      const Results first = RunPrepared(executable.get(), program, work);

      Work other = work;
      for (float& p : other.parameters) p *= static_cast<float>(random->Real(0.3, 0.9));
      executable->SetParameters(other.parameters.data());
      const Results second = RunPrepared(executable.get(), program, other);
      EXPECT_TRUE(CloseTo(second.outputs[0], RunInDouble(program, other).outputs[0]));

      executable->SetParameters(work.parameters.data());
      ExpectSameBits(RunPrepared(executable.get(), program, work), first);
    });
  }
}

TEST_P(ExecutableOf, ComputesOtherOutputsFromOtherInputs) {
  for (const std::string& op : ProgramOperators()) {
    ForEachSeed(5, [&](Random* random) {
      SCOPED_TRACE(op);
      const LayerCase layer = RandomLayer(random, op, RandomInputShape(random));
      const Program program = LayerProgram(layer);
      const auto executable = engine_.Prepare(program);
      const std::vector<float> parameters = Flatten({layer});
      executable->SetParameters(parameters.data());
      for (int run = 0; run < 3; ++run) {
        const Work work = RandomWork(random, program, parameters, random->Int(1, 9));
        EXPECT_TRUE(CloseTo(RunPrepared(executable.get(), program, work).outputs[0],
                            RunInDouble(program, work).outputs[0]))
            << "run " << run << ", batch " << work.batch;
      }
    });
  }
}

TEST_P(ExecutableOf, HasParametersOfZeroUntilTheyAreSet) {
  Program program;
  const int filters = program.AddParameter("F", {2, 3, 1, 1});
  const int scale = program.AddParameter("s", {1});
  const ValueId x = program.AddInput({3, 5, 5});
  program.MarkOutput(program.Analysis(x, filters, {}));
  program.MarkOutput(program.Combine({{x, {2}}, {x, {1, scale}}}));
  const auto executable = engine_.Prepare(program);
  const std::vector<float> input(75, 3);
  std::vector<float> analysis(50, -1), sum(75, -1);
  RunArguments arguments;
  arguments.batch = 1;
  arguments.inputs = {input.data()};
  arguments.outputs = {analysis.data(), sum.data()};
  executable->Run(arguments);
  EXPECT_EQ(analysis, std::vector<float>(50, 0));
  EXPECT_EQ(sum, std::vector<float>(75, 6));
}

// Engines with memory of their own send such arrays there, and fetch them, in pieces.
TEST_P(ExecutableOf, TakesLargeArraysOnAnyNumberOfWorkers) {
  const Shape shape = {3, 600, 701};
  Program program;
  program.MarkOutput(program.Combine({{program.AddInput(shape), {2}}}));
  const auto executable = engine_.Prepare(program);
  constexpr int64_t kBatch = 2;
  std::vector<float> input(kBatch * shape.size()), expected(input.size());
  for (size_t i = 0; i < input.size(); ++i) {
    input[i] = static_cast<float>(i % 8191);
    expected[i] = 2 * input[i];
  }
  for (int workers = 1; workers <= 3; ++workers) {
    const auto executor = MakeThreadPool(workers);
    std::vector<float> output(input.size());
    RunArguments arguments;
    arguments.batch = kBatch;
    arguments.inputs = {input.data()};
    arguments.outputs = {output.data()};
    arguments.executor = executor.get();
    executable->Run(arguments);
    EXPECT_TRUE(output == expected) << workers << " workers";
  }
}

// x [2, 3, 3] -> F x, and its argument kept alive as a second output.
class SmallProgram : public ExecutableOf {
 protected:
  SmallProgram() {
    const int filters = program_.AddParameter("F", {2, 2, 1, 1});
    x_ = program_.AddInput({2, 3, 3});
    program_.MarkOutput(program_.Analysis(x_, filters, {}));
    program_.MarkOutput(program_.Combine({{x_, {2}}}));
    executable_ = engine_.Prepare(program_);
    executable_->SetParameters(parameters_.data());
    arguments_.batch = 2;
    arguments_.inputs = {input_.data()};
    arguments_.outputs = {first_.data(), second_.data()};
  }

  void ExpectRefusal(const std::string& part) {
    try {
      executable_->Run(arguments_);
      ADD_FAILURE() << "accepted";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(part));
    }
  }

  const std::vector<float> parameters_ = {1, 2, 3, 4};
  std::vector<float> input_ = std::vector<float>(36, 1);
  std::vector<float> first_ = std::vector<float>(36, -1);
  std::vector<float> second_ = std::vector<float>(36, -1);
  Program program_;
  ValueId x_;
  std::unique_ptr<Executable> executable_;
  RunArguments arguments_;
};

TEST_P(SmallProgram, LeavesOutNullOutputs) {
  arguments_.outputs[0] = nullptr;
  executable_->Run(arguments_);
  EXPECT_EQ(first_, std::vector<float>(36, -1));
  EXPECT_EQ(second_, std::vector<float>(36, 2));
}

TEST_P(SmallProgram, RunsWithoutOptionalResults) {
  executable_->Run(arguments_);
  EXPECT_EQ(first_[0], 3);
  EXPECT_EQ(first_[9], 7);
}

TEST_P(SmallProgram, KeepsItsOwnCopyOfProgramAndParameters) {
  std::vector<float> parameters = parameters_;
  std::unique_ptr<Executable> executable;
  {
    const Program copy = program_;
    executable = engine_.Prepare(copy);
    executable->SetParameters(parameters.data());
  }
  parameters.assign(4, std::numeric_limits<float>::quiet_NaN());
  executable->Run(arguments_);
  EXPECT_EQ(first_[0], 3);
}

TEST_P(SmallProgram, DoesNotWriteItsInput) {
  executable_->Run(arguments_);
  EXPECT_EQ(input_, std::vector<float>(36, 1));
}

TEST_P(SmallProgram, RefusesWrongArguments) {
  const RunArguments good = arguments_;
  arguments_.batch = 0;
  ExpectRefusal("batch of 0");
  arguments_.batch = -1;
  ExpectRefusal("batch of -1");
  arguments_ = good;
  arguments_.inputs.clear();
  ExpectRefusal("0 inputs found: 1 expected");
  arguments_.inputs = {nullptr};
  ExpectRefusal("input 0 is null");
  arguments_ = good;
  arguments_.outputs.pop_back();
  ExpectRefusal("1 outputs found: 2 expected");
  arguments_ = good;
  executable_->Run(arguments_);  // and works as before
  EXPECT_EQ(first_[0], 3);
}

TEST_P(SmallProgram, PassesNotANumberOn) {
  input_[0] = std::numeric_limits<float>::quiet_NaN();
  executable_->Run(arguments_);
  EXPECT_TRUE(std::isnan(first_[0]));
  EXPECT_TRUE(std::isnan(first_[9]));
  EXPECT_EQ(first_[1], 3);
  EXPECT_TRUE(std::isnan(second_[0]));
}

TEST_P(SmallProgram, ForgetsANumberThatWasNone) {
  input_[0] = std::numeric_limits<float>::quiet_NaN();
  executable_->Run(arguments_);
  input_[0] = 1;
  executable_->Run(arguments_);
  EXPECT_EQ(first_[0], 3);
  EXPECT_EQ(second_, std::vector<float>(36, 2));
}

TEST_P(ExecutableOf, PassesNotANumberThroughShrinkageAndPools) {
  Program program;
  const int threshold = program.AddParameter("b", {1});
  const ValueId x = program.AddInput({3, 4, 4});
  for (Shrink shrink : {Shrink::kNone, Shrink::kSoft, Shrink::kNonnegative}) {
    program.MarkOutput(
        program.MaxPool(program.Pointwise({{x, {}}}, shrink, {threshold, 0, 1}), {{2, 2}, {2, 2}}));
  }
  Work work;
  work.inputs = {std::vector<float>(48, 1)};
  work.inputs[0][5] = std::numeric_limits<float>::quiet_NaN();
  work.parameters = {0.5f};
  for (const auto& output : RunOn(engine_, program, work).outputs) {
    EXPECT_TRUE(std::isnan(output[0]));
    for (size_t i = 1; i < output.size(); ++i) EXPECT_EQ(output[i], 0.5f);
  }
}

TEST_P(ExecutableOf, RefusesLabelsThatDoNotExist) {
  Program program;
  const ValueId x = program.AddInput({3, 1, 1});
  program.MarkOutput(program.SoftmaxLoss(x));
  Work work;
  work.batch = 2;
  work.inputs = {std::vector<float>(6, 0)};
  for (const std::vector<int32_t>& labels :
       {std::vector<int32_t>{0, 3}, std::vector<int32_t>{-1, 0}}) {
    work.labels = labels;
    EXPECT_THROW(RunOn(engine_, program, work), Error);
  }
  work.labels.clear();
  EXPECT_THROW(RunOn(engine_, program, work), Error);
  work.labels = {0, 2};
  const Results results = RunOn(engine_, program, work);
  EXPECT_NEAR(results.loss, std::log(3.0), 1e-6);
  EXPECT_EQ(results.correct, 1);  // the first of equal logits is the answer
}

// Targets 0.85 and 0.15 for smoothing 0.3 over two classes, here with
// probabilities 0.75 and 0.25.
TEST_P(ExecutableOf, SmoothsLabels) {
  Program program;
  const ValueId x = program.AddInput({2, 1, 1});
  program.MarkOutput(program.SoftmaxLoss(x, 0.3));
  Work work;
  work.inputs = {{std::log(3.0f), 0}};
  work.labels = {0};
  const Results results = RunOn(engine_, program, work);
  EXPECT_NEAR(results.loss, -0.85 * std::log(0.75) - 0.15 * std::log(0.25), 1e-6);
  EXPECT_NEAR(results.outputs[0][0], 0.75 - 0.85, 1e-6);
  EXPECT_NEAR(results.outputs[0][1], 0.25 - 0.15, 1e-6);
  for (double wrong : {-0.1, 1.0, std::nan("")}) {
    EXPECT_THROW(Program(program).SoftmaxLoss(x, wrong), Error);
  }
}

TEST_P(ExecutableOf, ComputesTheLossOfVeryLargeLogits) {
  Program program;
  const ValueId x = program.AddInput({2, 1, 1});
  program.MarkOutput(program.SoftmaxLoss(x));
  Work work;
  work.inputs = {{1e4f, -1e4f}};
  work.labels = {1};
  const Results results = RunOn(engine_, program, work);
  EXPECT_NEAR(results.loss, 2e4, 1);
  EXPECT_EQ(results.correct, 0);
  EXPECT_EQ(results.outputs[0], (std::vector<float>{1, -1}));
}

TEST_P(ExecutableOf, ReturnsAnInputThatIsAnOutput) {
  Program program;
  const ValueId x = program.AddInput({3, 2, 2});
  program.MarkOutput(x);
  program.MarkOutput(x);
  Work work;
  work.batch = 3;
  Random random(1);
  work.inputs = {random.Reals(36, -1, 1)};
  const Results results = RunOn(engine_, program, work);
  EXPECT_EQ(results.outputs[0], work.inputs[0]);
  EXPECT_EQ(results.outputs[1], work.inputs[0]);
}

TEST_P(ExecutableOf, LeavesGradientsOfFrozenParametersAtZero) {
  Program forward;
  const int frozen = forward.AddParameter("frozen", {2, 3, 3, 3}, /*trainable=*/false);
  const int learned = forward.AddParameter("learned", {2, 2, 1, 1});
  const ValueId x = forward.AddInput({3, 5, 5});
  const ValueId y = forward.Analysis(x, frozen, SamePadded({3, 3}));
  forward.MarkOutput(forward.Analysis(y, learned, {}));
  const Program program = WithWeightedLoss(forward);
  Random random(1);
  const Work work = RandomWork(&random, program, random.Reals(program.parameter_size(), -1, 1), 3);
  const Results results = RunOn(engine_, program, work);
  for (int i = 0; i < 54; ++i) EXPECT_EQ(results.gradients[i], 0);
  EXPECT_TRUE(CloseTo(results.gradients, RunInDouble(program, work).gradients));
}

TEST_P(ExecutableOf, SaysWhatImplementsItAndHowMuchMemoryItHolds) {
  Random random(1);
  const LayerCase layer = RandomLayer(&random, "MsdCsc", {3, 8, 8});
  const auto executable = engine_.Prepare(LayerProgram(layer));
  executable->SetParameters(Flatten({layer}).data());
  executable->Reserve(4, 2);
  EXPECT_FALSE(executable->Describe().empty());
  EXPECT_GT(executable->WorkspaceBytes(), 0);
}

INSTANTIATE_TEST_SUITE_P(Engines, ExecutableOf, ::testing::ValuesIn(PresentEngines()),
                         EngineTestName);
INSTANTIATE_TEST_SUITE_P(Engines, SmallProgram, ::testing::ValuesIn(PresentEngines()),
                         EngineTestName);

}  // namespace
}  // namespace csc::test
