// The three forms of a network say the same, and the readable ones come back
// as they were, bit for bit.

#include "training/onnx/onnx_file.h"

#include <gtest/gtest.h>
#include <onnx/onnx-ml.pb.h>

#include <cstdio>
#include <fstream>

#include "solvers/error.h"
#include "solvers/program/program.h"
#include "tests/training/onnx/opencv_run.h"
#include "tests/training/onnx/test_networks.h"

namespace csc {
namespace {

// OpenCV sums in float, in another order, and the portable form folds steps
// into filters: some dozens of roundings on paths of a few hundred products.
constexpr double kTolerance = 1e-5;

std::string TemporaryPath(const std::string& name) { return testing::TempDir() + name + ".onnx"; }

class OnnxFormTest : public testing::TestWithParam<TestNetwork> {
 protected:
  std::string Path(OnnxForm form) const {
    return TemporaryPath(GetParam().name + "_" + ToString(form));
  }
};

void ExpectSameBits(const Network& a, const Network& b) {
  ASSERT_EQ(a.parameters.size(), b.parameters.size());
  for (size_t i = 0; i < a.parameters.size(); ++i) {
    EXPECT_EQ(a.parameters[i].data, b.parameters[i].data) << "constant " << i;
  }
}

TEST_P(OnnxFormTest, FusedComesBackAsItWas) {
  const TestNetwork& test = GetParam();
  WriteOnnx(test.network, test.input, OnnxForm::kFused, Path(OnnxForm::kFused));
  const OnnxModel model = ReadOnnx(Path(OnnxForm::kFused));
  EXPECT_EQ(model.input, test.input);
  EXPECT_EQ(WriteSpec(model.network.layers), WriteSpec(test.network.layers));
  ExpectSameBits(model.network, test.network);
}

TEST_P(OnnxFormTest, LayeredComesBackAsTheSameProgram) {
  const TestNetwork& test = GetParam();
  WriteOnnx(test.network, test.input, OnnxForm::kLayered, Path(OnnxForm::kLayered));
  const OnnxModel model = ReadOnnx(Path(OnnxForm::kLayered));
  EXPECT_EQ(model.input, test.input);
  ExpectSameBits(model.network, test.network);
  // Pads have been written out, so the specs may differ; what they mean not.
  EXPECT_EQ(BuildProgram(model.network, test.input).ToString(),
            BuildProgram(test.network, test.input).ToString());

  // Written again it is the same file.
  const std::string again = Path(OnnxForm::kLayered) + "_again";
  WriteOnnx(model.network, model.input, OnnxForm::kLayered, again);
  std::ifstream first(Path(OnnxForm::kLayered)), second(again);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(first), {}),
            std::string(std::istreambuf_iterator<char>(second), {}));
}

TEST_P(OnnxFormTest, PortableGivesTheSameInOpenCvWhateverTheBatch) {
  const TestNetwork& test = GetParam();
  WriteOnnx(test.network, test.input, OnnxForm::kPortable, Path(OnnxForm::kPortable));
  cv::dnn::Net net = cv::dnn::readNetFromONNX(Path(OnnxForm::kPortable));
  for (int64_t batch : {1, 3, 2, 1}) {
    SCOPED_TRACE("batch " + std::to_string(batch));
    const Tensor images = TestImages(test.input, batch, 9);
    ExpectClose(ReferenceOutput(test.network, test.input, images), RunOpenCv(&net, images),
                kTolerance);
  }
}

TEST_P(OnnxFormTest, PortableIsNotReadBackAndSaysSo) {
  const TestNetwork& test = GetParam();
  WriteOnnx(test.network, test.input, OnnxForm::kPortable, Path(OnnxForm::kPortable));
  try {
    ReadOnnx(Path(OnnxForm::kPortable));
    FAIL() << "an error expected";
  } catch (const Error& error) {
    const std::string message = error.what();
    // A lone MaxPool would be a network; every test network starts otherwise.
    EXPECT_NE(message.find("portable"), std::string::npos) << message;
  }
}

INSTANTIATE_TEST_SUITE_P(Networks, OnnxFormTest, testing::ValuesIn(TestNetworks()),
                         [](const auto& p) { return p.param.name; });

