// Times the CPU engine's linear maps one by one, for each algorithm: those of an
// MSD-CSC network's layers, on one core, as shares of that core's peak.
//
// The algorithms take turns, as a machine's neighbours change its speed from
// minute to minute.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "samples/benchmark/machine.h"
#include "solvers/engines/onednn/buffer.h"
#include "solvers/engines/onednn/convolution.h"
#include "solvers/engines/onednn/direct.h"
#include "solvers/engines/onednn/direct_gradient.h"
#include "solvers/engines/onednn/winograd.h"
#include "training/command_line.h"

namespace csc {

namespace {

using onednn::BandedMap;
using onednn::Buffer;
using onednn::Convolution;
using onednn::ConvolutionKind;
using onednn::ConvolutionShape;
using onednn::Direct;
using onednn::DirectGradient;
using onednn::GradientMap;
using onednn::Layout;
using onednn::Plane;
using onednn::Winograd;

constexpr int64_t kColours = 3, kWidth = 32, kTaps = 9;
constexpr int kDilations = 3, kLayersOfASide = 4;
constexpr double kShortestRun = 1e-3;  // seconds

struct Options {
  int layers = 12;
  int64_t side = 32;
  int rounds = 20;
  int block = 16;
  std::vector<std::string> kinds = {"analysis", "synthesis", "gradient"};
};

// Layer `layer` of MSD-CSC; images as the engine groups them.
ConvolutionShape ShapeOfLayer(const Options& options, int layer, ConvolutionKind kind) {
  const int64_t side = std::max<int64_t>(1, options.side >> layer / kLayersOfASide);
  const int64_t dilation = layer % kDilations + 1;
  ConvolutionShape shape;
  shape.kind = kind;
  shape.geometry.kernel = {3, 3};
  shape.geometry.dilations = {dilation, dilation};
  shape.geometry.pads = {dilation, dilation, dilation, dilation};
  shape.image_layout.block = shape.code_layout.block = options.block;
  shape.image_layout.segments = {kColours};
  shape.image_layout.segments.resize(layer + 1, kWidth);
  shape.code_layout.segments = {kWidth};
  shape.image = {shape.image_layout.channels(), side, side};
  shape.code = {kWidth, side, side};
  shape.images = std::clamp<int64_t>(1024 / (side * side), 1, 8);
  return shape;
}

struct Contender {
  std::string name;
  double products = 0;  // of an image, those with padding included; 0: not known
  std::function<void()> run;
  std::vector<double> seconds = {};  // of an image
};

// Values and filters of a shape, and everything that can compute it.
class Bench {
 public:
  explicit Bench(const ConvolutionShape& shape)
      : shape_(shape),
        image_(shape.images * shape.image_layout.lanes() * shape.image.height * shape.image.width),
        code_(shape.images * shape.code_layout.lanes() * shape.code.height * shape.code.width) {
    Fill(&image_);
    Fill(&code_);
    if (shape.kind == ConvolutionKind::kFilterGradient) {
      AddGradient("direct", std::make_unique<DirectGradient>(shape));
      if (Winograd::Supports(shape)) AddGradient("winograd", std::make_unique<Winograd>(shape));
    } else {
      if (Direct::Supports(shape)) AddMap("direct", std::make_unique<Direct>(shape));
      if (Winograd::Supports(shape)) AddMap("winograd", std::make_unique<Winograd>(shape));
    }
    AddOneDnn();
  }

  std::vector<Contender>& contenders() { return contenders_; }

 private:
  static void Fill(Buffer* buffer) {
    std::mt19937 random(1);
    std::uniform_real_distribution<float> value(-1, 1);
    std::generate_n(buffer->data(), buffer->bytes() / sizeof(float), [&] { return value(random); });
  }

  Plane PlaneOf(const Buffer& buffer) const {
    return {buffer.data(), buffer.bytes() / static_cast<int64_t>(sizeof(float)) / shape_.images};
  }

  Buffer* AddBuffer(int64_t floats) {
    buffers_.push_back(std::make_unique<Buffer>(std::max<int64_t>(1, floats)));
    Fill(buffers_.back().get());
    return buffers_.back().get();
  }

  void AddMap(const std::string& name, std::unique_ptr<BandedMap> owned) {
    const BandedMap* map = owned.get();
    maps_.push_back(std::move(owned));
    const float* filters = AddBuffer(map->filter_floats())->data();
    float* scratch = AddBuffer(map->scratch_floats(shape_.images))->data();
    const bool analysis = shape_.kind == ConvolutionKind::kAnalysis;
    const Plane from = PlaneOf(analysis ? image_ : code_), to = PlaneOf(analysis ? code_ : image_);
    contenders_.push_back({name, map->products(), [=, images = shape_.images] {
                             map->Run(from, images, map->whole(), {filters}, 1, to, scratch,
                                      [](const onednn::ElementRange&) {});
                           }});
  }

  void AddGradient(const std::string& name, std::unique_ptr<GradientMap> owned) {
    const GradientMap* map = owned.get();
    gradients_.push_back(std::move(owned));
    float* sums = AddBuffer(map->gradient_floats())->data();
    float* scratch = AddBuffer(map->gradient_scratch_floats(shape_.images))->data();
    contenders_.push_back({name, 0, [this, map, sums, scratch] {
                             map->Accumulate(PlaneOf(image_), PlaneOf(code_), shape_.images, 1e-6f,
                                             sums, scratch);
                           }});
  }

