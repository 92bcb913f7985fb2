// Every operator that is a program, read by OpenCV from ONNX bytes, on every
// engine present, against the reference interpreter in double.

#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>

#include "layers/csc_opencv.h"
#include "solvers/network/layer.h"
#include "solvers/network/network.h"
#include "solvers/program/cost.h"
#include "tests/layers/layer_case.h"
#include "tests/solvers/compare.h"

namespace csc::test {
namespace {

std::vector<std::string> PresentEngines() {
  std::vector<std::string> present;
  std::istringstream lines(csc_engines());
  for (std::string line; std::getline(lines, line);) {
    const size_t tab = line.find('\t');
    if (line.compare(tab + 1, 7, "present") == 0) {
      present.push_back(line.substr(0, tab));
    }
  }
  return present;
}

class OperatorTest : public testing::TestWithParam<std::tuple<std::string, LayerCase>> {
 protected:
  void SetUp() override {
    const std::string& engine = std::get<0>(GetParam());
    ASSERT_EQ(csc_set_engine(engine.c_str()), 0) << csc_last_error();
  }
  void TearDown() override { csc_set_engine(""); }
  const LayerCase& layer() const { return std::get<1>(GetParam()); }
};

TEST_P(OperatorTest, ComputesWhatTheReferenceComputes) {
  cv::dnn::Net net = ReadNet(layer());
  const cv::Mat input = Image(layer().input, 100);
  const cv::Mat output = Forward(&net, input);
  EXPECT_TRUE(CloseTo(ToVector(output), Expected(layer(), input)));
  EXPECT_EQ(csc_last_engine("node"), std::get<0>(GetParam()));
}

TEST_P(OperatorTest, FollowsChangingBatchAndSize) {
  cv::dnn::Net net = ReadNet(layer());
  Dims bigger = layer().input;
  // Networks that end in a fully connected layer, and syntheses of a given
  // size, fix their input's size.
  const bool fixed = layer().attributes.count("output_size") > 0;
  const Dims first = bigger;
  for (int round = 0; round < 4; ++round) {
    bigger[0] = round % 2 == 0 ? first[0] + 3 : 1;
    if (!fixed) bigger[2] = first[2] + (round >= 2 ? 0 : 4);
    if (!fixed) bigger[3] = first[3] + 2 * round;
    const cv::Mat input = Image(bigger, 101 + round);
    EXPECT_TRUE(CloseTo(ToVector(Forward(&net, input)), Expected(layer(), input)))
        << "for an input of " << ToString(bigger);
  }
}

TEST_P(OperatorTest, RepeatsItsBits) {
  cv::dnn::Net net = ReadNet(layer());
  const cv::Mat input = Image(layer().input, 102);
  const std::vector<float> first = ToVector(Forward(&net, input));
  net.setInput(Image(layer().input, 103));
  net.forward();
  EXPECT_TRUE(SameBits(ToVector(Forward(&net, input)), first));
}

TEST_P(OperatorTest, HasTheSameBitsOnOneThreadAndOnMany) {
  const int threads = cv::getNumThreads();
  Dims dims = layer().input;
  dims[0] = 9;
  // Denormal numbers come up: workers must flush them as the caller does.
  const cv::Mat input = Image(dims, 104) * 1e-37;
  std::vector<float> results[2];
  for (int i = 0; i < 2; ++i) {
    cv::setNumThreads(i == 0 ? 1 : 4);
    cv::dnn::Net net = ReadNet(layer());
    results[i] = ToVector(Forward(&net, input));
  }
  cv::setNumThreads(threads);
  EXPECT_TRUE(SameBits(results[0], results[1]));
}

TEST_P(OperatorTest, SaysItsShapeAndFlops) {
  cv::dnn::Net net = ReadNet(layer());
  const Dims& in = layer().input;
  const cv::dnn::MatShape shape(in.begin(), in.end());
  const Program program = ProgramOf(layer(), in);
  const Shape out = program.shape(program.outputs()[0]);
  std::vector<cv::dnn::MatShape> ins, outs;
  net.getLayerShapes(shape, net.getLayerId("onnx_node!node"), ins, outs);
  ASSERT_EQ(outs.size(), 1u);
  EXPECT_EQ(Dims(outs[0].begin(), outs[0].end()),
            (Dims{in[0], out.channels, out.height, out.width}));
  EXPECT_GT(net.getFLOPS(shape), 0);
  EXPECT_EQ(net.getFLOPS(shape), in[0] * CostOf(program).flops());
}

TEST_P(OperatorTest, LeavesSymbolicSizesOpen) {
  const Dims& in = layer().input;
  for (const Dims& declared : {Dims{-1, in[1], in[2], in[3]}, Dims{-1, in[1], -1, -1},
                               Dims{-1, -1, -1, -1}, Dims{in[0], in[1], -1, in[3]}}) {
    cv::dnn::Net net = ModelOf(layer(), declared).Read();
    const cv::Mat input = Image(in, 105);
    EXPECT_TRUE(CloseTo(ToVector(Forward(&net, input)), Expected(layer(), input)))
        << "declared as " << ToString(declared);
  }
}

TEST(EnginesTest, TheLibraryThatWasAskedForIsThere) {
  if (std::getenv("CSC_CUDA_LIBRARY") == nullptr) GTEST_SKIP() << "no library was asked for";
  EXPECT_NE(std::string(csc_engines()).find("cuda\tpresent"), std::string::npos) << csc_engines();
}

// A global average takes a window of any size, unlike filters.
TEST(NetworkTest, AveragesLargeImages) {
  LayerCase c = {"", "Network", {}, {{{1}, {0.25f}}}, {1, 2, 300, 260}};
  c.attributes["spec"] =
      WriteSpec({MakeLayerSpec("SoftThreshold", {}, 1), MakeLayerSpec("GlobalAveragePool", {}, 0)});
  cv::dnn::Net net = ReadNet(c);
  const cv::Mat input = Image(c.input, 107);
  EXPECT_TRUE(CloseTo(ToVector(Forward(&net, input)), Expected(c, input)));
}

// OpenCV hands over sub-arrays where it joins or cuts channels.
TEST_P(OperatorTest, WorksBetweenSliceAndConcatenation) {
  const Dims& in = layer().input;
  OnnxModel model = ModelOf(layer(), {-1, 2 * in[1], in[2], in[3]});
  auto* graph = model.proto().mutable_graph();
  // x -> split -> the layer twice -> concatenation
  onnx::NodeProto second = graph->node(0);
  graph->mutable_node(0)->set_input(0, "first");
  second.set_name("second");
  second.set_input(0, "last");
  second.set_output(0, "z");
  onnx::NodeProto first = graph->node(0);
  graph->clear_node();
  SetAttribute(model.Node("", "Split", "split", {"x"}, {"first", "last"}), "axis", int64_t{1});
  *graph->add_node() = first;
  *graph->add_node() = second;
  SetAttribute(model.Node("", "Concat", "concat", {"y", "z"}, {"joined"}), "axis", int64_t{1});
  graph->mutable_output(0)->set_name("joined");
  cv::dnn::Net net = model.Read();
  for (int64_t batch : {1, 3, 1}) {
    const cv::Mat input = Image({batch, 2 * in[1], in[2], in[3]}, 106);
    const cv::Mat output = Forward(&net, input);
    for (int half = 0; half < 2; ++half) {
      const auto part = [half](const cv::Mat& mat) {
        const int channels = mat.size[1] / 2;
        std::vector<cv::Range> ranges(4, cv::Range::all());
        ranges[1] = cv::Range(half * channels, (half + 1) * channels);
        return mat(ranges).clone();
      };
      EXPECT_TRUE(CloseTo(ToVector(part(output)), Expected(layer(), part(input))))
          << "half " << half << " of a batch of " << batch;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, OperatorTest,
                         testing::Combine(testing::ValuesIn(PresentEngines()),
                                          testing::ValuesIn(ProgramCases())),
                         [](const auto& test) {
                           return std::get<0>(test.param) + "_" + std::get<1>(test.param).title;
                         });

}  // namespace
}  // namespace csc::test
