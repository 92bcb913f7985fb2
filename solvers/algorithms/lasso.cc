#include "solvers/algorithms/lasso.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "solvers/error.h"
#include "solvers/program/cost.h"
#include "solvers/program/program.h"

namespace csc {

namespace {

// Sums over a code are those of its chunks, added in order, whoever made them.
constexpr int64_t kChunk = 1 << 14;

struct Sums {
  double change = 0;  // ||g^{k+1} - g^k||^2
  double norm = 0;    // ||g^{k+1}||^2
};

// What one image at a time is solved with.
struct Scratch {
  std::unique_ptr<Executable> start;      // x -> S(step F x)
  std::unique_ptr<Executable> iterate;    // x, z -> S(z - step F (F^T z - x))
  std::unique_ptr<Executable> synthesis;  // g -> F^T g
  std::vector<float> code, next, extrapolated, image;
  std::vector<Sums> sums;  // by chunk
};

// z = g^{k+1} + factor (g^{k+1} - g^k), and what the iterates' change amounts to.
Sums Extrapolate(float factor, Scratch* scratch, Executor* executor) {
  const int64_t size = static_cast<int64_t>(scratch->code.size());
  executor->ParallelFor(static_cast<int64_t>(scratch->sums.size()), [&](int64_t chunk, int) {
    Sums sums;
    const int64_t end = std::min(size, (chunk + 1) * kChunk);
    for (int64_t i = chunk * kChunk; i < end; ++i) {
      const float next = scratch->next[i];
      const float difference = next - scratch->code[i];
      sums.change += double{difference} * difference;
      sums.norm += double{next} * next;
      scratch->extrapolated[i] = next + factor * difference;
    }
    scratch->sums[chunk] = sums;
  });
  Sums total;
  for (const Sums& sums : scratch->sums) {
    total.change += sums.change;
    total.norm += sums.norm;
  }
  return total;
}

}  // namespace

struct LassoSolver::State {
  const Engine* engine;
  LassoOptions options;
  Shape input, output;
  double step = 0;
  std::vector<float> beta;  // [w]
  Program start, iterate, synthesis;
  std::vector<float> start_parameters;      // F, step * beta
  std::vector<float> synthesis_parameters;  // F
  std::vector<Scratch> scratch;             // by image that is solved at a time

