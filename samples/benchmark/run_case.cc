#include "samples/benchmark/run_case.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <opencv2/dnn.hpp>
#include <optional>

#include "layers/csc_opencv.h"
#include "samples/benchmark/machine.h"
#include "samples/benchmark/neighbours.h"
#include "samples/benchmark/training_step.h"
#include "solvers/error.h"
#include "training/onnx/onnx_file.h"

namespace csc {

namespace {

// Of the largest score. The same engine ran, so little more than the order of
// sums over tiles may differ; but OpenCV computes the layered export's dense layer
// itself, in float32.
double ToleranceOf(Arithmetic arithmetic) {
  const bool rounds = arithmetic == Arithmetic::kBfloat16 || arithmetic == Arithmetic::kTf32;
  return rounds ? 1e-2 : 1e-3;
}

// Reserves memory for a batch step by step, to see what it grows with. The
// executable has its parameters and has not run.
Workspace Reserve(Executable* executable, int64_t batch, int threads) {
  const int64_t half = batch / 2;
  Workspace workspace;
  workspace.fixed = executable->WorkspaceBytes();
  int64_t half_bytes = 0;
  if (half > 0) {
    executable->Reserve(half, 1);
    half_bytes = executable->WorkspaceBytes();
  }
  executable->Reserve(batch, 1);
  const int64_t serial_bytes = executable->WorkspaceBytes();
  executable->Reserve(batch, threads);
  workspace.total = executable->WorkspaceBytes();
  if (half > 0) workspace.per_image = (serial_bytes - half_bytes) / (batch - half);
  if (threads > 1) workspace.per_thread = (workspace.total - serial_bytes) / (threads - 1);
  return workspace;
}

// The engine's answer to images of a workload.
class EngineInference {
 public:
  EngineInference(const Workload& workload, Executable* executable, Executor* executor)
      : workload_(workload), executable_(executable), executor_(executor) {}

  void Run(int64_t batch) {
    scores_.resize(batch * kClasses);
    RunArguments run;
    run.batch = batch;
    run.inputs = {workload_.images.data()};
    run.outputs = {scores_.data()};
    run.executor = executor_;
    executable_->Run(run);
  }
  const std::vector<float>& scores() const { return scores_; }

 private:
  const Workload& workload_;
  Executable* const executable_;
  Executor* const executor_;
  std::vector<float> scores_;
};

// An export of a workload's network, read by OpenCV with the plugin.
class OpenCvInference {
 public:
  OpenCvInference(const Workload& workload, const std::string& form, const std::string& scratch)
      : workload_(workload) {
    const std::string path = scratch + "/" + form + ".onnx";
    WriteOnnx(workload.network, workload.model.input, ParseOnnxForm(form), path);
    net_ = cv::dnn::readNetFromONNX(path);
  }

  void Run(int64_t batch) {
    const Shape& shape = workload_.model.input;
    const int sizes[] = {static_cast<int>(batch), static_cast<int>(shape.channels),
                         static_cast<int>(shape.height), static_cast<int>(shape.width)};
    // Only read: the Mat is a view of the images.
    net_.setInput(cv::Mat(4, sizes, CV_32F, const_cast<float*>(workload_.images.data())));
    output_ = net_.forward();
  }
  const float* scores() const { return output_.ptr<float>(); }

