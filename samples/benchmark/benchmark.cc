// Times the paper's networks on this machine, as a share of what it can do at
// most and against other programs.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <memory>
#include <opencv2/core/utils/logger.hpp>

#include "samples/benchmark/in_turns.h"
#include "samples/benchmark/json_report.h"
#include "samples/benchmark/machine.h"
#include "samples/benchmark/neighbours.h"
#include "samples/benchmark/options.h"
#include "samples/benchmark/pictures.h"
#include "samples/benchmark/rival.h"
#include "samples/benchmark/run_case.h"
#include "samples/benchmark/scratch.h"
#include "samples/benchmark/table.h"
#include "samples/benchmark/workload.h"
#include "solvers/engines/registry.h"
#include "solvers/error.h"
#include "tools/cpp/runfiles/runfiles.h"
#include "training/command_line.h"
#include "training/file.h"

namespace csc {

namespace {

using bazel::tools::cpp::runfiles::Runfiles;

// Those named; else the one that CSC_ENGINE names; else every one present but
// the reference, which would take minutes an image and is never fast.
std::vector<const Engine*> ChosenEngines(const std::vector<std::string>& names) {
  std::vector<const Engine*> engines;
  for (const std::string& name : names) engines.push_back(&FindEngine(name));
  const char* chosen = std::getenv("CSC_ENGINE");
  if (engines.empty() && chosen != nullptr && *chosen != 0) engines.push_back(&FindEngine());
  if (!engines.empty()) return engines;
  for (const EngineInfo& info : KnownEngines()) {
    if (info.present && info.name != "reference") engines.push_back(&FindEngine(info.name));
  }
  return engines;
}

std::string Describe(const Engine& engine) {
  for (const EngineInfo& info : KnownEngines()) {
    if (info.name == engine.name()) return fmt::format("{} ({})", info.name, info.detail);
  }
  return engine.name();
}

// Those named; else what CSC_ARITHMETIC names, else the default.
std::vector<Arithmetic> ChosenArithmetics(const std::vector<std::string>& names) {
  if (names.empty()) return {ChosenOptions().arithmetic};
  std::vector<Arithmetic> arithmetics;
  for (const std::string& name : names) arithmetics.push_back(ArithmeticByName(name));
  return arithmetics;
}

// Where a rival's script lies: beside this program, as Bazel puts it there.
std::string ScriptOf(const std::string& rival, const std::string& program) {
  std::string error;
  const std::unique_ptr<Runfiles> runfiles(Runfiles::Create(program, &error));
  Require(runfiles != nullptr, "the scripts of --compare are not found: {}", error);
  return runfiles->Rlocation("csc_dnn/samples/benchmark/rivals/" + rival + "_rival.py");
}

// Rivals have one float32, whatever its algorithm.
std::vector<std::string> RivalArithmetics(const std::vector<Arithmetic>& arithmetics) {
  std::vector<std::string> names;
  for (Arithmetic arithmetic : arithmetics) {
    const std::string name =
        Name(arithmetic == Arithmetic::kDirect ? Arithmetic::kFloat32 : arithmetic);
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return names;
}

std::vector<std::unique_ptr<Rival>> StartRivals(const Options& options, const std::string& program,
                                                const Engine& engine,
                                                const std::vector<Arithmetic>& arithmetics) {
  std::string device = options.rival_device;
  if (device.empty()) device = engine.name() == "cuda" ? "cuda" : "cpu";
  std::vector<std::unique_ptr<Rival>> rivals;
  for (const std::string& name : options.rivals) {
    rivals.push_back(std::make_unique<Rival>(
        name,
        RivalOptions{options.python, ScriptOf(name, program), options.threads, options.seconds,
                     options.rival_batches, device, RivalArithmetics(arithmetics)}));
  }
  return rivals;
}

RunOptions RunOptionsOf(const Options& options, Executor* executor, const std::string& scratch) {
  RunOptions run = {options.paths, options.seconds, options.threads,
                    executor,      scratch,         options.times};
  if (run.paths.empty()) {
    run.paths = {kEnginePath};
    if (options.suite == "quick" || options.suite == "smoke") {
      run.paths = {kEnginePath, kFusedPath, kLayeredPath};
    }
  }
  return run;
}

void MeasureCase(const Case& one, const Options& options, const RunOptions& run,
                 const std::vector<const Engine*>& engines,
                 const std::vector<Arithmetic>& arithmetics,
                 const std::vector<std::unique_ptr<Rival>>& rivals, Report* report) {
  const Workload workload = MakeWorkload(one, *engines.at(0), run.executor);
  const auto add = [&](std::vector<Result> results) {
    for (Result& r : results) report->results.push_back(std::move(r));
  };
  for (const Engine* engine : engines) {
    for (Arithmetic arithmetic : arithmetics) {
      add(RunCase(workload, *engine, arithmetic, run));
      if (options.neighbours > 0 && one.phase == Phase::kInference &&
          report->results.back().measured()) {
        report->neighbours.push_back(
            RunBesideNeighbours(workload, *engine, arithmetic, options.neighbours, run));
      }
    }
  }
  for (const auto& rival : rivals) {
    add(rival->Run(workload, *engines.at(0), run.executor, run.scratch));
  }
  for (const Engine* engine : engines) {
    for (Arithmetic arithmetic : arithmetics) {
      MeasureInTurns(workload, *engine, arithmetic, rivals, run, &report->results);
    }
  }
}

// The machine's limits are measured before and after: the better one counts.
void MeasureMachine(double seconds, Report* report) {
  report->peak = std::max(report->peak, PeakFlops(report->threads, seconds / 2));
  report->bfloat16_peak =
      std::max(report->bfloat16_peak, PeakBfloat16Flops(report->threads, seconds / 2));
  report->bandwidth = std::max(report->bandwidth, MemoryBandwidth(report->threads, seconds / 2));
}

int Run(const CLI::App& app, const Options& options, const std::string& program) {
  if (options.be_a_neighbour > 0) {
    BeANeighbour(options.be_a_neighbour);
    return 0;
  }
  // What OpenCV has to say arrives as an exception as well.
  cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
  const std::vector<Case> cases = SelectedCases(app, options);
  const std::vector<const Engine*> engines = ChosenEngines(options.engines);
  // Before the OpenCV paths set CSC_ARITHMETIC.
  const std::vector<Arithmetic> arithmetics = ChosenArithmetics(options.arithmetics);
  const auto rivals = StartRivals(options, program, *engines.at(0), arithmetics);

  Report report;
  report.processor = ProcessorName();
  report.instructions = VectorInstructions();
  report.threads = options.threads;
  for (const Engine* engine : engines) report.engines.push_back(Describe(*engine));
  for (const auto& rival : rivals) report.rivals.push_back(rival->description());
  MeasureMachine(options.seconds, &report);

  const ScratchFolder scratch;
  const auto executor = MakeThreadPool(options.threads);
  const RunOptions run = RunOptionsOf(options, executor.get(), scratch.path());
  for (size_t i = 0; i < cases.size(); ++i) {
    PrintError(fmt::format("[{}/{}] {}, {}, {} x {}", i + 1, cases.size(),
                           NetworkName(cases[i].model), Name(cases[i].phase), cases[i].side,
                           cases[i].side));
    MeasureCase(cases[i], options, run, engines, arithmetics, rivals, &report);
  }
  MeasureMachine(options.seconds, &report);

  if (options.json == "-") {
    fmt::print("{}", JsonText(report));
  } else {
    fmt::print("{}{}", MachineText(report), TablesText(report));
    if (!options.json.empty()) WriteFile(options.json, JsonText(report));
  }
  if (!options.pictures.empty()) {
    for (const std::string& path : DrawPictures(report, options.pictures)) {
      PrintError(fmt::format("drew {}", path));
    }
  }
  return 0;
}

}  // namespace

}  // namespace csc

int main(int argc, char** argv) {
  csc::Options options;
  CLI::App app(
      "Times the paper's networks, with the parameters that training starts from, on this "
      "machine.\n"
      "Rates count the multiply-adds of all convolutions in their direct form, twice, whatever\n"
      "an engine does instead; the share is of the fused multiply-adds that the same threads "
      "reach\n"
      "on registers, measured before and after. README.md beside the source says more.\n",
      "benchmark");
  app.footer(
      "Examples:\n"
      "  benchmark --batch 1,128\n"
      "  benchmark --suite training --json training.json\n"
      "  benchmark --suite batch --arithmetic direct,float32,bf16 --pictures pictures\n"
      "  benchmark --compare pytorch,onnxruntime,opencv --python VENV/bin/python3\n"
      "  benchmark --batch 1,128 --path engine --times\n"
      "  benchmark --batch 1 --neighbours 2");
  csc::AddOptions(&app, &options);
  return csc::RunProgram(&app, argc, argv, [&] { return csc::Run(app, options, argv[0]); });
}
