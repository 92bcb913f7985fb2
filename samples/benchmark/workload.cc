#include "samples/benchmark/workload.h"

#include <algorithm>
#include <random>

#include "solvers/engines/byte_images.h"
#include "solvers/program/cost.h"

namespace csc {

namespace {

constexpr uint64_t kSeed = 1;
// Of 32 x 32, or as many pixels: batches up to this can be tried on any case.
constexpr int64_t kImages = 128;

// Enough for usable moments whatever the images' size.
int64_t ImagesForMoments(int64_t side) {
  return std::clamp<int64_t>(16 * 32 * 32 / (side * side), 2, 16);
}

double BytesOf(const Program& program) {
  int64_t values = 0;
  for (const Instruction& i : program.instructions()) {
    for (const Term& term : i.terms) values += program.shape(term.value).size();
    if (i.result >= 0) values += program.shape(i.result).size();
  }
  return static_cast<double>(values) * sizeof(float);
}

std::vector<float> MeasureMoments(const Workload& workload, const Engine& engine,
                                  Executor* executor) {
  if (workload.training.moments.empty()) return {};
  const int64_t batch = ImagesForMoments(workload.what.side);
  std::vector<float> statistics(workload.training.statistics_size());
  RunArguments run;
  run.batch = batch;
  run.inputs = {workload.images.data()};
  run.outputs = {nullptr};
  run.statistics = statistics.data();
  run.executor = executor;
  const auto executable = engine.Prepare(workload.training.forward, PrepareOptions());
  executable->SetParameters(workload.parameters.data());
  executable->Run(run);
  MomentSums sums(workload.training);
  sums.Add(batch, statistics.data());
  return sums.Moments();
}

}  // namespace

int64_t Workload::largest_batch() const {
  return *std::max_element(what.batches.begin(), what.batches.end());
}

Workload MakeWorkload(const Case& what, const Engine& engine, Executor* executor) {
  Workload workload;
  workload.what = what;
  const Shape input = {3, what.side, what.side};
  workload.model = MakeModel(what.model, input, kClasses);
  workload.training = BuildTrainingProgram(workload.model);
  workload.parameters = InitialParameters(workload.model, kSeed);

  const int64_t count = std::max({workload.largest_batch(), kChecked, ImagesForMoments(what.side),
                                  kImages * 32 * 32 / (what.side * what.side)});
  std::mt19937 random(kSeed);
  for (int64_t i = 0; i < count * input.size(); ++i) {
    workload.pixels.push_back(static_cast<uint8_t>(random() >> 24));
    workload.images.push_back(Brightness(workload.pixels.back(), kWhite));
  }
  for (int64_t i = 0; i < count; ++i) workload.labels.push_back(i % kClasses);

  if (what.phase == Phase::kInference) {
    workload.network = Freeze(workload.model, workload.training, workload.parameters,
                              MeasureMoments(workload, engine, executor));
    workload.program = BuildProgram(workload.network, input);
  } else {
    workload.program = workload.training.program;
  }
  workload.flops = static_cast<double>(CostOf(workload.program).linear_flops);
  workload.bytes = BytesOf(workload.program);
  return workload;
}

}  // namespace csc