 private:
  const Workload& workload_;
  cv::dnn::Net net_;
  cv::Mat output_;
};

// The plugin's layers run on this engine with this arithmetic from now on.
void DirectPlugin(const Engine& engine, Arithmetic arithmetic, int threads) {
  if (csc_register_layers() != 0 || csc_set_engine(engine.name().c_str()) != 0) {
    Fail("{}", csc_last_error());
  }
  setenv("CSC_ARITHMETIC", Name(arithmetic), /*overwrite=*/1);
  cv::setNumThreads(threads);
}

// Beside the processor's peak at that time, where it is the processor that works: a GPU
// would go on with a training step meanwhile, which would then seem to take no time.
Timing MeasureBesidePeak(const std::string& engine, double seconds, int threads,
                         const std::function<void()>& work) {
  if (engine == "cuda") return Measure(seconds, work);
  constexpr double kSeconds = 0.03;  // some ten windows
  return Measure(seconds, work, [&] { return PresentFlops(threads, kSeconds); });
}

Timing MeasureBesidePeak(const Runner& runner, const RunOptions& options,
                         const std::function<void()>& work) {
  return MeasureBesidePeak(runner.program, options.seconds, options.threads, work);
}

// Where the time of an image goes, in further runs; nothing if the engine keeps no
// times.
std::optional<Times> TimesOf(const Executable& executable, double seconds, const Result& result,
                             const std::function<void()>& work) {
  if (executable.times() == nullptr) return std::nullopt;
  const int runs = std::max(3, static_cast<int>(seconds / result.timing.median_seconds));
  const Times before = *executable.times();
  for (int run = 0; run < runs; ++run) work();
  Times times = *executable.times();
  for (double Times::*kind : kTimesKinds) {
    times.*kind = (times.*kind - before.*kind) / (static_cast<double>(runs) * result.batch);
  }
  return times;
}

std::vector<Result> RunInference(const Workload& workload, int64_t batch, Executable* executable,
                                 Arithmetic arithmetic, const Runner& runner,
                                 const RunOptions& options) {
  executable->SetParameters(FlattenParameters(workload.network).data());
  const Workspace workspace = Reserve(executable, batch, options.threads);
  EngineInference direct(workload, executable, options.executor);
  direct.Run(batch);
  std::vector<Result> results;
  for (const std::string& path : options.paths) {
    Result result = MakeResult(workload, batch, runner);
    result.runner.form = path;
    if (path == kEnginePath) {
      result.workspace = workspace;
      result.timing = MeasureBesidePeak(runner, options, [&] { direct.Run(batch); });
      result.times = TimesOf(*executable, options.seconds, result, [&] { direct.Run(batch); });
    } else {
      OpenCvInference net(workload, path, options.scratch);
      result.timing = MeasureBesidePeak(runner, options, [&] { net.Run(batch); });
      RequireAgreement("Net::forward on the " + path + " export", net.scores(), direct.scores(),
                       ToleranceOf(arithmetic));
    }
    results.push_back(std::move(result));
  }
  return results;
}

Result RunTraining(const Workload& workload, int64_t batch, Executable* executable,
                   const Runner& runner, const RunOptions& options) {
  executable->SetParameters(workload.parameters.data());
  Result result = MakeResult(workload, batch, runner);
  result.workspace = Reserve(executable, batch, options.threads);
  TrainingStep step(workload, executable, options.executor, batch);
  result.timing = MeasureBesidePeak(runner, options, [&] { step.Step(); });
  result.times = TimesOf(*executable, options.seconds, result, [&] { step.Step(); });
  return result;
}

// With that arithmetic; the rest as the environment says.
PrepareOptions OptionsOf(Arithmetic arithmetic, bool keep_times = false) {
  PrepareOptions options = ChosenOptions();
  options.arithmetic = arithmetic;
  options.keep_times = keep_times;
  return options;
}

}  // namespace

Result MakeResult(const Workload& workload, int64_t batch, const Runner& runner) {
  Result result;
  result.network = NetworkName(workload.what.model);
  result.phase = workload.what.phase;
  result.side = workload.what.side;
  result.batch = batch;
  result.unfolding = *workload.model.options.unfolding;
  result.depth = *workload.model.options.depth;
  result.runner = runner;
  result.flops = workload.flops;
  result.bytes = workload.bytes;
  return result;
}

void RequireAgreement(const std::string& who, const float* found,
                      const std::vector<float>& expected, double tolerance) {
  double largest = 0, difference = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    largest = std::max<double>(largest, std::abs(expected[i]));
    const double own = std::abs(static_cast<double>(found[i]) - expected[i]);
    difference = std::isnan(own) ? INFINITY : std::max(difference, own);
  }
  Require(difference <= tolerance * largest,
          "{}: results differ from the engine's by {:.2g} where the largest is {:.2g}", who,
          difference, largest);
}

std::vector<Result> RunCase(const Workload& workload, const Engine& engine, Arithmetic arithmetic,
                            const RunOptions& options) {
  const Runner runner = {engine.name(), Name(arithmetic), kEnginePath};
  if (workload.what.phase == Phase::kInference) DirectPlugin(engine, arithmetic, options.threads);
  std::vector<Result> results;
  for (int64_t batch : workload.what.batches) {
    // Prepared anew for each batch: no memory of an earlier one counts.
    std::unique_ptr<Executable> executable;
    try {
      executable = engine.Prepare(workload.program, OptionsOf(arithmetic, options.times));
    } catch (const EngineDeclined& reason) {
      results.push_back(MakeResult(workload, batch, runner));
      results.back().declined = reason.what();
      return results;
    }
    try {
      if (workload.what.phase == Phase::kTraining) {
        results.push_back(RunTraining(workload, batch, executable.get(), runner, options));
        continue;
      }
      for (Result& result :
           RunInference(workload, batch, executable.get(), arithmetic, runner, options)) {
        results.push_back(std::move(result));
      }
    } catch (const EngineDeclined& reason) {  // this batch: there is no memory for it
      results.push_back(MakeResult(workload, batch, runner));
      results.back().declined = reason.what();
    }
  }
  return results;
}

std::function<Timing(double)> Repeatable(const Workload& workload, const Engine& engine,
                                         Arithmetic arithmetic, int64_t batch,
                                         const RunOptions& options) {
  const std::shared_ptr<Executable> executable =
      engine.Prepare(workload.program, OptionsOf(arithmetic));
  std::function<void()> work;
  if (workload.what.phase == Phase::kTraining) {
    executable->SetParameters(workload.parameters.data());
    const auto step =
        std::make_shared<TrainingStep>(workload, executable.get(), options.executor, batch);
    work = [step] { step->Step(); };
  } else {
    executable->SetParameters(FlattenParameters(workload.network).data());
    const auto direct =
        std::make_shared<EngineInference>(workload, executable.get(), options.executor);
    work = [direct, batch] { direct->Run(batch); };
  }
  return [executable, work, name = engine.name(), threads = options.threads](double seconds) {
    return MeasureBesidePeak(name, seconds, threads, work);
  };
}

NeighbourResult RunBesideNeighbours(const Workload& workload, const Engine& engine,
                                    Arithmetic arithmetic, int count, const RunOptions& options) {
  const auto executable = engine.Prepare(workload.program, OptionsOf(arithmetic));
  executable->SetParameters(FlattenParameters(workload.network).data());
  executable->Reserve(1, options.threads);
  EngineInference direct(workload, executable.get(), options.executor);
  NeighbourResult result = {
      NetworkName(workload.what.model), {engine.name(), Name(arithmetic), kEnginePath}, count};
  result.idle = Measure(options.seconds, [&] { direct.Run(1); });
  const Neighbours neighbours(count, options.threads);
  result.busy = Measure(options.seconds, [&] { direct.Run(1); });
  return result;
}

}  // namespace csc
