// Runs a model file on two engines and shows, layer by layer, how far apart
// they are.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <limits>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <random>
#include <string>
#include <vector>

#include "samples/check/compare_engines.h"
#include "solvers/engines/registry.h"
#include "solvers/error.h"
#include "training/onnx/onnx_file.h"

namespace csc {
namespace {

struct Options {
  std::string model;
  std::string reference = "reference";
  std::string checked;
  std::vector<std::string> images;
  std::vector<int64_t> size;
  int64_t batch = 4;
  uint32_t seed = 1;
  double tolerance = kParityTolerance;
  int threads = NumAvailableCpus();
  bool exact = false;
};

constexpr int kMissed = 1;
constexpr int kTrouble = 2;

void PrintEngines() {
  for (const EngineInfo& info : KnownEngines()) {
    fmt::print("{:12} {:8} {}\n", info.name, info.present ? "present" : "absent", info.detail);
  }
}

Shape InputShape(const OnnxModel& model, const Options& options) {
  Shape shape = model.input;
  if (!options.size.empty()) {
    shape.height = options.size[0];
    shape.width = options.size[1];
  }
  Require(shape.channels > 0, "the model leaves its input's channels open");
  Require(shape.height > 0 && shape.width > 0,
          "the model leaves its input's size open: say --size HEIGHT WIDTH");
  return shape;
}

Tensor RandomImages(const Shape& shape, int64_t batch, uint32_t seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  const Dims dims = {batch, shape.channels, shape.height, shape.width};
  Tensor images{dims, std::vector<float>(NumElements(dims))};
  for (float& value : images.data) value = uniform(generator);
  return images;
}

// Pictures at the model's size, as RGB or grey values in 0..1.
Tensor ReadImages(const std::vector<std::string>& paths, const Shape& shape) {
  Require(shape.channels == 1 || shape.channels == 3,
          "the model takes {} channels: pictures have 1 or 3", shape.channels);
  Tensor images{{static_cast<int64_t>(paths.size()), shape.channels, shape.height, shape.width},
                {}};
  for (const std::string& path : paths) {
    cv::Mat picture =
        cv::imread(path, shape.channels == 1 ? cv::IMREAD_GRAYSCALE : cv::IMREAD_COLOR);
    Require(!picture.empty(), "cannot read a picture from {}", path);
    if (shape.channels == 3) cv::cvtColor(picture, picture, cv::COLOR_BGR2RGB);
    cv::resize(picture, picture, {static_cast<int>(shape.width), static_cast<int>(shape.height)}, 0,
               0, cv::INTER_AREA);
    picture.convertTo(picture, CV_32F, 1 / 255.0);
    std::vector<cv::Mat> planes;
    cv::split(picture, planes);
    for (const cv::Mat& plane : planes) {
      images.data.insert(images.data.end(), plane.ptr<float>(), plane.ptr<float>() + plane.total());
    }
  }
  return images;
}

// Prints a row and returns the difference's share of the tolerance.
double PrintRow(const Comparison& row, int64_t batch, double tolerance) {
  fmt::print("{:20} {:>16}  ", row.what, ToString(row.output));
  if (!row.declined.empty()) {
    fmt::print("declined: {}\n", row.declined);
    return HUGE_VAL;
  }
  const Difference& d = row.difference;
  const double share = d.largest == 0 ? 0 : d.largest / tolerance;
  fmt::print("{:10.3g} {:10.2g} {:10.2g} {:10.2g} {:>9.1f} %{}", d.magnitude, d.median,
             d.percentile99, d.largest, 100 * share, share <= 1 ? "" : "  MISSED");
  if (row.same_class >= 0) fmt::print("  same class {}/{}", row.same_class, batch);
  fmt::print("\n");
  return share;
}

int Check(const Options& options) {
  const OnnxModel model = ReadOnnx(options.model);
  const Engine& reference = FindEngine(options.reference);
  const Engine& checked = FindEngine(options.checked);
  const Shape shape = InputShape(model, options);
  const Tensor images = options.images.empty() ? RandomImages(shape, options.batch, options.seed)
                                               : ReadImages(options.images, shape);
  const int64_t batch = images.dims[0];
  const auto pool = MakeThreadPool(options.threads);
  CompareOptions compare;
  compare.prepare = ChosenOptions();
  if (options.exact) compare.prepare.arithmetic = Arithmetic::kDirect;
  compare.executor = pool.get();

  const auto rows = CompareEngines(model.network, images, reference, checked, compare);
  fmt::print("{} (arithmetic {}) against {}, {} images of {}, {}\n\n", checked.name(),
             Name(compare.prepare.arithmetic), reference.name(), batch, ToString(shape),
             options.images.empty() ? fmt::format("random with seed {}", options.seed) : "read");
  fmt::print("{:20} {:>16}  {:>10} {:>10} {:>10} {:>10} {:>11}\n", "layer", "output", "magnitude",
             "median", "99 %", "largest", "tolerance");
  size_t closest = 0;
  std::vector<double> shares;
  for (const Comparison& row : rows) {
    shares.push_back(PrintRow(row, batch, options.tolerance));
    if (shares.back() > shares[closest]) closest = shares.size() - 1;
  }
  fmt::print(
      "\nDifferences are shares of the layer's largest magnitude; the last column says how much "
      "of\n"
      "the tolerance {:g} the largest uses. Closest: {}, {}.\n",
      options.tolerance, rows[closest].what,
      rows[closest].declined.empty() ? fmt::format("{:.1f} %", 100 * shares[closest])
                                     : "which was declined");
  return shares[closest] <= 1 ? 0 : kMissed;
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app(
      "Runs an ONNX model (fused or layered) on two engines and compares them, layer by layer on\n"
      "the same input and as a whole. The exit status is 0 if all differences are within the\n"
      "tolerance, 1 if one is not or the engine declines a layer, 2 for any other trouble.\n",
      "check");
  app.footer("Example:\n  check model.onnx onednn --images cat.png dog.png\n");
  app.add_option("model", options.model, "Model file");
  app.add_option("engine", options.checked,
                 "Engine to check [$CSC_ENGINE, else the first present: onednn]");
  app.add_option("against", options.reference, "Engine that is right")->capture_default_str();
  app.add_option("--images", options.images, "Pictures to run on instead of random numbers");
  app.add_option("--size", options.size, "Height and width, where the model leaves them open")
      ->expected(2)
      ->check(CLI::Range(1, 1 << 14));
  app.add_option("--batch", options.batch, "Number of random images")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  app.add_option("--seed", options.seed, "Of the random images")
      ->check(CLI::Range(int64_t{0}, int64_t{std::numeric_limits<uint32_t>::max()}))
      ->capture_default_str();
  app.add_option("--tolerance", options.tolerance, "Share of the largest magnitude")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--threads", options.threads, "Threads")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_flag("--exact", options.exact, "Allow only exactly summed convolutions");
  bool engines = false;
  app.add_flag("--engines", engines, "List the engines and leave");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help
    fmt::print(stderr, "check: {} (--help lists the options)\n", error.what());
    return kTrouble;
  }
  if (engines) {
    PrintEngines();
    return 0;
  }
  try {
    Require(!options.model.empty(), "no model file given (--help lists the options)");
    return Check(options);
  } catch (const std::exception& error) {
    fmt::print(stderr, "check: {}\n", error.what());
    return kTrouble;
  }
}

}  // namespace
}  // namespace csc

int main(int argc, char** argv) { return csc::Main(argc, argv); }
