// Choosing engines, asking what ran, and what the plugin keeps of its word
// beyond numbers.

#include <gtest/gtest.h>

#include <cstdlib>
#include <opencv2/dnn/layer.hpp>
#include <sstream>
#include <string>
#include <thread>

#include "layers/csc_opencv.h"
#include "solvers/network/operator.h"
#include "tests/layers/layer_case.h"
#include "tests/layers/message_of.h"
#include "tests/solvers/compare.h"

namespace csc::test {
namespace {

class EnginesTest : public testing::Test {
 protected:
  void TearDown() override {
    csc_set_engine("");
    unsetenv("CSC_ENGINE");
    unsetenv("CSC_VERBOSE");
    unsetenv("CSC_ARITHMETIC");
  }
  const LayerCase case_ = MinimalCase("SoftThreshold");
  const cv::Mat input_ = Image(case_.input, 500);
};

TEST_F(EnginesTest, LoadingRegistersEveryOperatorOfTheContract) {
  for (const OperatorSchema& schema : AllOperators()) {
    if (schema.domain != "csc") continue;
    EXPECT_TRUE(cv::dnn::LayerFactory::isLayerRegistered("csc." + schema.name)) << schema.name;
  }
  EXPECT_TRUE(cv::dnn::LayerFactory::isLayerRegistered("csc.Network"));
}

TEST_F(EnginesTest, LoadingRegistersNothingThatOnlySpecsKnow) {
  int found = 0;
  for (const OperatorSchema& schema : AllOperators()) {
    if (schema.domain != kSpecDomain) continue;
    ++found;
    EXPECT_FALSE(cv::dnn::LayerFactory::isLayerRegistered("csc." + schema.name)) << schema.name;
  }
  EXPECT_GT(found, 0);
}

TEST_F(EnginesTest, RegisteringAgainChangesNothing) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([] {
      for (int k = 0; k < 100; ++k) EXPECT_EQ(csc_register_layers(), 0);
    });
  }
  for (std::thread& thread : threads) thread.join();
  cv::dnn::Net net = ReadNet(case_);
  EXPECT_TRUE(CloseTo(ToVector(Forward(&net, input_)), Expected(case_, input_)));
}

TEST_F(EnginesTest, KnowsItsEngines) {
  const std::string engines = csc_engines();
  EXPECT_NE(engines.find("reference\tpresent\t"), engines.npos) << engines;
  EXPECT_NE(engines.find("cuda\t"), engines.npos) << engines;
  EXPECT_NE(engines.find(csc_engine()), engines.npos);
}

TEST_F(EnginesTest, TheArgumentGoesBeforeTheEnvironment) {
  setenv("CSC_ENGINE", "reference", 1);
  EXPECT_STREQ(csc_engine(), "reference");
  setenv("CSC_ENGINE", "abacus", 1);
  EXPECT_EQ(csc_set_engine("reference"), 0);
  cv::dnn::Net net = ReadNet(case_);
  Forward(&net, input_);
  EXPECT_STREQ(csc_last_engine("node"), "reference");
}

TEST_F(EnginesTest, AnUnknownEngineInTheEnvironmentIsAnError) {
  setenv("CSC_ENGINE", "abacus", 1);
  EXPECT_STREQ(csc_engine(), "");
  EXPECT_NE(std::string(csc_last_error()).find("abacus"), std::string::npos);
  cv::dnn::Net net = ReadNet(case_);  // reading needs no engine
  const std::string message = MessageOf([&] { Forward(&net, input_); });
  EXPECT_NE(message.find("layer \"node\""), message.npos) << message;
  EXPECT_NE(message.find("\"abacus\" is unknown"), message.npos) << message;
  EXPECT_NE(message.find("reference"), message.npos) << message;
  EXPECT_STREQ(csc_last_engine("node"), "");
  // The same network runs once the name is right.
  setenv("CSC_ENGINE", "reference", 1);
  EXPECT_TRUE(CloseTo(ToVector(Forward(&net, input_)), Expected(case_, input_)));
}

TEST_F(EnginesTest, AnAbsentEngineIsAnErrorThatSaysWhatIsMissing) {
  const std::string engines = csc_engines();
  if (engines.find("cuda\tabsent") == engines.npos) {
    GTEST_SKIP() << "all engines are present";
  }
  EXPECT_EQ(csc_set_engine("cuda"), -1);
  const std::string error = csc_last_error();
  EXPECT_NE(error.find("engine \"cuda\" is absent: "), error.npos) << error;
  EXPECT_STRNE(csc_engine(), "cuda");
  setenv("CSC_ENGINE", "cuda", 1);
  cv::dnn::Net net = ReadNet(case_);
  const std::string message = MessageOf([&] { Forward(&net, input_); });
  EXPECT_NE(message.find("engine \"cuda\" is absent: "), message.npos) << message;
}

