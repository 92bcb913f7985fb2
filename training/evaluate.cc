// Runs a model file through OpenCV on a data set's test images: the accuracy
// that a user of the file will see, not the trainer's own.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <numeric>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/dnn.hpp>
#include <string>
#include <vector>

#include "layers/csc_opencv.h"
#include "solvers/error.h"
#include "solvers/executor.h"
#include "training/command_line.h"
#include "training/data/open.h"
#include "training/evaluation.h"
#include "training/onnx/parse_onnx.h"
#include "training/read_net.h"
#include "training/through_opencv.h"

namespace csc {

namespace {

using Json = nlohmann::ordered_json;

struct CommandLine {
  std::string model;
  std::string data = "digits";
  std::string engine;
  int64_t limit_test = 0;
  int64_t batch_size = 64;
  int threads = 0;
};

std::vector<std::string> LabelsOf(const std::string& model) {
  const onnx::ModelProto parsed = ParseOnnx(model);
  try {
    return ReadLabels(parsed);
  } catch (const Error& error) {
    Fail("{}: {}", model, error.what());
  }
}

int Evaluate(const CommandLine& line) {
  Require(line.batch_size >= 1, "a batch size of {}: at least 1 expected", line.batch_size);
  Require(line.limit_test >= 0, "--limit-test is {}: at least 0 expected", line.limit_test);
  Require(line.threads >= 0, "{} threads: at least 0 expected", line.threads);
  // What OpenCV has to say arrives as an exception as well.
  cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
  const int threads = line.threads > 0 ? line.threads : NumAvailableCpus();
  cv::setNumThreads(threads);
  if (csc_register_layers() != 0 || csc_set_engine(line.engine.c_str()) != 0) {
    Fail("{}", csc_last_error());
  }
  cv::dnn::Net net = ReadNet(line.model);
  const std::vector<std::string> labels = LabelsOf(line.model);

  DataSet data = OpenDataSet(line.data, MakeThreadPool(threads).get());
  for (const std::string& note : data.notes) fmt::print(stderr, "note: {}\n", note);
  if (!labels.empty() && labels.size() == data.classes.size() && labels != data.classes) {
    fmt::print(
        stderr,
        "note: the model's classes are {}, those of {} are {}: they are compared by number\n",
        fmt::join(labels, ", "), line.data, fmt::join(data.classes, ", "));
  }
  Images& images = data.test;
  Limit(&images, line.limit_test);
  const Shape& shape = images.shape;
  const int64_t classes = static_cast<int64_t>(data.classes.size());

  const std::string on_images =
      fmt::format("{} on images {} of --data {}", line.model, ToString(shape), line.data);

  std::vector<uint32_t> indices(images.size());
  std::iota(indices.begin(), indices.end(), 0u);
  Score score;
  double seconds = 0;
  for (int64_t begin = 0; begin < images.size(); begin += line.batch_size) {
    const int64_t count = std::min(line.batch_size, images.size() - begin);
    const int sizes[] = {static_cast<int>(count), static_cast<int>(shape.channels),
                         static_cast<int>(shape.height), static_cast<int>(shape.width)};
    cv::Mat blob(4, sizes, CV_32F);
    ToFloat(data, images, indices.data() + begin, count, nullptr, blob.ptr<float>());
    const auto start = std::chrono::steady_clock::now();
    const cv::Mat logits = ThroughOpenCv(on_images, [&] {
      net.setInput(blob);
      return net.forward().clone();
    });
    seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    Require(static_cast<int64_t>(logits.total()) == count * classes,
            "{}: {} outputs for {} images: {} classes of {} expected", line.model, logits.total(),
            count, classes, line.data);
    score.Add(logits.ptr<float>(), images.labels.data() + begin, count, classes);
  }
  Require(std::isfinite(score.loss), "{}: its outputs are not finite, so it is damaged or diverges",
          line.model);
  const double total = static_cast<double>(images.size());
  // The portable form has no csc layers: OpenCV's own engine runs it.
  const bool csc_layers = csc_report()[0] != '\0';
  const Json report = {{"test_accuracy", score.correct / total},
                       {"test_loss", score.loss / total},
                       {"images", images.size()},
                       {"images_per_second", std::round(10 * total / seconds) / 10},
                       {"engine", csc_layers ? csc_engine() : "opencv"},
                       {"model", line.model},
                       {"data", line.data}};
  fmt::print("{}\n", report.dump());
  return 0;
}

}  // namespace

}  // namespace csc

int main(int argc, char** argv) {
  CLI::App app(
      "Measures how well a model file, run by OpenCV, classifies the test "
      "images of a data set.",
      "evaluate");
  csc::CommandLine line;
  app.add_option("model", line.model, "the ONNX file")->required();
  app.add_option("--data", line.data, csc::DataSetNames())->capture_default_str();
  app.add_option("--engine", line.engine,
                 "runs the csc layers [$CSC_ENGINE, else the first present: onednn]");
  app.add_option("--limit-test", line.limit_test, "use so many images, evenly spaced [all]");
  app.add_option("--batch-size", line.batch_size, "images at a time")->capture_default_str();
  app.add_option("--threads", line.threads, "0 for all processors")->capture_default_str();
  app.footer("Example: evaluate trained/model.onnx --data digits");
  return csc::RunProgram(&app, argc, argv, [&] { return csc::Evaluate(line); });
}
