// What the host does with the images of a training before the engine computes: the
// loader's part, and what either kind of session makes of a batch.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstring>
#include <functional>
#include <vector>

#include "samples/benchmark/machine.h"
#include "samples/benchmark/measure.h"
#include "solvers/engines/byte_images.h"
#include "solvers/executor.h"
#include "training/command_line.h"
#include "training/data/loader.h"

namespace csc {
namespace {

struct Options {
  int images = 50000;
  int side = 32;
  int batch = 128;
  int threads = 0;
  double seconds = 3;
};

DataSet MakeData(const Options& options) {
  DataSet data;
  data.train.shape = {3, options.side, options.side};
  data.train.pixels.resize(options.images * data.train.shape.size());
  uint32_t number = 1;
  for (uint8_t& pixel : data.train.pixels) {
    number = number * 1664525 + 1013904223;
    pixel = static_cast<uint8_t>(number >> 24);
  }
  data.train.labels.resize(options.images);
  return data;
}

void Run(const Options& options) {
  const DataSet data = MakeData(options);
  const Shape& shape = data.train.shape;
  Loader loader(data, {options.batch, /*augment=*/true, /*seed=*/1});
  const auto pool = MakeThreadPool(options.threads > 0 ? options.threads : NumAvailableCpus());
  fmt::print("{}, {} images of {}, augmented, in batches of {}\n", ProcessorName(), options.images,
             ToString(shape), options.batch);
  fmt::print("{:<28} {:>12} {:>9}\n", "batches are", "images/s", "us/image");

  int64_t epoch = 0;
  const auto measure = [&](const std::string& what, const std::function<void(const Batch&)>& use) {
    const Timing timing = Measure(options.seconds, [&] {
      for (int64_t step = 0; step < loader.NumBatches(); ++step) use(loader.Get(epoch, step));
      ++epoch;
    });
    const double each = timing.median_seconds / options.images;
    fmt::print("{:<28} {:>12.0f} {:>9.3f}\n", what, 1 / each, 1e6 * each);
    std::fflush(stdout);
  };
  std::vector<uint8_t> bytes(options.batch * shape.size());
  std::vector<float> floats(bytes.size());
  const auto convert = [&](Executor* executor, const Batch& batch) {
    ConvertImages(batch.images.data(), batch.size(), data.white, shape, executor, floats.data());
  };
  measure("chosen", [](const Batch&) {});
  measure("chosen and copied as bytes", [&](const Batch& batch) {
    for (int64_t n = 0; n < batch.size(); ++n) {
      std::memcpy(bytes.data() + n * shape.size(), batch.images[n].pixels, shape.size());
    }
  });
  measure("made floats by one thread", [&](const Batch& batch) { convert(nullptr, batch); });
  measure(fmt::format("made floats by {} of them", pool->num_workers()),
          [&](const Batch& batch) { convert(pool.get(), batch); });
}

void AddOptions(CLI::App* app, Options* options) {
  const auto add = [&](const char* name, auto* value, const char* what) {
    app->add_option(name, *value, what)->check(CLI::Range(1, 1000000))->capture_default_str();
  };
  add("--images", &options->images, "Of the data set");
  add("--side", &options->side, "Of the images, in pixels");
  add("--batch", &options->batch, "Images of a step");
  app->add_option("--threads", options->threads, "0 for all processors")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  app->add_option("--seconds", options->seconds, "For each line")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
}

}  // namespace
}  // namespace csc

int main(int argc, char** argv) {
  csc::Options options;
  CLI::App app(
      "Times what the host does with training images before the engine computes, by medians over\n"
      "epochs. A step on a GPU gets bytes, copied into pinned memory; one on the CPU gets "
      "floats.\n",
      "loading");
  app.footer("Example:\n  loading --side 224 --images 2000");
  csc::AddOptions(&app, &options);
  return csc::RunProgram(&app, argc, argv, [&] {
    csc::Run(options);
    return 0;
  });
}
