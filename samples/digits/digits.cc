// Writes the handwritten digits that the programs carry with them as a folder
// of pictures, as `--data folder:DIR` wants one.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <opencv2/imgcodecs.hpp>
#include <string>

#include "solvers/error.h"
#include "training/command_line.h"
#include "training/data/dataset.h"

namespace csc {

namespace {

void WriteImages(const DataSet& data, const Images& images, const std::filesystem::path& folder) {
  for (const std::string& name : data.classes) {
    std::error_code error;
    std::filesystem::create_directories(folder / name, error);
    Require(!error, "{}: cannot be made: {}", (folder / name).string(), error.message());
  }
  const Shape& shape = images.shape;
  for (int64_t n = 0; n < images.size(); ++n) {
    cv::Mat image(static_cast<int>(shape.height), static_cast<int>(shape.width), CV_8U,
                  const_cast<uint8_t*>(images.pixels.data() + n * shape.size()));
    image.convertTo(image, CV_8U, 255. / data.white);
    const std::string path =
        (folder / data.classes[images.labels[n]] / fmt::format("{:04}.png", n)).string();
    Require(cv::imwrite(path, image), "{}: cannot be written", path);
  }
}

}  // namespace

}  // namespace csc

int main(int argc, char** argv) {
  CLI::App app(
      "Writes 1,797 handwritten digits as DIR/train/CLASS/*.png and DIR/test/CLASS/*.png, ready "
      "for --data folder:DIR.",
      "digits");
  std::string folder;
  app.add_option("folder", folder, "DIR")->required();
  app.footer("Example: digits digits && train --data folder:digits");
  return csc::RunProgram(&app, argc, argv, [&] {
    const csc::DataSet data = csc::LoadDigits();
    csc::WriteImages(data, data.train, std::filesystem::path(folder) / "train");
    csc::WriteImages(data, data.test, std::filesystem::path(folder) / "test");
    return 0;
  });
}
