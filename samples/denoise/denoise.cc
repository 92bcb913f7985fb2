// Removes noise from a picture by sparse coding over a convolutional
// dictionary: csc.Lasso and csc.Synthesis run by OpenCV.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <limits>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>
#include <optional>
#include <string>

#include "layers/csc_opencv.h"
#include "samples/denoise/denoiser.h"
#include "samples/denoise/noise.h"
#include "solvers/error.h"
#include "training/command_line.h"
#include "training/through_opencv.h"

namespace csc {

namespace {

struct Options {
  std::string input;
  std::string output;
  std::optional<double> sigma;  // of 255
  bool add_noise = false;
  uint64_t seed = 1;
  DenoiserOptions denoiser;
  std::string engine;
  std::string noisy;
  std::string model;
};

constexpr double kLevels = 255;
constexpr double kDefaultSigma = 25;

cv::Mat ReadPicture(const std::string& path) {
  cv::Mat picture = cv::imread(path, cv::IMREAD_ANYCOLOR);
  Require(!picture.empty(), "{}: not a picture that OpenCV reads, or not there", path);
  picture.convertTo(picture, CV_32F, 1 / kLevels);
  return picture;
}

// Asked before the work is done rather than after.
void RequireWritable(const std::string& path) {
  Require(path.empty() || cv::haveImageWriter(path),
          "{}: OpenCV writes no such pictures; a name that ends in .png, .jpg or the like expected",
          path);
}

void WritePicture(const std::string& path, const cv::Mat& picture) {
  cv::Mat bytes;
  picture.convertTo(bytes, CV_8U, kLevels);
  Require(cv::imwrite(path, bytes), "{}: cannot be written; is its folder there?", path);
}

int Denoise(const Options& options) {
  cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_ERROR);
  if (csc_register_layers() != 0 || csc_set_engine(options.engine.c_str()) != 0) {
    Fail("{}", csc_last_error());
  }
  RequireWritable(options.output);
  RequireWritable(options.noisy);
  const cv::Mat clean = ReadPicture(options.input);
  const double sigma = options.sigma       ? *options.sigma / kLevels
                       : options.add_noise ? kDefaultSigma / kLevels
                                           : EstimateNoise(clean);
  const cv::Mat noisy = options.add_noise ? AddNoise(clean, sigma, options.seed) : clean;

  DenoiserOptions denoiser_options = options.denoiser;
  denoiser_options.sigma = sigma;
  Denoiser denoiser(denoiser_options);
  const auto start = std::chrono::steady_clock::now();
  cv::Mat result = ThroughOpenCv(options.input, [&] { return denoiser.Denoise(noisy); });
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  result = cv::max(0, cv::min(1, result));

  WritePicture(options.output, result);
  if (!options.noisy.empty()) WritePicture(options.noisy, noisy);
  if (!options.model.empty()) {
    std::ofstream file(options.model, std::ios::binary);
    Require(file.write(denoiser.model().data(), denoiser.model().size()) && file.flush(),
            "{}: cannot be written", options.model);
  }
  fmt::print("{}: {} x {}, {} channel{}, noise {:.1f} of 255 ({}), engine {}, {:.2f} s\n",
             options.output, clean.cols, clean.rows, clean.channels(),
             clean.channels() == 1 ? "" : "s", sigma * kLevels,
             options.add_noise ? "added"
             : options.sigma   ? "as given"
                               : "estimated",
             csc_engine(), seconds);
  if (options.add_noise) {
    const double before = Psnr(noisy, clean);
    const double after = Psnr(result, clean);
    fmt::print("PSNR {:.2f} dB before, {:.2f} dB after, {:+.2f} dB\n", before, after,
               after - before);
  }
  return 0;
}

}  // namespace

}  // namespace csc

int main(int argc, char** argv) {
  CLI::App app(
      "Removes white noise from a grey or colour picture by sparse coding: csc.Lasso over 8 x 8 "
      "cosine atoms, then csc.Synthesis, run by OpenCV.",
      "denoise");
  csc::Options options;
  app.add_option("input", options.input, "the picture")->required();
  app.add_option("output", options.output, "file for the result")->required();
  app.add_option("--sigma", options.sigma,
                 "standard deviation of the noise, in grey levels of 0 to 255 [estimated; 25 with "
                 "--add-noise]");
  app.add_flag("--add-noise", options.add_noise,
               "the input is clean: add noise first, and print the PSNR before and after");
  app.add_option("--seed", options.seed, "of the noise added")
      ->check(CLI::Range(int64_t{0}, std::numeric_limits<int64_t>::max()))
      ->capture_default_str();
  app.add_option("--noisy", options.noisy, "file for the picture with the noise added [none]");
  app.add_option("--strength", options.denoiser.strength,
                 "beta of the Lasso, in units of the noise")
      ->capture_default_str();
  app.add_option("--shifts", options.denoiser.shifts,
                 "grid positions averaged along each axis: 1, 2 or 4; more is better and slower")
      ->capture_default_str();
  app.add_option("--iterations", options.denoiser.max_iterations, "FISTA steps at most")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  app.add_option("--engine", options.engine,
                 "runs the csc layers [$CSC_ENGINE, else the first present: onednn]");
  app.add_option("--save-model", options.model, "file for the ONNX model used [none]");
  app.footer("Example: denoise photo.png result.png --add-noise --sigma 25 --noisy noisy.png");
  return csc::RunProgram(&app, argc, argv, [&] { return csc::Denoise(options); });
}
