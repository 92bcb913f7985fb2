#include "tests/solvers/gradients.h"

#include <algorithm>
#include <cmath>

#include "solvers/program/adjoint.h"
#include "tests/solvers/compare.h"
#include "tests/solvers/kinks.h"

namespace csc::test {

namespace {

// Values are about 1. The differences' truncation is the step's fourth power
// times a fifth derivative, their rounding 1e-16 over the step.
constexpr double kStep = 2e-5;
constexpr double kTolerance = 1e-6;
constexpr double kLeastMargin = 1e-3;  // 25 times the far steps from any kink
constexpr int kEntriesChecked = 24;    // of each array

using Arrays = std::vector<std::vector<double>>;

double Loss(const Program& program, int64_t batch, const Arrays& inputs,
            const std::vector<double>& parameters, const Arrays& weights) {
  const ReferenceResult<double> result = RunReference<double>(program, batch, inputs, parameters);
  double loss = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    for (size_t k = 0; k < weights[i].size(); ++k) loss += weights[i][k] * result.outputs[i][k];
  }
  return loss;
}

// d(loss)/d(*entry) by central differences of fourth order; `loss` reads the
// entry.
template <typename LossFunction>
double Difference(double* entry, const LossFunction& loss) {
  const double value = *entry;
  const auto at = [&](double steps) {
    *entry = value + steps * kStep;
    return loss();
  };
  const double near = at(1) - at(-1);
  const double far = at(2) - at(-2);
  *entry = value;
  return (8 * near - far) / (12 * kStep);
}

// Some entries of an array, all where it is small.
std::vector<size_t> SomeEntries(Random* random, size_t size) {
  std::vector<size_t> entries;
  for (size_t i = 0; i < std::min<size_t>(size, kEntriesChecked); ++i) {
    entries.push_back(size <= kEntriesChecked
                          ? i
                          : static_cast<size_t>(random->Int(0, static_cast<int64_t>(size) - 1)));
  }
  return entries;
}

}  // namespace

Program WithWeightedLoss(const Program& forward) {
  Program program = forward;
  const size_t inputs = program.inputs().size();
  std::vector<Seed> seeds;
  for (ValueId output : forward.outputs()) {
    seeds.push_back({output, program.AddInput(program.shape(output))});
  }
  const std::vector<ValueId> gradients = Differentiate(&program, seeds, {true});
  for (size_t i = 0; i < inputs; ++i) {
    if (gradients[i] >= 0) program.MarkOutput(gradients[i]);
  }
  return program;
}

Program WithSoftmaxLoss(const Program& forward, double smoothing) {
  Program program = forward;
  const ValueId logits = forward.outputs().at(0);
  Differentiate(&program, {{logits, program.SoftmaxLoss(logits, smoothing)}});
  return program;
}

std::vector<double> SummedMagnitudes(const Program& program, const Work& work) {
  Program probe = program;
  std::vector<const Instruction*> sums;
  for (const Instruction& i : program.instructions()) {
    if (i.op != Opcode::kScalarGradient && i.op != Opcode::kChannelGradient) continue;
    sums.push_back(&i);
    probe.MarkOutput(i.terms.front().value);
    probe.MarkOutput(i.terms.back().value);
  }
  const ReferenceResult<double> result = RunInDouble(probe, work);
  std::vector<double> magnitudes(program.parameter_size(), 0.0);
  for (size_t k = 0; k < sums.size(); ++k) {
    const Instruction& i = *sums[k];
    const bool scalar = i.op == Opcode::kScalarGradient;
    const std::vector<double>& e = result.outputs[program.outputs().size() + 2 * k];
    const std::vector<double>& x = result.outputs[program.outputs().size() + 2 * k + 1];
    const Shape& shape = program.shape(i.terms[0].value);
    const ParameterInfo& info =
        program.parameters()[scalar ? i.scalar_target.parameter : i.channel_target.parameter];
    const int64_t first = info.offset + (scalar ? i.scalar_target.offset : i.channel_target.offset);
    const double constant = scalar ? i.scalar_target.constant : i.gradient_constant;
    const bool product = scalar || i.channel_sum == ChannelSum::kTimesSecond;
    for (size_t j = 0; j < e.size(); ++j) {
      const int64_t channel =
          static_cast<int64_t>(j) / (shape.height * shape.width) % shape.channels;
      const bool shared = scalar || i.channel_target.count == 1;
      magnitudes[first + (shared ? 0 : channel)] +=
          std::abs(constant * e[j] * (product ? x[j] : 1));
    }
  }
  return magnitudes;
}

void CheckGradients(Random* random, const Program& forward, const std::function<Work()>& draw) {
  Work work = draw();
  for (int attempt = 0; KinkMargin(forward, work) < kLeastMargin; ++attempt) {
    ASSERT_LT(attempt, 200) << "no data found away from kinks";
    work = draw();
  }
  Arrays inputs;
  for (const auto& input : work.inputs) inputs.emplace_back(input.begin(), input.end());
  std::vector<double> parameters(work.parameters.begin(), work.parameters.end());
  Arrays weights;
  for (ValueId output : forward.outputs()) {
    const auto w = random->Reals(work.batch * forward.shape(output).size(), -1, 1);
    weights.emplace_back(w.begin(), w.end());
  }

  const Program program = WithWeightedLoss(forward);
  Arrays all_inputs = inputs;
  all_inputs.insert(all_inputs.end(), weights.begin(), weights.end());
  const ReferenceResult<double> adjoint =
      RunReference<double>(program, work.batch, all_inputs, parameters);
  const auto loss = [&] { return Loss(forward, work.batch, inputs, parameters, weights); };

  ASSERT_EQ(program.outputs().size(), forward.outputs().size() + inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    const std::vector<double>& gradient = adjoint.outputs[forward.outputs().size() + i];
    const double scale = std::max(1.0, LargestMagnitude(gradient));
    for (size_t k : SomeEntries(random, inputs[i].size())) {
      EXPECT_NEAR(gradient[k], Difference(&inputs[i][k], loss), kTolerance * scale)
          << "entry " << k << " of input " << i << " of\n"
          << forward.ToString();
    }
  }
  for (const ParameterInfo& info : forward.parameters()) {
    const auto begin = adjoint.gradients.begin() + info.offset;
    const double scale =
        std::max(1.0, LargestMagnitude(std::vector<double>(begin, begin + info.size())));
    for (size_t k : SomeEntries(random, info.size())) {
      EXPECT_NEAR(begin[k], Difference(&parameters[info.offset + k], loss), kTolerance * scale)
          << "entry " << k << " of parameter " << info.name << " of\n"
          << forward.ToString();
    }
  }
}

}  // namespace csc::test