TEST_F(EnginesTest, AnUnknownEngineLeavesTheChoiceAsItWas) {
  ASSERT_EQ(csc_set_engine("reference"), 0);
  EXPECT_EQ(csc_set_engine("abacus"), -1);
  EXPECT_STRNE(csc_last_error(), "");
  EXPECT_STREQ(csc_engine(), "reference");
  EXPECT_EQ(csc_set_engine(nullptr), 0);
}

TEST_F(EnginesTest, AChangeOfEngineReachesNetworksReadBefore) {
  cv::dnn::Net net = ReadNet(case_);
  Forward(&net, input_);
  const std::string best = csc_engine();
  EXPECT_EQ(csc_last_engine("node"), best);
  ASSERT_EQ(csc_set_engine("reference"), 0);
  Forward(&net, input_);
  EXPECT_STREQ(csc_last_engine("node"), "reference");
}

TEST_F(EnginesTest, ReportsLivingLayersOnly) {
  {
    cv::dnn::Net net = ReadNet(case_);
    EXPECT_STREQ(csc_report(), "");
    Forward(&net, input_);
    Forward(&net, input_);
    EXPECT_EQ(std::string(csc_report()),
              std::string("node\tSoftThreshold\t[2, 3, 5, 4]\t") + csc_engine() + "\t2\n");
  }
  EXPECT_STREQ(csc_report(), "");
  EXPECT_STREQ(csc_last_engine("node"), "");
}

