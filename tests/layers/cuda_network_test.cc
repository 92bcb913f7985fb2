// Networks on GpuMat: on a GPU, and with the engine's kernels on the host, where
// "device memory" is the host's, so that all but the GPU itself is met: wrapping,
// steps, conversion, errors. OpenCV may be built without CUDA, as Debian's is: a
// cv::cuda::Stream cannot even be made there, so a cudaStream_t takes its place.

#include "layers/cuda_network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <opencv2/dnn.hpp>

#include "solvers/engines/registry.h"
#include "tests/layers/device_memory.h"
#include "tests/layers/message_of.h"
#include "tests/solvers/compare.h"
#include "tests/solvers/random.h"
#include "tests/solvers/random_layer.h"
#include "tests/solvers/run.h"

namespace csc::test {
namespace {

using cv::cuda::GpuMat;
using ::testing::AllOf;
using ::testing::HasSubstr;

class CudaNetworkTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { ChooseDevice(); }
  void SetUp() override {
    for (const EngineInfo& info : KnownEngines()) {
      if (info.name == "cuda" && !info.present) GTEST_SKIP() << info.detail;
    }
  }
};

// A matrix on the device with the gaps between its rows.
class OnDevice {
 public:
  explicit OnDevice(const cv::Mat& mat)
      : memory_(mat.data, (mat.rows - 1) * mat.step + mat.cols * mat.elemSize()),
        mat_(mat.rows, mat.cols, mat.type(), memory_.get(), mat.step) {}

  GpuMat* get() { return &mat_; }
  const GpuMat* get() const { return &mat_; }
  // To a matrix of the same sizes and gaps.
  void Download(cv::Mat* mat) const { memory_.Download(mat->data); }

 private:
  DeviceMemory memory_;
  GpuMat mat_;
};

class ImagesOnDevice {
 public:
  explicit ImagesOnDevice(const std::vector<cv::Mat>& images) {
    for (const cv::Mat& image : images) {
      images_.emplace_back(image);
      list_.push_back(*images_.back().get());
    }
  }
  const std::vector<GpuMat>& get() const { return list_; }

