#include "solvers/program/adjoint.h"

#include <map>
#include <optional>

#include "solvers/error.h"

namespace csc {

namespace {

class Differentiator {
 public:
  Differentiator(Program* program, const AdjointOptions& options)
      : program_(*program),
        forward_(program->instructions()),  // a copy: program_ grows
        contributions_(program->num_values()),
        views_(program->num_values()) {
    for (const Instruction& i : forward_) {
      Require(i.op != Opcode::kFilterGradient && i.op != Opcode::kScalarGradient &&
                  i.op != Opcode::kChannelGradient,
              "the program has been differentiated already: its gradients would be added twice");
    }
    FindWhatNeedsGradients(options);
  }

  std::vector<ValueId> Run(const std::vector<Seed>& seeds) {
    for (const Seed& seed : seeds) {
      Require(program_.shape(seed.value) == program_.shape(seed.gradient),
              "a gradient of shape {} for a value of shape {}",
              ToString(program_.shape(seed.gradient)), ToString(program_.shape(seed.value)));
      Contribute(seed.value, {}, seed.gradient);
    }
    for (auto i = forward_.rbegin(); i != forward_.rend(); ++i) {
      if (i->result < 0 || !needs_[i->result]) continue;
      const std::optional<ValueId> gradient = Gradient(i->result);
      if (gradient) Backpropagate(*i, *gradient);
    }
    std::vector<ValueId> of_inputs;
    for (ValueId input : program_.inputs()) {
      of_inputs.push_back(Gradient(input).value_or(-1));
    }
    return of_inputs;
  }

 private:
  bool Trainable(int parameter) const {
    return parameter >= 0 && program_.parameters()[parameter].trainable;
  }

  void FindWhatNeedsGradients(const AdjointOptions& options) {
    needs_.assign(program_.num_values(), false);
    if (options.input_gradients) {
      for (ValueId input : program_.inputs()) needs_[input] = true;
    }
    for (const Instruction& i : forward_) {
      if (i.result < 0) continue;
      bool needs =
          Trainable(i.filters) || Trainable(i.scale.parameter) || Trainable(i.threshold.parameter);
      for (const Term& term : i.terms) {
        needs = needs || needs_[term.value] || Trainable(term.coefficient.parameter);
      }
      needs_[i.result] = needs;
    }
  }

  // d(loss)/d(value) += coefficient * gradient.
  void Contribute(ValueId value, const Coefficient& coefficient, ValueId gradient) {
    if (needs_[value] && coefficient.constant != 0) {
      contributions_[value].push_back({gradient, coefficient});
    }
  }

  // The gradients of a value's views make up its own, side by side: so views
  // must tile their value, and the loss must depend on each of them.
  void JoinViews(ValueId value) {
    if (views_[value].empty()) return;
    const int64_t channels = program_.shape(value).channels;
    std::vector<ValueId> parts;
    int64_t next = 0;
    for (const auto& [first_channel, gradients] : views_[value]) {
      const int64_t count = program_.shape(gradients[0].value).channels;
      for (const Term& gradient : gradients) {
        const int64_t found = program_.shape(gradient.value).channels;
        Require(first_channel == next && found == count,
                "gradients reach channels {} to {} of a value through a view: views that tile its "
                "{} channels expected",
                first_channel, first_channel + found - 1, channels);
      }
      parts.push_back(gradients.size() == 1 ? gradients[0].value : program_.Combine(gradients));
      next += count;
    }
    Require(next == channels,
            "gradients reach the first {} of {} channels of a value through its views: all "
            "expected",
            next, channels);
    Contribute(value, {}, program_.Join(parts));
  }

  // The summed gradient of `value`; nothing when the loss ignores it.
  std::optional<ValueId> Gradient(ValueId value) {
    JoinViews(value);
    const std::vector<Term>& terms = contributions_[value];
    if (terms.empty()) return std::nullopt;
    const bool alias = terms.size() == 1 && terms[0].coefficient.IsOne();
    const ValueId gradient = alias ? terms[0].value : program_.Combine(terms);
    program_.MarkSameChannels(value, gradient);
    return gradient;
  }

  // d(loss)/d(coefficient's parameter) += <e, x> * constant.
  void ScalarGradient(const Coefficient& target, ValueId e, ValueId x) {
    if (!Trainable(target.parameter)) return;
    Instruction instruction{Opcode::kScalarGradient, {{e, {}}, {x, {}}}};
    instruction.scalar_target = target;
    program_.Append(std::move(instruction), {}, false);
  }

  void ChannelGradient(const ChannelVector& target, double constant, ChannelSum sum, ValueId e,
                       ValueId second) {
    if (!Trainable(target.parameter)) return;
    Instruction instruction{Opcode::kChannelGradient, {{e, {}}}};
    if (sum != ChannelSum::kPlain) instruction.terms.push_back({second, {}});
    instruction.channel_target = target;
    instruction.gradient_constant = constant * target.constant;
    instruction.channel_sum = sum;
    program_.Append(std::move(instruction), {}, false);
  }

  void FilterGradient(const Instruction& of, const Term& image, const Term& code) {
    if (!Trainable(of.filters)) return;
    Instruction instruction{Opcode::kFilterGradient, {image, code}};
    instruction.filters = of.filters;
    instruction.geometry = of.geometry;
    program_.Append(std::move(instruction), {}, false);
  }