TEST_F(EnginesTest, VerboseSaysOnceWhatWasPrepared) {
  setenv("CSC_VERBOSE", "1", 1);
  cv::dnn::Net net = ReadNet(case_);
  testing::internal::CaptureStderr();
  Forward(&net, input_);
  Forward(&net, input_);
  const std::string text = testing::internal::GetCapturedStderr();
  const std::string start = "csc: layer \"node\" (SoftThreshold)";
  EXPECT_EQ(text.find(start), text.rfind(start)) << text;
  EXPECT_NE(text.find(start), text.npos) << text;
  EXPECT_NE(text.find(std::string("engine ") + csc_engine()), text.npos) << text;
  unsetenv("CSC_VERBOSE");
  cv::dnn::Net quiet = ReadNet(case_);
  testing::internal::CaptureStderr();
  Forward(&quiet, input_);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST_F(EnginesTest, MoreVerboseSaysWhatComputesEachInstruction) {
  setenv("CSC_VERBOSE", "2", 1);
  ASSERT_EQ(csc_set_engine("onednn"), 0) << csc_last_error();
  LayerCase c = MinimalCase("MsdCsc");
  cv::dnn::Net net = ReadNet(c);
  testing::internal::CaptureStderr();
  Forward(&net, Image(c.input, 501));
  std::istringstream lines(testing::internal::GetCapturedStderr());
  std::string line;
  std::getline(lines, line);
  EXPECT_EQ(line.rfind("csc: layer \"node\" (MsdCsc)", 0), 0u) << line;
  EXPECT_EQ(line.find('%'), line.npos) << line;  // reasons are for the lines below
  int maps = 0;
  while (std::getline(lines, line)) {
    EXPECT_EQ(line.rfind("csc:  ", 0), 0u) << line;
    if (line.find("analysis F 3x3") == line.npos) continue;
    ++maps;
    EXPECT_NE(line.find(")", line.find(": ")), line.npos) << line;
  }
  EXPECT_GT(maps, 0);
}

// Of the engine on the host, whose tables have small maps among what cuDNN serves.
TEST_F(EnginesTest, VerboseCountsTheAlgorithmsOfTheCudaEngine) {
  if (getenv("CSC_CUDA_LIBRARY") == nullptr) GTEST_SKIP() << "CSC_CUDA_LIBRARY names no engine";
  setenv("CSC_VERBOSE", "1", 1);
  setenv("CSC_ARITHMETIC", "tf32", 1);
  ASSERT_EQ(csc_set_engine("cuda"), 0) << csc_last_error();
  const auto verbose = [](const LayerCase& c) {
    cv::dnn::Net net = ReadNet(c);
    testing::internal::CaptureStderr();
    Forward(&net, Image(c.input, 501));
    return testing::internal::GetCapturedStderr();
  };
  EXPECT_EQ(verbose(MinimalCase("MsdCsc")),
            "csc: layer \"node\" (MsdCsc), input [2, 3, 6, 7], engine cuda: 5 x tensor cores, "
            "tf32\n");
  // Whose reason, "strided synthesis", is for the lines of CSC_VERBOSE=2.
  const std::string synthesis = verbose(MinimalCase("Synthesis"));
  EXPECT_NE(synthesis.find(", engine cuda: cuDNN, tf32\n"), synthesis.npos) << synthesis;
  EXPECT_EQ(synthesis.find("strided"), synthesis.npos) << synthesis;
  // Values that are kept in bfloat16 are no reason.
  setenv("CSC_ARITHMETIC", "bf16", 1);
  const std::string pairs = verbose(MinimalCase("MsdCsc"));
  EXPECT_NE(pairs.find(", engine cuda: 5 x tensor cores, bf16\n"), pairs.npos) << pairs;
}

TEST_F(EnginesTest, VerboseSaysHowALassoIsSolved) {
  setenv("CSC_VERBOSE", "1", 1);
  LayerCase c = MinimalCase("Lasso");
  cv::dnn::Net net = ReadNet(c);
  testing::internal::CaptureStderr();
  Forward(&net, Image(c.input, 502));
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_NE(text.find(": fista, step "), text.npos) << text;
  EXPECT_NE(text.find("at most 20 iterations, tolerance 0.0001\n"), text.npos) << text;
}

TEST_F(EnginesTest, VerbosityThatMeansNothingIsRefused) {
  setenv("CSC_VERBOSE", "yes", 1);
  cv::dnn::Net net = ReadNet(case_);
  const std::string message = MessageOf([&] { Forward(&net, input_); });
  EXPECT_NE(message.find("CSC_VERBOSE is \"yes\": 0, 1 or 2 expected"), message.npos) << message;
}

TEST_F(EnginesTest, NewConstantsAreUsedFromTheNextRunOn) {
  LayerCase c = case_;
  cv::dnn::Net net = ReadNet(c);
  Forward(&net, input_);
  c.constants[0].data = {0.7f};
  net.setParam(net.getLayerId("onnx_node!node"), 0, cv::Mat(1, 1, CV_32F, cv::Scalar(0.7)));
  EXPECT_TRUE(CloseTo(ToVector(Forward(&net, input_)), Expected(c, input_)));
  net.setParam(net.getLayerId("onnx_node!node"), 0, cv::Mat(1, 1, CV_32F, cv::Scalar(-0.7)));
  const std::string message = MessageOf([&] { Forward(&net, input_); });
  EXPECT_NE(message.find("b contains -0.7"), message.npos) << message;
}

// Layers that are made without a network, by either spelling of attributes.
TEST_F(EnginesTest, LayersWorkWithoutANetwork) {
  const LayerCase c = ProgramCases()[2];
  ASSERT_EQ(c.title, "LayeredThreshold");
  const std::map<std::string, std::string> aliases = {{"strides", "stride"},
                                                      {"pads", "pad"},
                                                      {"dilations", "dilation"},
                                                      {"kernel_shape", "kernel_size"}};
  for (bool renamed : {false, true}) {
    cv::dnn::LayerParams params;
    params.name = "alone";
    for (const auto& [name, value] : c.attributes) {
      const Ints& list = std::get<Ints>(value);
      params.set(renamed ? aliases.at(name) : name,
                 cv::dnn::DictValue::arrayInt(list.begin(), list.size()));
    }
    for (const Tensor& tensor : c.constants) {
      std::vector<int> sizes(tensor.dims.begin(), tensor.dims.end());
      cv::Mat blob(sizes, CV_32F);
      std::copy(tensor.data.begin(), tensor.data.end(), blob.ptr<float>());
      params.blobs.push_back(blob);
    }
    cv::Ptr<cv::dnn::Layer> layer =
        cv::dnn::LayerFactory::createLayerInstance("csc.LayeredThreshold", params);
    ASSERT_TRUE(layer);
    const cv::Mat input = Image(c.input, 501);
    std::vector<cv::dnn::MatShape> shapes, internals;
    EXPECT_FALSE(layer->getMemoryShapes({cv::dnn::MatShape(c.input.begin(), c.input.end())}, 0,
                                        shapes, internals));
    // Outputs that are no continuous array.
    std::vector<int> wide = shapes[0];
    wide[3] += 5;
    cv::Mat around(wide, CV_32F, cv::Scalar(77));
    std::vector<cv::Range> inner(4, cv::Range::all());
    inner[3] = cv::Range(2, 2 + shapes[0][3]);
    std::vector<cv::Mat> outputs = {around(inner)}, none;
    layer->forward(std::vector<cv::Mat>{input}, outputs, none);
    EXPECT_TRUE(CloseTo(ToVector(around(inner)), Expected(c, input)));
    EXPECT_EQ(around.ptr<float>()[0], 77);
    EXPECT_TRUE(layer->supportBackend(cv::dnn::DNN_BACKEND_OPENCV));
    EXPECT_FALSE(layer->supportBackend(cv::dnn::DNN_BACKEND_CUDA));
  }
}

TEST_F(EnginesTest, InputAndOutputMayShareMemory) {
  cv::dnn::LayerParams params;
  params.blobs = {cv::Mat(1, 1, CV_32F, cv::Scalar(0.3))};
  cv::Ptr<cv::dnn::Layer> layer =
      cv::dnn::LayerFactory::createLayerInstance("csc.SoftThreshold", params);
  const std::vector<double> expected = Expected(case_, input_);
  cv::Mat image = input_.clone();
  std::vector<cv::Mat> inputs = {image}, outputs = {image}, none;
  layer->forward(inputs, outputs, none);
  EXPECT_TRUE(CloseTo(ToVector(image), expected));
}

}  // namespace
}  // namespace csc::test