 private:
  std::deque<OnDevice> images_;
  std::vector<GpuMat> list_;
};

// Images of one type, cut out of larger ones so that rows have gaps.
std::vector<cv::Mat> RandomImages(Random* random, int64_t count, const Shape& shape, int type) {
  std::vector<cv::Mat> images;
  const int rows = static_cast<int>(shape.height), columns = static_cast<int>(shape.width);
  for (int64_t n = 0; n < count; ++n) {
    const int left = static_cast<int>(random->Int(0, 3)), right = static_cast<int>(n % 3);
    cv::Mat around(rows + 2, left + columns + right, type);
    cv::RNG rng(random->Int(1, 1 << 30));
    rng.fill(around, cv::RNG::UNIFORM, 0, 256);
    images.push_back(around(cv::Rect(left, 1, columns, rows)));
  }
  return images;
}

std::vector<float> Row(const cv::Mat& mat, int row) {
  return {mat.ptr<float>(row), mat.ptr<float>(row) + mat.cols};
}

// Gives back what it gets.
Network Identity(int64_t channels) {
  return {{MakeLayerSpec("SoftThreshold", {}, 1)}, {{{channels}, std::vector<float>(channels)}}};
}

TEST_F(CudaNetworkTest, ConvertsPixelsOfEveryKind) {
  ForEachSeed(60, [&](Random* random) {
    const Shape shape = {random->Pick({1, 3}), random->Int(1, 9), random->Int(1, 9)};
    const int pixel_channels = shape.channels == 3 && random->Chance(0.4) ? 4 : shape.channels;
    const int type = CV_MAKETYPE(random->Chance(0.5) ? CV_8U : CV_32F, pixel_channels);
    const int64_t batch = random->Pick({1, 2, 31, 32, 33, 70});  // 32 travel with a launch
    std::vector<cv::Mat> images = RandomImages(random, batch, shape, type);
    PixelConversion conversion;
    conversion.swap_rb = shape.channels == 3 && random->Chance(0.5);
    for (int c = 0; c < 4; ++c) {
      conversion.mean[c] = random->Real(0, 255);
      conversion.scale[c] = random->Real(0.001, 2) * (c == 1 ? -1 : 1);
    }
    CudaNetwork network(Identity(shape.channels), shape);
    cv::Mat output(batch, shape.size(), CV_32F, cv::Scalar(-7));
    OnDevice result(output);
    network.Run(ImagesOnDevice(images).get(), conversion, result.get(), TestStream());
    result.Download(&output);
    for (int n = 0; n < batch; ++n) {
      cv::Mat pixels;
      images[n].convertTo(pixels, CV_32F);
      std::vector<float> expected;
      for (int c = 0; c < shape.channels; ++c) {
        const int source = conversion.swap_rb ? 2 - c : c;
        const float mean = conversion.mean[c], scale = conversion.scale[c];
        for (int y = 0; y < pixels.rows; ++y) {
          for (int x = 0; x < pixels.cols; ++x) {
            expected.push_back((pixels.ptr<float>(y, x)[source] - mean) * scale);
          }
        }
      }
      ASSERT_TRUE(SameBits(Row(output, n), expected)) << "image " << n;
    }
  });
}

TEST_F(CudaNetworkTest, LeavesTheCallersDeviceAsItWas) {
  if (CountDevices() < 2) GTEST_SKIP() << "there is no other device";
  Random random(1);
  const Shape shape = {3, 5, 4};
  const std::vector<cv::Mat> images = RandomImages(&random, 2, shape, CV_8UC3);
  cv::Mat output(2, shape.size(), CV_32F);
  OnDevice result(output);
  const ImagesOnDevice inputs(images);
  struct Other {
    Other() { SetCurrentDevice(1); }
    ~Other() { SetCurrentDevice(0); }
  } other;
  CudaNetwork network(Identity(shape.channels), shape);
  EXPECT_EQ(CurrentDevice(), 1);
  network.Run(inputs.get(), {}, result.get(), TestStream());
  EXPECT_EQ(CurrentDevice(), 1);
}

TEST_F(CudaNetworkTest, ConvertsAsBlobFromImagesDoes) {
  Random random(1);
  const Shape shape = {3, 8, 6};
  std::vector<cv::Mat> images = RandomImages(&random, 5, shape, CV_8UC3);
  PixelConversion conversion;
  conversion.scale = cv::Scalar::all(1 / 255.0);
  conversion.mean = {20, 100, 50};
  conversion.swap_rb = true;
  const cv::Mat blob =
      cv::dnn::blobFromImages(images, 1 / 255.0, {6, 8}, conversion.mean, conversion.swap_rb);
  CudaNetwork network(Identity(3), shape);
  cv::Mat output(5, shape.size(), CV_32F);
  OnDevice result(output);
  network.Run(ImagesOnDevice(images).get(), conversion, result.get(), TestStream());
  result.Download(&output);
  EXPECT_LT(cv::norm(output, cv::Mat(5, shape.size(), CV_32F, blob.data), cv::NORM_INF), 1e-6);
}

TEST_F(CudaNetworkTest, RunsEveryOperatorAsTheReferenceDoes) {
  PixelConversion conversion;
  conversion.scale = cv::Scalar::all(1 / 128.0);
  conversion.mean = cv::Scalar::all(128);
  for (const std::string& op : ProgramOperators()) {
    SCOPED_TRACE(op);
    const Shape shape = op == "Gemm" ? Shape{3, 1, 1} : Shape{3, 9, 8};
    ForEachSeed(3, [&](Random* random) {
      const LayerCase layer = RandomLayer(random, op, shape);
      const int batch = static_cast<int>(random->Int(1, 5));
      std::vector<cv::Mat> images = RandomImages(random, batch, shape, CV_8UC3);
      CudaNetwork network({{layer.spec}, layer.parameters}, shape);
      // Rows with gaps, which stay as they are.
      const int columns = static_cast<int>(network.output().size());
      cv::Mat around(batch, columns + 5, CV_32F, cv::Scalar(-7));
      cv::Mat output = around.colRange(0, columns);
      OnDevice result(output);
      network.Reserve(batch);
      network.Run(ImagesOnDevice(images).get(), conversion, result.get(), TestStream());
      result.Download(&output);

      const cv::Mat blob = cv::dnn::blobFromImages(images, 1 / 128.0, {}, conversion.mean);
      const std::vector<float> input(blob.ptr<float>(), blob.ptr<float>() + blob.total());
      const Work work = {batch, {input}, Flatten({layer}), {}};
      EXPECT_TRUE(CloseTo(std::vector<float>(output.clone().reshape(1, 1)),
                          RunInDouble(LayerProgram(layer), work).outputs[0]));
      EXPECT_EQ(cv::countNonZero(around.colRange(columns, columns + 5) != -7), 0);

      // The same from an array that is converted already.
      cv::Mat array = blob.reshape(1, batch), dense(batch, columns, CV_32F);
      OnDevice array_on_device(array), dense_on_device(dense);
      network.RunBlob(*array_on_device.get(), dense_on_device.get(), TestStream());
      dense_on_device.Download(&dense);
      EXPECT_LT(cv::norm(dense, output, cv::NORM_INF), 1e-4 * (1 + cv::norm(dense, cv::NORM_INF)));
    });
  }
}

TEST_F(CudaNetworkTest, SaysWhatDoesNotFit) {
  Random random(1);
  const Shape shape = {3, 4, 5};
  CudaNetwork network(Identity(3), shape);
  std::vector<cv::Mat> images = RandomImages(&random, 2, shape, CV_8UC3);
  cv::Mat memory(2, 60, CV_32F);
  OnDevice output(memory);
  const auto message = [&](std::vector<cv::Mat> some, const PixelConversion& conversion = {}) {
    return MessageOf(
        [&] { network.Run(ImagesOnDevice(some).get(), conversion, output.get(), TestStream()); });
  };
  EXPECT_THAT(message(images), "no exception");
  EXPECT_THAT(message({}), HasSubstr("no image found"));
  EXPECT_THAT(message(RandomImages(&random, 2, {3, 5, 4}, CV_8UC3)),
              AllOf(HasSubstr("csc::CudaNetwork: image 0 is 5 x 4 of CV_8UC3"),
                    HasSubstr("4 x 5 of CV_8UC3 expected")));
  EXPECT_THAT(message(RandomImages(&random, 2, shape, CV_16UC3)), HasSubstr("CV_16UC3"));
  EXPECT_THAT(message(RandomImages(&random, 2, shape, CV_8UC1)), HasSubstr("3 channels expected"));
  EXPECT_THAT(message({images[0], RandomImages(&random, 1, shape, CV_32FC3)[0]}),
              HasSubstr("image 1 is 4 x 5 of CV_32FC3"));

  cv::Mat floats(4, 16, CV_32F);
  const OnDevice aligned(floats);
  GpuMat odd(4, 5, CV_32FC3, aligned.get()->data + 1, floats.step);
  EXPECT_THAT(MessageOf([&] {
                network.Run({odd, odd}, {}, output.get(), TestStream());
              }),
              AllOf(HasSubstr("floats at address"), HasSubstr("multiples of 4 expected")));
  GpuMat odd_output(2, 60, CV_32F, output.get()->data + 2, memory.step);
  EXPECT_THAT(
      MessageOf([&] { network.Run(ImagesOnDevice(images).get(), {}, &odd_output, TestStream()); }),
      HasSubstr("output rows at address"));

  cv::Mat blob(2, 59, CV_32F);
  EXPECT_THAT(
      MessageOf([&] { network.RunBlob(*OnDevice(blob).get(), output.get(), TestStream()); }),
      HasSubstr("N x 60 of CV_32FC1"));
  if (cv::cuda::getCudaEnabledDeviceCount() == 0) {
    // An output of another size, which this OpenCV cannot make.
    EXPECT_THAT(message({images[0]}), AllOf(HasSubstr("the output is 2 x 60 of CV_32FC1"),
                                            HasSubstr("made 1 x 60 of CV_32FC1")));
  }

  CudaNetwork grey(Identity(1), {1, 4, 5});
  std::vector<cv::Mat> grey_images = RandomImages(&random, 1, {1, 4, 5}, CV_8UC1);
  PixelConversion swapped;
  swapped.swap_rb = true;
  EXPECT_THAT(MessageOf([&] {
                grey.Run(ImagesOnDevice(grey_images).get(), swapped, output.get(), TestStream());
              }),
              HasSubstr("swap_rb for a network of 1 channels"));
}

TEST_F(CudaNetworkTest, RefusesNetworksThatDoNotFit) {
  EXPECT_THAT(MessageOf([] {
                CudaNetwork(Identity(3), {2, 4, 5});
              }),
              HasSubstr("csc::CudaNetwork: "));
  Network damaged = Identity(3);
  damaged.parameters[0].data[1] = -1;
  EXPECT_THAT(MessageOf([&] {
                CudaNetwork(damaged, {3, 4, 5});
              }),
              AllOf(HasSubstr("csc::CudaNetwork: "), HasSubstr("b contains -1")));
}

}  // namespace
}  // namespace csc::test