  // y = F (s x) or y = F^T (s g).
  void LinearMap(const Instruction& i, ValueId dy) {
    const Term& in = i.terms[0];
    const bool analysis = i.op == Opcode::kAnalysis;
    if (analysis) {
      FilterGradient(i, in, {dy, {}});
    } else {
      FilterGradient(i, {dy, {}}, in);
    }
    if (!needs_[in.value] && !Trainable(in.coefficient.parameter)) return;
    const Shape& shape = program_.shape(in.value);
    const ValueId e = analysis
                          ? program_.Synthesis(dy, i.filters, i.geometry, shape.height, shape.width)
                          : program_.Analysis(dy, i.filters, i.geometry);
    program_.MarkSameChannels(in.value, e);
    ScalarGradient(in.coefficient, e, in.value);
    Contribute(in.value, in.coefficient, e);
  }

  // y = P_b(a u), u the sum of terms.
  void Pointwise(const Instruction& i, ValueId dy) {
    ValueId e = dy;
    if (i.shrink != Shrink::kNone) {
      e = program_.Mask(dy, i.result);
      program_.MarkSameChannels(e, i.result);
    }
    ChannelGradient(i.threshold, -1,
                    i.shrink == Shrink::kSoft ? ChannelSum::kTimesSignOfSecond : ChannelSum::kPlain,
                    e, i.result);
    if (i.scale.present()) {
      if (Trainable(i.scale.parameter)) {
        const bool single = i.terms.size() == 1 && i.terms[0].coefficient.IsOne();
        const ValueId u = single ? i.terms[0].value : program_.Combine(i.terms);
        ChannelGradient(i.scale, 1, ChannelSum::kTimesSecond, e, u);
      }
      e = program_.Pointwise({{e, {}}}, Shrink::kNone, {}, i.scale);
    }
    for (const Term& term : i.terms) {
      ScalarGradient(term.coefficient, e, term.value);
      Contribute(term.value, term.coefficient, e);
    }
  }

  void Normalise(const Instruction& i, ValueId dy) {
    Instruction sums{Opcode::kNormaliseSums, {{dy, {}}, {i.result, {}}}};
    sums.statistic = program_.AddStatistic(program_.shape(dy).channels);
    program_.Append(sums, {}, false);
    Instruction adjoint{Opcode::kNormaliseAdjoint, {{dy, {}}, {i.result, {}}}};
    adjoint.statistic = i.statistic;
    adjoint.sums_statistic = sums.statistic;
    adjoint.epsilon = i.epsilon;
    Contribute(i.terms[0].value, {}, program_.Append(std::move(adjoint), program_.shape(dy)));
  }

  // Adjoints that depend on dy and, for max-pooling, on x and y.
  void Reshaping(Opcode op, const Instruction& i, std::vector<Term> terms) {
    Instruction adjoint{op, std::move(terms)};
    adjoint.geometry = i.geometry;
    const ValueId x = i.terms[0].value;
    Contribute(x, {}, program_.Append(std::move(adjoint), program_.shape(x)));
  }

  void Backpropagate(const Instruction& i, ValueId dy) {
    switch (i.op) {
      case Opcode::kAnalysis:
      case Opcode::kSynthesis:
        return LinearMap(i, dy);
      case Opcode::kPointwise:
        return Pointwise(i, dy);
      case Opcode::kNormalise:
        return Normalise(i, dy);
      case Opcode::kJoin: {
        int64_t first_channel = 0;
        for (const Term& term : i.terms) {
          const int64_t channels = program_.shape(term.value).channels;
          if (needs_[term.value]) {
            const ValueId part = program_.View(dy, first_channel, channels);
            program_.MarkSameChannels(term.value, part);
            Contribute(term.value, {}, part);
          }
          first_channel += channels;
        }
        return;
      }
      case Opcode::kView:
        if (needs_[i.terms[0].value]) {
          views_[i.terms[0].value][i.first_channel].push_back({dy, {}});
        }
        return;
      case Opcode::kMaxPool:
        return Reshaping(Opcode::kMaxPoolAdjoint, i, {{dy, {}}, i.terms[0], {i.result, {}}});
      case Opcode::kAveragePool:
        return Reshaping(Opcode::kAveragePoolAdjoint, i, {{dy, {}}});
      case Opcode::kShortcut:
        return Reshaping(Opcode::kShortcutAdjoint, i, {{dy, {}}});
      default:
        Fail("a program with {} instructions cannot be differentiated", Name(i.op));
    }
  }

  Program& program_;
  const std::vector<Instruction> forward_;
  std::vector<bool> needs_;                       // by value: whether its gradient is wanted
  std::vector<std::vector<Term>> contributions_;  // by value
  // By value and first channel: the gradients of its views.
  std::vector<std::map<int64_t, std::vector<Term>>> views_;
};

}  // namespace

std::vector<ValueId> Differentiate(Program* program, const std::vector<Seed>& seeds,
                                   const AdjointOptions& options) {
  return Differentiator(program, options).Run(seeds);
}

}  // namespace csc
