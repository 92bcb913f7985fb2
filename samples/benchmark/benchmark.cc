// Times an MSD-CSC network on this machine, through OpenCV and directly on an
// engine, as a share of what the machine can do at most.

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/dnn.hpp>
#include <random>
#include <string>
#include <vector>

#include "layers/csc_opencv.h"
#include "samples/benchmark/machine.h"
#include "samples/benchmark/measure.h"
#include "samples/benchmark/msd_network.h"
#include "solvers/engines/registry.h"
#include "solvers/error.h"
#include "solvers/executor.h"
#include "solvers/program/cost.h"
#include "training/onnx/onnx_file.h"

namespace csc {

namespace {

struct Options {
  MsdOptions network;
  std::vector<int64_t> batches = {1, 8, 32, 128};
  std::string engine;
  int threads = NumAvailableCpus();
  double seconds = 2;
  bool json = false;
};

struct Result {
  std::string path;
  int64_t batch;
  Timing timing;

  double ImageMs(double seconds) const { return 1e3 * seconds / batch; }
};

Options ParseOptions(int argc, char** argv) {
  Options options;
  CLI::App app(
      "Times an MSD-CSC network of the paper's layout, with random filters, through OpenCV's\n"
      "Net::forward and directly on an engine. Rates count the multiply-adds of all convolutions\n"
      "in their direct form, twice; the share is of the fused multiply-adds that the same threads\n"
      "reach on registers, measured before and after.\n");
  app.footer(
      "Example:\n  benchmark --depth 12 --width 32 --unfolding 2 --batch 1,128 --engine onednn");
  app.add_option("--depth", options.network.depth, "Layers")->capture_default_str();
  app.add_option("--width", options.network.width, "Filters a layer")->capture_default_str();
  app.add_option("--unfolding", options.network.unfolding, "Iterations a layer after the first")
      ->capture_default_str();
  app.add_option("--algorithm", options.network.algorithm, "ista or fista")
      ->check(CLI::IsMember({"ista", "fista"}))
      ->capture_default_str();
  app.add_option("--size", options.network.input.height, "Height and width of the images")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  app.add_option("--batch", options.batches, "Images a run, separated by commas")
      ->delimiter(',')
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  app.add_option("--engine", options.engine,
                 "Engine to use (default: CSC_ENGINE, else the best present)");
  app.add_option("--threads", options.threads, "Threads (default: the cores this process may use)")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--seconds", options.seconds, "Time spent on each measurement, at least")
      ->capture_default_str();
  app.add_flag("--json", options.json, "Print JSON instead of tables");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
  options.network.input.width = options.network.input.height;
  return options;
}

// A file of this process that goes when the object goes.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& suffix)
      : path_(std::filesystem::temp_directory_path() /
              fmt::format("csc-benchmark-{}{}", getpid(), suffix)) {}
  ~TemporaryFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

cv::Mat RandomImages(int64_t batch, const Shape& shape) {
  const int sizes[] = {static_cast<int>(batch), static_cast<int>(shape.channels),
                       static_cast<int>(shape.height), static_cast<int>(shape.width)};
  cv::Mat images(4, sizes, CV_32F);
  std::mt19937 random(7);
  std::uniform_real_distribution<float> uniform(0, 1);
  for (int64_t i = 0; i < batch * shape.size(); ++i) images.ptr<float>()[i] = uniform(random);
  return images;
}

// Both ways must compute the same, or the comparison means nothing.
void RequireAgreement(const cv::Mat& scores, const std::vector<float>& expected) {
  double largest = 0, difference = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    largest = std::max<double>(largest, std::abs(expected[i]));
    difference = std::max<double>(difference, std::abs(expected[i] - scores.ptr<float>()[i]));
  }
  Require(difference <= 1e-3 * largest,
          "OpenCV's scores differ from the engine's by {:.2g} where the largest is {:.2g}",
          difference, largest);
}

nlohmann::ordered_json ToJson(const Result& result, double flops, double peak) {
  const double rate = flops * result.batch / result.timing.median_seconds;
  return {{"path", result.path},
          {"batch", result.batch},
          {"ms_per_image", result.ImageMs(result.timing.median_seconds)},
          {"best_ms_per_image", result.ImageMs(result.timing.best_seconds)},
          {"gflops_per_second", rate / 1e9},
          {"share_of_peak", rate / peak},
          {"runs", result.timing.runs}};
}

int Main(int argc, char** argv) {
  const Options options = ParseOptions(argc, argv);
  // What OpenCV has to say arrives as an exception as well.
  cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
  if (csc_register_layers() != 0 || csc_set_engine(options.engine.c_str()) != 0) {
    Fail("{}", csc_last_error());
  }
  const Engine& engine = FindEngine(options.engine);
  cv::setNumThreads(options.threads);

  const double peak_before = PeakFlops(options.threads, options.seconds / 2);
  const double bandwidth = MemoryBandwidth(options.threads, options.seconds / 2);

  const Network network = MakeMsdNetwork(options.network);
  const Program program = BuildProgram(network, options.network.input);
  const Cost cost = CostOf(program);
  const TemporaryFile file(".onnx");
  WriteOnnx(network, options.network.input, OnnxForm::kFused, file.path());
  cv::dnn::Net net = cv::dnn::readNetFromONNX(file.path());
  const auto executor = MakeThreadPool(options.threads);
  const auto executable = engine.Prepare(program);
  executable->SetParameters(FlattenParameters(network).data());

  std::vector<Result> results;
  for (int64_t batch : options.batches) {
    const cv::Mat images = RandomImages(batch, options.network.input);
    std::vector<float> scores(batch * options.network.classes);
    RunArguments run;
    run.batch = batch;
    run.inputs = {images.ptr<float>()};
    run.outputs = {scores.data()};
    run.executor = executor.get();
    executable->Reserve(batch, executor->num_workers());
    results.push_back({"engine", batch, Measure(options.seconds, [&] { executable->Run(run); })});

    cv::Mat output;
    results.push_back({"Net::forward", batch, Measure(options.seconds, [&] {
                         net.setInput(images);
                         output = net.forward();
                       })});
    RequireAgreement(output, scores);
  }
  const double peak = std::max(peak_before, PeakFlops(options.threads, options.seconds / 2));
  const double flops = static_cast<double>(cost.linear_flops);

  if (options.json) {
    nlohmann::ordered_json json = {{"processor", ProcessorName()},
                                   {"instructions", VectorInstructions()},
                                   {"threads", options.threads},
                                   {"peak_gflops_per_second", peak / 1e9},
                                   {"memory_gb_per_second", bandwidth / 1e9},
                                   {"engine", engine.name()},
                                   {"depth", options.network.depth},
                                   {"width", options.network.width},
                                   {"unfolding", options.network.unfolding},
                                   {"algorithm", options.network.algorithm},
                                   {"input", ToString(options.network.input)},
                                   {"gflop_per_image", flops / 1e9},
                                   {"convolutions_per_image", cost.convolutions}};
    for (const Result& result : results) json["results"].push_back(ToJson(result, flops, peak));
    fmt::print("{}\n", json.dump(2));
    return 0;
  }
  fmt::print("{}, {} thread{}, {}: {:.1f} GFLOP/s peak, {:.1f} GB/s memory\n", ProcessorName(),
             options.threads, options.threads == 1 ? "" : "s", VectorInstructions(), peak / 1e9,
             bandwidth / 1e9);
  fmt::print("MSD-CSC d = {}, w = {}, u = {}, {}, input {}: {:.3f} GFLOP an image\n",
             options.network.depth, options.network.width, options.network.unfolding,
             options.network.algorithm, ToString(options.network.input), flops / 1e9);
  fmt::print("engine {}\n\n", engine.name());
  fmt::print("{:<14}{:>6}{:>12}{:>12}{:>12}{:>10}{:>7}\n", "path", "batch", "ms/image", "best",
             "GFLOP/s", "of peak", "runs");
  for (const Result& result : results) {
    const double rate = flops * result.batch / result.timing.median_seconds;
    fmt::print("{:<14}{:>6}{:>12.3f}{:>12.3f}{:>12.1f}{:>9.1f}%{:>7}\n", result.path, result.batch,
               result.ImageMs(result.timing.median_seconds),
               result.ImageMs(result.timing.best_seconds), rate / 1e9, 100 * rate / peak,
               result.timing.runs);
  }
  return 0;
}

}  // namespace

}  // namespace csc

int main(int argc, char** argv) {
  try {
    return csc::Main(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "benchmark: {}\n", error.what());
    return 1;
  }
}