  void AddOneDnn() {
    convolution_ = std::make_unique<Convolution>(shape_);
    const int64_t bytes = static_cast<int64_t>(convolution_->filters_desc().get_size());
    float* filters = AddBuffer(bytes / static_cast<int64_t>(sizeof(float)))->data();
    float* scratch = AddBuffer(convolution_->scratchpad_floats())->data();
    contenders_.push_back({"onednn", 0, [this, filters, scratch] {
                             convolution_->Run(stream_, image_.data(), filters, code_.data(),
                                               scratch);
                           }});
  }

  const ConvolutionShape shape_;
  const onednn::OneOmpThread one_thread_;
  dnnl::stream stream_{onednn::CpuEngine()};
  Buffer image_, code_;
  std::vector<std::unique_ptr<Buffer>> buffers_;
  std::vector<std::unique_ptr<BandedMap>> maps_;
  std::vector<std::unique_ptr<GradientMap>> gradients_;
  std::unique_ptr<Convolution> convolution_;
  std::vector<Contender> contenders_;
};

double Seconds(int runs, const std::function<void()>& run) {
  const auto start = std::chrono::steady_clock::now();
  for (int k = 0; k < runs; ++k) run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / runs;
}

void MeasureShape(const Options& options, int layer, const std::string& kind_name,
                  ConvolutionKind kind, double peak) {
  const ConvolutionShape shape = ShapeOfLayer(options, layer, kind);
  Bench bench(shape);
  for (int round = 0; round < options.rounds; ++round) {
    for (Contender& c : bench.contenders()) {
      const double once = Seconds(1, c.run);
      const int runs = static_cast<int>(std::ceil(kShortestRun / once));
      c.seconds.push_back(Seconds(runs, c.run) / static_cast<double>(shape.images));
    }
  }
  const double nominal = static_cast<double>(kTaps * kWidth * shape.image.channels *
                                             shape.image.height * shape.image.width);
  for (Contender& c : bench.contenders()) {
    std::sort(c.seconds.begin(), c.seconds.end());
    const double best = c.seconds.front(), median = c.seconds[c.seconds.size() / 2];
    const auto share = [&](double products) { return 2 * products / best / peak; };
    fmt::print("{:<9} {:>4} {:>3} x {:<3} {:>2}  {:<8} {:>8.1f} {:>8.1f} {:>9.2f} {:>9}\n",
               kind_name, shape.image.channels, shape.image.height, shape.image.width,
               shape.geometry.dilations[0], c.name, 1e6 * best, 1e6 * median, share(nominal),
               c.products > 0 ? fmt::format("{:.2f}", share(c.products)) : "-");
  }
  std::fflush(stdout);
}

void Run(const Options& options) {
  double peak = PeakFlops(1, 0.3);
  fmt::print("{}, one core, float32 peak {:.1f} GFLOP/s, {} rounds\n", ProcessorName(), peak / 1e9,
             options.rounds);
  fmt::print("{:<9} {:>4} {:>9} {:>2}  {:<8} {:>8} {:>8} {:>9} {:>9}\n", "map", "C", "size", "d",
             "by", "us/image", "median", "nominal", "executed");
  constexpr std::pair<const char*, ConvolutionKind> kKinds[] = {
      {"analysis", ConvolutionKind::kAnalysis},
      {"synthesis", ConvolutionKind::kSynthesis},
      {"gradient", ConvolutionKind::kFilterGradient}};
  for (int layer = 0; layer < options.layers; ++layer) {
    for (const auto& [name, kind] : kKinds) {
      if (std::count(options.kinds.begin(), options.kinds.end(), name) == 0) continue;
      peak = std::max(peak, PeakFlops(1, 0.02));  // the first may have had a neighbour
      MeasureShape(options, layer, name, kind, peak);
    }
  }
}

void AddOptions(CLI::App* app, Options* options) {
  app->add_option("--layers", options->layers, "Of the network")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app->add_option("--side", options->side, "Of the first layers' images, in pixels")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  app->add_option("--rounds", options->rounds, "In which the algorithms take turns")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  app->add_option("--block", options->block, "Lanes of a block of channels: 8 for AVX2")
      ->check(CLI::IsMember({8, 16}))
      ->capture_default_str();
  app->add_option("--map", options->kinds, "Those to time")
      ->check(CLI::IsMember({"analysis", "synthesis", "gradient"}))
      ->delimiter(',')
      ->capture_default_str();
}

}  // namespace
}  // namespace csc

int main(int argc, char** argv) {
  csc::Options options;
  CLI::App app(
      "Times the linear maps of the CPU engine on one core, those of MSD-CSC's layers, by each\n"
      "algorithm. Shares of the float32 peak are by best times; nominal ones count the\n"
      "multiplications of the direct form, pads included, executed ones those that are done,\n"
      "padding lanes of the results included.\n",
      "maps");
  app.footer("Example:\n  maps --rounds 100 --map analysis,synthesis");
  csc::AddOptions(&app, &options);
  return csc::RunProgram(&app, argc, argv, [&] {
    csc::Run(options);
    return 0;
  });
}
