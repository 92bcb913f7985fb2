// The fused and the layered form through OpenCV with the plugin: the same
// numbers as the reference, for batches and sizes that change between runs.

#include <gtest/gtest.h>

#include "layers/csc_opencv.h"
#include "tests/training/onnx/opencv_run.h"
#include "tests/training/onnx/test_networks.h"
#include "training/onnx/onnx_file.h"

namespace csc {
namespace {

// What engines owe each other.
constexpr double kTolerance = 2e-5;

class PluginFormsTest : public testing::TestWithParam<TestNetwork> {
 protected:
  void SetUp() override { ASSERT_EQ(csc_register_layers(), 0) << csc_last_error(); }

  // Writes the network for `declared`, reads it with OpenCV and compares.
  void Check(OnnxForm form, const Shape& declared) {
    SCOPED_TRACE(ToString(form) + " for an input of " + ToString(declared));
    const TestNetwork& test = GetParam();
    const std::string path = testing::TempDir() + test.name + ".onnx";
    WriteOnnx(test.network, declared, form, path);
    cv::dnn::Net net = cv::dnn::readNetFromONNX(path);
    for (int64_t batch : {1, 3, 2, 1}) {
      SCOPED_TRACE("batch " + std::to_string(batch));
      const Tensor images = TestImages(test.input, batch, 9);
      ExpectClose(ReferenceOutput(test.network, test.input, images), RunOpenCv(&net, images),
                  kTolerance);
    }
  }
};

TEST_P(PluginFormsTest, FusedGivesTheReferencesNumbers) {
  Check(OnnxForm::kFused, GetParam().input);
}

TEST_P(PluginFormsTest, LayeredGivesTheReferencesNumbers) {
  Check(OnnxForm::kLayered, GetParam().input);
}

TEST_P(PluginFormsTest, OpenSizesAreFilledInAtRunTime) {
  const TestNetwork& test = GetParam();
  // A dense layer on a map of pixels needs its size when it is read.
  if (test.name == "dense_classifier") return;
  Check(OnnxForm::kFused, {test.input.channels, 0, 0});
  Check(OnnxForm::kLayered, {test.input.channels, 0, 0});
}

INSTANTIATE_TEST_SUITE_P(Networks, PluginFormsTest, testing::ValuesIn(TestNetworks()),
                         [](const auto& p) { return p.param.name; });

TEST(PluginSizesTest, ImagesMayBeOfOtherSizesThanDeclared) {
  ASSERT_EQ(csc_register_layers(), 0) << csc_last_error();
  const TestNetwork test = SmallClassifier();
  for (OnnxForm form : {OnnxForm::kFused, OnnxForm::kLayered}) {
    const std::string path = testing::TempDir() + "sizes_" + ToString(form) + ".onnx";
    WriteOnnx(test.network, test.input, form, path);
    cv::dnn::Net net = cv::dnn::readNetFromONNX(path);
    for (const Shape& shape : {Shape{3, 12, 10}, Shape{3, 18, 31}, Shape{3, 8, 8}}) {
      SCOPED_TRACE(ToString(form) + " on " + ToString(shape));
      const Tensor images = TestImages(shape, 2, 9);
      ExpectClose(ReferenceOutput(test.network, shape, images), RunOpenCv(&net, images),
                  kTolerance);
    }
  }
}

}  // namespace
}  // namespace csc
