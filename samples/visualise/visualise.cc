// Draws a trained network: its filters, and the codes of one picture.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <opencv2/imgcodecs.hpp>
#include <string>
#include <vector>

#include "samples/common/pictures.h"
#include "samples/visualise/inspect.h"
#include "samples/visualise/mosaic.h"
#include "solvers/engines/registry.h"
#include "solvers/error.h"
#include "training/command_line.h"
#include "training/onnx/onnx_file.h"

namespace csc {

namespace {

struct Options {
  std::string model;
  std::string image;
  std::string filters = "filters.png";
  std::string codes = "codes.png";
  std::string engine;
};

constexpr int64_t kMostColumns = 32;  // of wider layers, the first

// Planes share memory with `planes`.
std::vector<cv::Mat> Tiles(const Tensor& planes) {
  std::vector<cv::Mat> tiles;
  const int height = static_cast<int>(planes.dims[1]), width = static_cast<int>(planes.dims[2]);
  for (int64_t n = 0; n < std::min(planes.dims[0], kMostColumns); ++n) {
    tiles.emplace_back(height, width, CV_32F,
                       const_cast<float*>(planes.data.data() + n * height * width));
  }
  return tiles;
}

// Pixels of 0 to 1, [C, H, W], red first.
std::vector<float> ToPlanes(const cv::Mat& image) {
  std::vector<float> planes;
  for (int c = image.channels() - 1; c >= 0; --c) {
    cv::Mat plane;
    cv::extractChannel(image, plane, c);
    for (int y = 0; y < plane.rows; ++y) {
      for (int x = 0; x < plane.cols; ++x) planes.push_back(plane.at<uint8_t>(y, x) / 255.f);
    }
  }
  return planes;
}

void Write(const std::string& path, const cv::Mat& picture) {
  // Large areas of few colours: worth the strongest compression.
  const std::vector<int> png = {cv::IMWRITE_PNG_COMPRESSION, 9, cv::IMWRITE_PNG_STRATEGY,
                                cv::IMWRITE_PNG_STRATEGY_DEFAULT};
  Require(cv::haveImageWriter(path) && cv::imwrite(path, picture, png),
          "{}: cannot be written; a name that ends in .png, in a folder that is there, expected",
          path);
}

// The smallest odd size that holds all that is not nearly zero of planes of
// size x size.
int Extent(const std::vector<float>& planes, int size) {
  float largest = 0;
  for (float v : planes) largest = std::max(largest, std::abs(v));
  int reach = 1;
  for (size_t i = 0; i < planes.size(); ++i) {
    if (std::abs(planes[i]) < 0.02f * largest) continue;
    const int y = static_cast<int>(i / size % size), x = static_cast<int>(i % size);
    reach = std::max({reach, std::abs(y - size / 2), std::abs(x - size / 2)});
  }
  return std::min(2 * reach + 1, size);
}

cv::Mat DrawFilters(const Engine& engine, const OnnxModel& model) {
  constexpr int kCanvas = 65;  // more than the receptive field of small networks
  Mosaic mosaic;
  mosaic.title = "Learned filters, as atoms of the image";
  mosaic.subtitle =
      "What one coefficient of each layer stands for: its filter, synthesised down through the "
      "layers below. Square-root colour scale.";
  mosaic.columns = "filter";
  mosaic.is_signed = true;
  for (const LayerPlanes& layer :
       EffectiveAtoms(engine, model.network, model.input.channels, kCanvas)) {
    const int extent = Extent(layer.planes.data, kCanvas);
    const int skip = (kCanvas - extent) / 2;
    MosaicRow row;
    row.title = fmt::format("layer {}", mosaic.rows.size() + 1);
    row.subtitle = fmt::format("{} x {} pixels, dilation {}", extent, extent,
                               model.network.layers[layer.layer].Ints("dilations")[0]);
    for (const cv::Mat& tile : Tiles(layer.planes)) {
      row.tiles.push_back(tile(cv::Rect(skip, skip, extent, extent)).clone());
    }
    mosaic.rows.push_back(row);
  }
  return Draw(mosaic);
}

// "7 (0.98)".
std::string Answer(const OnnxModel& model, const std::vector<float>& scores) {
  const auto best = std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (float score : scores) sum += std::exp(double{score} - *best);
  const size_t k = best - scores.begin();
  return fmt::format("{} ({:.2f})",
                     k < model.labels.size() ? model.labels[k] : fmt::format("class {}", k),
                     1 / sum);
}

cv::Mat DrawCodes(const Engine& engine, const OnnxModel& model, const std::string& path) {
  const cv::Mat image = ReadPicture(path, model.input);
  const std::vector<float> pixels = ToPlanes(image);
  const Shape input = {model.input.channels, image.rows, image.cols};
  const Codes codes = ComputeCodes(engine, model.network, input, pixels.data());

  Mosaic mosaic;
  mosaic.title = "Codes of one image, layer by layer";
  mosaic.subtitle = fmt::format("Where each filter is found, and how strongly. Answer: {}",
                                Answer(model, codes.scores));
  mosaic.columns = "filter";
  const Tensor planes{{input.channels, input.height, input.width}, pixels};
  mosaic.rows.push_back(
      {"image", fmt::format("{} x {}", input.height, input.width), Tiles(planes)});
  for (const LayerPlanes& layer : codes.layers) {
    const auto& data = layer.planes.data;
    const double nonzero = 100. *
                           std::count_if(data.begin(), data.end(), [](float v) { return v != 0; }) /
                           data.size();
    mosaic.rows.push_back({fmt::format("layer {}", mosaic.rows.size()),
                           fmt::format("{} x {}, {:.0f} % not zero", layer.planes.dims[1],
                                       layer.planes.dims[2], nonzero),
                           Tiles(layer.planes)});
  }
  return Draw(mosaic);
}

int Visualise(const Options& options) {
  const Engine& engine = FindEngine(options.engine);
  const OnnxModel model = ReadOnnx(options.model);
  Write(options.filters, DrawFilters(engine, model));
  fmt::print("{}\n", options.filters);
  if (!options.image.empty()) {
    Write(options.codes, DrawCodes(engine, model, options.image));
    fmt::print("{}\n", options.codes);
  }
  return 0;
}

}  // namespace

}  // namespace csc

int main(int argc, char** argv) {
  CLI::App app(
      "Draws a trained network: its filters as the pieces of image they stand for and, given a "
      "picture, its codes layer by layer. Prints the names of the files written.",
      "visualise");
  csc::Options options;
  app.add_option("model", options.model, "the ONNX file, fused or layered")->required();
  app.add_option("image", options.image, "a picture to show the codes of [none]");
  app.add_option("--filters", options.filters, "file for the filters")->capture_default_str();
  app.add_option("--codes", options.codes, "file for the codes")->capture_default_str();
  app.add_option("--engine", options.engine,
                 "computes the codes [$CSC_ENGINE, else the first present: onednn]");
  app.footer("Example: visualise trained/model.onnx digit.png --codes codes.png");
  return csc::RunProgram(&app, argc, argv, [&] { return csc::Visualise(options); });
}
