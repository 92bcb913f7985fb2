#include "solvers/algorithms/lasso.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "solvers/error.h"
#include "solvers/program/cost.h"
#include "solvers/program/program.h"

namespace csc {

namespace {

// What one worker needs to solve one image at a time.
struct Worker {
  std::unique_ptr<Executable> start;      // x -> S(step F x)
  std::unique_ptr<Executable> iterate;    // x, z -> S(z - step F (F^T z - x))
  std::unique_ptr<Executable> synthesis;  // g -> F^T g
  std::vector<float> code, next, extrapolated, image;
};

double SquaredNorm(const std::vector<float>& v) {
  double sum = 0;
  for (float value : v) sum += double{value} * value;
  return sum;
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
  std::vector<Worker> workers;

  void BuildPrograms(const Tensor& filters);
  void PrepareWorkers(int count);
  void SolveImage(const float* x, Worker* worker, float* code, float* iterations,
                  float* objective) const;
  double Objective(const float* x, Worker* worker) const;
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

void LassoSolver::State::PrepareWorkers(int count) {
  const auto prepare = [&](const Program& program, const std::vector<float>& parameters) {
    std::unique_ptr<Executable> executable = engine->Prepare(program);
    executable->SetParameters(parameters.data());
    executable->Reserve(1, 1);
    return executable;
  };
  while (static_cast<int>(workers.size()) < count) {
    Worker worker;
    worker.start = prepare(start, start_parameters);
    worker.iterate = prepare(iterate, start_parameters);
    worker.synthesis = prepare(synthesis, synthesis_parameters);
    worker.code.resize(output.size());
    worker.next.resize(output.size());
    worker.extrapolated.resize(output.size());
    worker.image.resize(input.size());
    workers.push_back(std::move(worker));
  }
}

double LassoSolver::State::Objective(const float* x, Worker* worker) const {
  RunArguments arguments;
  arguments.batch = 1;
  arguments.inputs = {worker->code.data()};
  arguments.outputs = {worker->image.data()};
  worker->synthesis->Run(arguments);
  double squares = 0;
  for (size_t i = 0; i < worker->image.size(); ++i) {
    const double difference = double{x[i]} - worker->image[i];
    squares += difference * difference;
  }
  double penalty = 0;
  const int64_t positions = output.height * output.width;
  for (size_t i = 0; i < worker->code.size(); ++i) {
    penalty += double{beta[i / positions]} * std::abs(worker->code[i]);
  }
  return squares / 2 + penalty;
}

void LassoSolver::State::SolveImage(const float* x, Worker* worker, float* code, float* iterations,
                                    float* objective) const {
  RunArguments first;
  first.batch = 1;
  first.inputs = {x};
  first.outputs = {worker->code.data()};
  worker->start->Run(first);
  worker->extrapolated = worker->code;

  double t = 1;
  int used = 0;
  while (used < options.max_iterations) {
    RunArguments arguments;
    arguments.batch = 1;
    arguments.inputs = {x, worker->extrapolated.data()};
    arguments.outputs = {worker->next.data()};
    worker->iterate->Run(arguments);
    ++used;

    // z = g^{k+1} + ((t_{k+1} - 1) / t_{k+2}) (g^{k+1} - g^k); the step that
    // just ended was the k-th.
    t = (1 + std::sqrt(1 + 4 * t * t)) / 2;
    const double following = (1 + std::sqrt(1 + 4 * t * t)) / 2;
    const float factor =
        options.algorithm == Algorithm::kFista ? static_cast<float>((t - 1) / following) : 0.0f;
    double change = 0;
    for (size_t i = 0; i < worker->next.size(); ++i) {
      const float difference = worker->next[i] - worker->code[i];
      change += double{difference} * difference;
      worker->extrapolated[i] = worker->next[i] + factor * difference;
    }
    worker->code.swap(worker->next);
    const double norm = std::sqrt(SquaredNorm(worker->code));
    if (options.tolerance > 0 && std::sqrt(change) / std::max(1.0, norm) <= options.tolerance) {
      break;
    }
  }
  std::copy(worker->code.begin(), worker->code.end(), code);
  if (iterations != nullptr) *iterations = static_cast<float>(used);
  if (objective != nullptr) {
    *objective = static_cast<float>(Objective(x, worker));
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
    state_->step = bound > 0 ? 1 / bound : 1;  // F = 0: any step gives g = 0
  }
  state_->BuildPrograms(filters);
}

LassoSolver::~LassoSolver() = default;

void LassoSolver::Solve(const float* x, int64_t batch, Executor* executor, float* codes,
                        float* iterations, float* objectives) {
  SerialExecutor serial;
  if (executor == nullptr) executor = &serial;
  State& state = *state_;
  state.PrepareWorkers(static_cast<int>(std::min<int64_t>(batch, executor->num_workers())));
  // Workers of the pool are lent to images by index modulo their number.
  const int64_t count = static_cast<int64_t>(state.workers.size());
  executor->ParallelFor(count, [&](int64_t worker, int) {
    for (int64_t n = worker; n < batch; n += count) {
      state.SolveImage(x + n * state.input.size(), &state.workers[worker],
                       codes + n * state.output.size(), iterations ? iterations + n : nullptr,
                       objectives ? objectives + n : nullptr);
    }
  });
}

Shape LassoSolver::output_shape() const { return state_->output; }

double LassoSolver::step() const { return state_->step; }

int64_t LassoSolver::iteration_flops() const { return CostOf(state_->iterate).flops(); }

}  // namespace csc