  void BuildPrograms(const Tensor& filters);
  // For so many images at a time, each by so many workers.
  void Reserve(int images, int workers);
  void SolveImage(const float* x, Executor* executor, Scratch* scratch, float* code,
                  float* iterations, float* objective) const;
  double Objective(const float* x, Executor* executor, Scratch* scratch) const;
};

void LassoSolver::State::BuildPrograms(const Tensor& filters) {
  const Shrink shrink = options.nonnegative ? Shrink::kNonnegative : Shrink::kSoft;
  const int64_t w = filters.dims[0];
  const auto add_parameters = [&](Program* program) {
    program->AddParameter("F", filters.dims);
    program->AddParameter("threshold", {w});
  };
  const ChannelVector threshold = {1, 0, w};

  add_parameters(&start);
  {
    const ValueId x = start.AddInput(input);
    const ValueId analysis = start.Analysis(x, 0, options.geometry, {step});
    start.MarkOutput(start.Pointwise({{analysis, {}}}, shrink, threshold));
    output = start.shape(analysis);
  }
  add_parameters(&iterate);
  {
    const ValueId x = iterate.AddInput(input);
    const ValueId z = iterate.AddInput(output);
    const ValueId estimate = iterate.Synthesis(z, 0, options.geometry, input.height, input.width);
    const ValueId residual = iterate.Combine({{estimate, {}}, {x, {-1}}});
    const ValueId correction = iterate.Analysis(residual, 0, options.geometry, {step});
    iterate.MarkOutput(iterate.Pointwise({{z, {}}, {correction, {-1}}}, shrink, threshold));
  }
  synthesis.AddParameter("F", filters.dims);
  synthesis.MarkOutput(synthesis.Synthesis(synthesis.AddInput(output), 0, options.geometry,
                                           input.height, input.width));
  synthesis_parameters = filters.data;
  start_parameters = filters.data;
  for (float b : beta) {
    start_parameters.push_back(static_cast<float>(step * b));
  }
}

void LassoSolver::State::Reserve(int images, int workers) {
  const auto prepare = [&](const Program& program, const std::vector<float>& parameters) {
    std::unique_ptr<Executable> executable = engine->Prepare(program);
    executable->SetParameters(parameters.data());
    return executable;
  };
  while (static_cast<int>(scratch.size()) < images) {
    Scratch one;
    one.start = prepare(start, start_parameters);
    one.iterate = prepare(iterate, start_parameters);
    one.synthesis = prepare(synthesis, synthesis_parameters);
    one.code.resize(output.size());
    one.next.resize(output.size());
    one.extrapolated.resize(output.size());
    one.image.resize(input.size());
    one.sums.resize((output.size() + kChunk - 1) / kChunk);
    scratch.push_back(std::move(one));
  }
  for (int i = 0; i < images; ++i) {
    for (const auto& executable : {&scratch[i].start, &scratch[i].iterate, &scratch[i].synthesis}) {
      (*executable)->Reserve(1, workers);
    }
  }
}

double LassoSolver::State::Objective(const float* x, Executor* executor, Scratch* scratch) const {
  RunArguments arguments;
  arguments.batch = 1;
  arguments.inputs = {scratch->code.data()};
  arguments.outputs = {scratch->image.data()};
  arguments.executor = executor;
  scratch->synthesis->Run(arguments);
  double squares = 0;
  for (size_t i = 0; i < scratch->image.size(); ++i) {
    const double difference = double{x[i]} - scratch->image[i];
    squares += difference * difference;
  }
  double penalty = 0;
  const int64_t positions = output.height * output.width;
  for (size_t i = 0; i < scratch->code.size(); ++i) {
    penalty += double{beta[i / positions]} * std::abs(scratch->code[i]);
  }
  return squares / 2 + penalty;
}

void LassoSolver::State::SolveImage(const float* x, Executor* executor, Scratch* scratch,
                                    float* code, float* iterations, float* objective) const {
  RunArguments first;
  first.batch = 1;
  first.inputs = {x};
  first.outputs = {scratch->code.data()};
  first.executor = executor;
  scratch->start->Run(first);
  scratch->extrapolated = scratch->code;

  double t = 1;
  int used = 0;
  while (used < options.max_iterations) {
    RunArguments arguments;
    arguments.batch = 1;
    arguments.inputs = {x, scratch->extrapolated.data()};
    arguments.outputs = {scratch->next.data()};
    arguments.executor = executor;
    scratch->iterate->Run(arguments);
    ++used;

    // z = g^{k+1} + ((t_{k+1} - 1) / t_{k+2}) (g^{k+1} - g^k); the step that
    // just ended was the k-th.
    t = (1 + std::sqrt(1 + 4 * t * t)) / 2;
    const double following = (1 + std::sqrt(1 + 4 * t * t)) / 2;
    const float factor =
        options.algorithm == Algorithm::kFista ? static_cast<float>((t - 1) / following) : 0.0f;
    const Sums sums = Extrapolate(factor, scratch, executor);
    scratch->code.swap(scratch->next);
    if (options.tolerance > 0 &&
        std::sqrt(sums.change) / std::max(1.0, std::sqrt(sums.norm)) <= options.tolerance) {
      break;
    }
  }
  std::copy(scratch->code.begin(), scratch->code.end(), code);
  if (iterations != nullptr) *iterations = static_cast<float>(used);
  if (objective != nullptr) {
    *objective = static_cast<float>(Objective(x, executor, scratch));
  }
}

LassoSolver::LassoSolver(const Engine& engine, const Tensor& filters, const Tensor& beta,
                         const LassoOptions& options, const Shape& input)
    : state_(std::make_unique<State>()) {
  const int64_t w = filters.dims.at(0);
  Require(beta.data.size() == 1 || static_cast<int64_t>(beta.data.size()) == w,
          "beta has {} entries: 1 or {} expected", beta.data.size(), w);
  state_->engine = &engine;
  state_->options = options;
  state_->input = input;
  state_->beta = beta.data;
  state_->beta.resize(w, beta.data[0]);
  state_->step = options.step;
  if (options.step == 0) {
    const double bound = DictionaryBound(filters, options.geometry);
    // F = 0: any step gives g = 0. Filters of 1e-20 would want a step that no float32 is.
    state_->step =
        bound > 0 ? std::min(1 / bound, double{std::numeric_limits<float>::max()}) : 1;
  }
  state_->BuildPrograms(filters);
}

LassoSolver::~LassoSolver() = default;

void LassoSolver::Solve(const float* x, int64_t batch, Executor* executor, float* codes,
                        float* iterations, float* objectives) {
  SerialExecutor serial;
  if (executor == nullptr) executor = &serial;
  State& state = *state_;
  const auto solve = [&](int64_t n, Executor* e, Scratch* scratch) {
    state.SolveImage(x + n * state.input.size(), e, scratch, codes + n * state.output.size(),
                     iterations ? iterations + n : nullptr, objectives ? objectives + n : nullptr);
  };
  const int workers = executor->num_workers();
  if (batch < workers) {  // all workers on each image
    state.Reserve(1, workers);
    for (int64_t n = 0; n < batch; ++n) solve(n, executor, &state.scratch[0]);
    return;
  }
  state.Reserve(workers, 1);
  executor->ParallelFor(workers, [&](int64_t share, int) {
    SerialExecutor alone;
    for (int64_t n = share; n < batch; n += workers) solve(n, &alone, &state.scratch[share]);
  });
}

Shape LassoSolver::output_shape() const { return state_->output; }

double LassoSolver::step() const { return state_->step; }

int64_t LassoSolver::iteration_flops() const { return CostOf(state_->iterate).flops(); }

}  // namespace csc
