// Every library that third_party/ declares can be included, linked and called, and the installed
// file is of the version whose headers we compiled against. A failure here explains many failures
// elsewhere.

#include <benchmark/benchmark.h>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hwy/highway.h>
#include <hwy/targets.h>
#include <isa-l/crc.h>
#include <matio.h>
#include <onnx/onnx-ml.pb.h>
#include <onnx/onnx_pb.h>
#include <png.h>

#include <CLI/CLI.hpp>
#include <dnnl.hpp>
#include <nlohmann/json.hpp>
#include <opencv2/core.hpp>
#include <opencv2/dnn.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <string>
#include <vector>

namespace {

TEST(SystemLibraries, OpenCvIsTheVersionOfItsHeaders) {
  EXPECT_EQ(cv::getVersionString(), CV_VERSION);
}

TEST(SystemLibraries, OpenCvDnnMakesABlobOfAnImage) {
  const cv::Mat image(4, 6, CV_8UC3, cv::Scalar(1, 2, 3));
  const cv::Mat blob = cv::dnn::blobFromImage(image);
  ASSERT_EQ(blob.dims, 4);
  EXPECT_EQ(blob.size[1], 3);
  EXPECT_EQ(blob.size[2], 4);
  EXPECT_EQ(blob.size[3], 6);
  EXPECT_EQ(blob.at<float>(0), 1.0F);
}

TEST(SystemLibraries, OpenCvKeepsAPngAsItWas) {
  cv::Mat image(5, 7, CV_8UC3, cv::Scalar(9, 8, 7));
  cv::rectangle(image, cv::Rect(1, 1, 3, 2), cv::Scalar(200, 100, 50), cv::FILLED);
  std::vector<uchar> png;
  ASSERT_TRUE(cv::imencode(".png", image, png));
  EXPECT_EQ(cv::norm(cv::imdecode(png, cv::IMREAD_COLOR), image, cv::NORM_INF), 0);
}

TEST(SystemLibraries, OneDnnIsTheVersionOfItsHeadersAndHasACpuEngine) {
  const dnnl_version_t* version = dnnl_version();
  EXPECT_EQ(version->major, DNNL_VERSION_MAJOR);
  EXPECT_EQ(version->minor, DNNL_VERSION_MINOR);
  EXPECT_GE(dnnl::engine::get_count(dnnl::engine::kind::cpu), 1U);
}

TEST(SystemLibraries, AnOnnxModelSurvivesSerialisation) {
  onnx::ModelProto model;
  model.set_ir_version(onnx::IR_VERSION);
  onnx::NodeProto* node = model.mutable_graph()->add_node();
  node->set_domain("csc");
  node->set_op_type("MsdCsc");

  onnx::ModelProto parsed;
  ASSERT_TRUE(parsed.ParseFromString(model.SerializeAsString()));
  ASSERT_EQ(parsed.graph().node_size(), 1);
  EXPECT_EQ(parsed.graph().node(0).domain(), "csc");
  EXPECT_FALSE(parsed.ParseFromString("not a model"));
}

TEST(SystemLibraries, HighwayFindsVectorsOnThisMachine) {
  EXPECT_NE(hwy::SupportedTargets(), 0);
  const hwy::HWY_NAMESPACE::ScalableTag<float> tag;
  EXPECT_GE(hwy::HWY_NAMESPACE::Lanes(tag), 1U);
}

TEST(SystemLibraries, IsaLKnowsTheChecksumOfItsStandard) {
  unsigned char digits[] = "123456789";
  EXPECT_EQ(~crc32_iscsi(digits, 9, ~0u), 0xe3069283u);
}

TEST(SystemLibraries, LibpngIsTheVersionOfItsHeaders) {
  EXPECT_EQ(png_access_version_number(), png_uint_32{PNG_LIBPNG_VER});
}

TEST(SystemLibraries, FmtFormats) { EXPECT_EQ(fmt::format("{} of {:.1f}", 3, 0.25), "3 of 0.2"); }

TEST(SystemLibraries, JsonParses) {
  EXPECT_EQ(nlohmann::json::parse(R"({"width": 32})").at("width").get<int>(), 32);
}

TEST(SystemLibraries, MatioIsTheVersionOfItsHeaders) {
  int major = 0;
  int minor = 0;
  int release = 0;
  Mat_GetLibraryVersion(&major, &minor, &release);
  EXPECT_EQ(major, MATIO_MAJOR_VERSION);
  EXPECT_EQ(minor, MATIO_MINOR_VERSION);
  EXPECT_EQ(release, MATIO_RELEASE_LEVEL);
}

TEST(SystemLibraries, Cli11ParsesALongOption) {
  CLI::App app;
  int epochs = 0;
  app.add_option("--epochs", epochs);
  app.parse("--epochs 7");
  EXPECT_EQ(epochs, 7);
}

TEST(SystemLibraries, GoogleBenchmarkRegisters) {
  EXPECT_NE(benchmark::RegisterBenchmark("nothing", [](benchmark::State&) {}), nullptr);
}

TEST(SystemLibraries, GoogleMockMatches) {
  EXPECT_THAT((std::vector<int>{1, 2}), testing::ElementsAre(1, 2));
}

}  // namespace
