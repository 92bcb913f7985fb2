// Names what pictures show: any exported model, run by OpenCV.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <numeric>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/dnn.hpp>
#include <string>
#include <vector>

#include "layers/csc_opencv.h"
#include "samples/common/model_info.h"
#include "samples/common/pictures.h"
#include "solvers/error.h"
#include "training/command_line.h"
#include "training/read_net.h"
#include "training/through_opencv.h"

namespace csc {

namespace {

struct Options {
  std::string model;
  std::vector<std::string> images;
  int top = 3;
  std::string engine;
};

// Pictures a run; more would only take memory.
constexpr size_t kBatch = 64;

// exp(score) over their sum, safe for scores of any size.
std::vector<double> Softmax(const float* scores, int count) {
  const float largest = *std::max_element(scores, scores + count);
  std::vector<double> result(count);
  for (int k = 0; k < count; ++k) result[k] = std::exp(double{scores[k]} - largest);
  const double sum = std::accumulate(result.begin(), result.end(), 0.0);
  for (double& value : result) value /= sum;
  return result;
}

std::string Label(const ModelInfo& info, int k) {
  return info.labels.empty() ? fmt::format("class {}", k) : info.labels[k];
}

void Print(const std::string& path, const ModelInfo& info, const std::vector<double>& p, int top) {
  std::vector<int> order(p.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return p[a] > p[b]; });
  order.resize(std::min<size_t>(order.size(), top));
  fmt::print("{}", path);
  for (int k : order) fmt::print("\t{} {:.4f}", Label(info, k), p[k]);
  fmt::print("\n");
}

int Classify(const Options& options) {
  // What OpenCV has to say arrives as an exception as well.
  cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
  if (csc_register_layers() != 0 || csc_set_engine(options.engine.c_str()) != 0) {
    Fail("{}", csc_last_error());
  }
  const ModelInfo info = ReadModelInfo(options.model);
  ThroughOpenCv(options.model, [&] {
    cv::dnn::Net net = ReadNet(options.model);
    for (size_t begin = 0; begin < options.images.size(); begin += kBatch) {
      const size_t end = std::min(begin + kBatch, options.images.size());
      // A model of open size takes the first picture's.
      Shape input = info.input;
      std::vector<cv::Mat> images;
      for (size_t i = begin; i < end; ++i) {
        images.push_back(ReadPicture(options.images[i], input));
        input.height = images[0].rows;
        input.width = images[0].cols;
      }
      // Models are trained on pixels of 0 to 1, red first.
      net.setInput(cv::dnn::blobFromImages(images, 1 / 255., cv::Size(), cv::Scalar(),
                                           /*swapRB=*/input.channels == 3));
      const cv::Mat scores = net.forward();
      const int classes = static_cast<int>(scores.total() / images.size());
      Require(info.labels.empty() || static_cast<int>(info.labels.size()) == classes,
              "{}: {} labels for {} classes", options.model, info.labels.size(), classes);
      Require(cv::checkRange(scores),
              "{}: its outputs are not finite, so it is damaged or diverges", options.model);
      for (size_t i = begin; i < end; ++i) {
        Print(options.images[i], info,
              Softmax(scores.ptr<float>() + (i - begin) * classes, classes), options.top);
      }
    }
  });
  return 0;
}

}  // namespace

}  // namespace csc

int main(int argc, char** argv) {
  CLI::App app(
      "Names what pictures show, by a trained model that OpenCV runs: fused, layered or portable. "
      "Prints one line a picture: the file, then labels and probabilities, separated by tabs.",
      "classify");
  csc::Options options;
  app.add_option("model", options.model, "the ONNX file, with labels.txt beside it if it has any")
      ->required();
  app.add_option("images", options.images, "picture files, resized to what the model wants")
      ->required();
  app.add_option("--top", options.top, "labels printed for each picture")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  app.add_option("--engine", options.engine,
                 "runs the csc layers [$CSC_ENGINE, else the first present: onednn]");
  app.footer("Example: classify trained/model.onnx --top 1 photos/*.jpg");
  return csc::RunProgram(&app, argc, argv, [&] { return csc::Classify(options); });
}