TEST(OnnxFileTest, ALayerThatOnlySpecsKnowIsANetworkOfOneLayerInTheLayeredForm) {
  for (const TestNetwork& test : TestNetworks()) {
    if (test.name != "dense_csc_classifier") continue;
    const std::string path = TemporaryPath("spec_layer");
    WriteOnnx(test.network, test.input, OnnxForm::kLayered, path);
    onnx::ModelProto model;
    std::ifstream file(path, std::ios::binary);
    ASSERT_TRUE(model.ParseFromIstream(&file));
    const onnx::NodeProto& node = model.graph().node(1);
    EXPECT_EQ(node.domain(), "csc");
    EXPECT_EQ(node.op_type(), "Network");
    ASSERT_EQ(node.attribute_size(), 1);
    EXPECT_EQ(node.attribute(0).s(), WriteSpec({test.network.layers[1]}));
    return;
  }
  FAIL() << "no test network has such a layer";
}

TEST(OnnxFileTest, LabelsComeBackFromEveryReadableForm) {
  const TestNetwork test = SmallClassifier();
  const std::vector<std::string> labels = {"cat", "Hündin", "a \"b\", c", "line\nbreak"};
  for (OnnxForm form : {OnnxForm::kFused, OnnxForm::kLayered}) {
    const std::string path = TemporaryPath("labels_" + ToString(form));
    WriteOnnx(test.network, test.input, form, path, labels);
    EXPECT_EQ(ReadOnnx(path).labels, labels);
  }
}

TEST(OnnxFileTest, OpenSizesStayOpen) {
  TestNetwork test = SmallClassifier();
  for (OnnxForm form : {OnnxForm::kFused, OnnxForm::kLayered}) {
    const std::string path = TemporaryPath("open_" + ToString(form));
    WriteOnnx(test.network, {3, 0, 0}, form, path);
    EXPECT_EQ(ReadOnnx(path).input, (Shape{3, 0, 0}));
  }
  EXPECT_THROW(WriteOnnx(test.network, {3, 0, 0}, OnnxForm::kPortable, TemporaryPath("open")),
               Error);
}

TEST(OnnxFileTest, ToleranceOfALassoComesBackAsWritten) {
  const TestNetwork test = OneLayer(
      "lasso", "Lasso", {{"tolerance", 1e-4}, {"step", 0.1}, {"max_iterations", int64_t{7}}},
      {{4, 2, 3, 3}, {4}}, {2, 6, 6});
  const std::string path = TemporaryPath("lasso");
  WriteOnnx(test.network, test.input, OnnxForm::kLayered, path);
  const LayerSpec layer = ReadOnnx(path).network.layers[0];
  EXPECT_EQ(layer.Float("tolerance"), 1e-4);
  EXPECT_EQ(layer.Float("step"), 0.1);
  EXPECT_EQ(layer.Int("max_iterations"), 7);
  // It iterates until converged, so it is no straight line of nodes.
  EXPECT_THROW(WriteOnnx(test.network, test.input, OnnxForm::kPortable, path), Error);
  EXPECT_THROW(WriteOnnx(test.network, test.input, OnnxForm::kFused, path), Error);
}

TEST(OnnxFileTest, WhatCannotBeWrittenLeavesTheOldFile) {
  const TestNetwork test = SmallClassifier();
  const std::string path = TemporaryPath("kept");
  WriteOnnx(test.network, test.input, OnnxForm::kFused, path);
  Network broken = test.network;
  broken.parameters[0].data[0] = NAN;
  EXPECT_THROW(WriteOnnx(broken, test.input, OnnxForm::kFused, path), Error);
  EXPECT_THROW(WriteOnnx(test.network, {5, 12, 10}, OnnxForm::kFused, path), Error);
  EXPECT_THROW(WriteOnnx(test.network, test.input, OnnxForm::kFused, path, {"one"}), Error);
  EXPECT_THROW(WriteOnnx({}, test.input, OnnxForm::kFused, path), Error);
  EXPECT_THROW(WriteOnnx(test.network, test.input, OnnxForm::kFused, "/nowhere/model.onnx"), Error);
  ExpectSameBits(ReadOnnx(path).network, test.network);
}

TEST(OnnxFileTest, FormsHaveNames) {
  for (OnnxForm form : {OnnxForm::kFused, OnnxForm::kLayered, OnnxForm::kPortable}) {
    EXPECT_EQ(ParseOnnxForm(ToString(form)), form);
  }
  EXPECT_THROW(ParseOnnxForm("Fused"), Error);
}

}  // namespace
}  // namespace csc
