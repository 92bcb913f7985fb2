// csc.Lasso and csc.Synthesis with a run-time `like`: the layers with more
// than one output or input.

#include "solvers/algorithms/lasso.h"

#include <gtest/gtest.h>

#include <cmath>

#include "solvers/engines/reference/interpreter.h"
#include "solvers/engines/registry.h"
#include "tests/layers/layer_case.h"
#include "tests/solvers/compare.h"

namespace csc::test {
namespace {

struct Solution {
  std::vector<float> codes, iterations, objectives;
};

Solution Solve(const LayerCase& c, const LassoOptions& options, const cv::Mat& input) {
  const Dims in = DimsOf(input);
  LassoSolver solver(FindEngine("reference"), c.constants[0], c.constants[1], options,
                     {in[1], in[2], in[3]});
  Solution solution;
  solution.codes.resize(in[0] * solver.output_shape().size());
  solution.iterations.resize(in[0]);
  solution.objectives.resize(in[0]);
  solver.Solve(ToVector(input).data(), in[0], nullptr, solution.codes.data(),
               solution.iterations.data(), solution.objectives.data());
  return solution;
}

LassoOptions OptionsOf(const LayerCase& c, int max_iterations) {
  LassoOptions options;
  const Dims& f = c.constants[0].dims;
  options.geometry = SamePadded({f[2], f[3]});
  options.max_iterations = max_iterations;
  return options;
}

std::vector<cv::Mat> ForwardAll(cv::dnn::Net* net, const cv::Mat& input) {
  net->setInput(input);
  std::vector<cv::Mat> outputs;
  net->forward(outputs, "onnx_node!node");
  return outputs;
}

TEST(LassoTest, GivesCodesIterationsAndObjective) {
  LayerCase c = MinimalCase("Lasso");
  c.attributes["max_iterations"] = int64_t{300};
  OnnxModel model = ModelOf(c, {-1, 2, -1, -1});
  model.proto().mutable_graph()->mutable_node(0)->add_output("iterations");
  model.proto().mutable_graph()->mutable_node(0)->add_output("objective");
  model.Output("iterations").Output("objective");
  cv::dnn::Net net = model.Read();
  for (int64_t batch : {3, 1, 2}) {
    const cv::Mat input = Image({batch, 2, 4 + batch, 6}, 200);
    const std::vector<cv::Mat> outputs = ForwardAll(&net, input);
    ASSERT_EQ(outputs.size(), 3u);
    EXPECT_EQ(DimsOf(outputs[0]), (Dims{batch, 4, 4 + batch, 6}));
    EXPECT_EQ(DimsOf(outputs[1]), (Dims{batch, 1}));
    EXPECT_EQ(DimsOf(outputs[2]), (Dims{batch, 1}));
    const Solution expected = Solve(c, OptionsOf(c, 300), input);
    EXPECT_TRUE(CloseTo(ToVector(outputs[0]), expected.codes, 1e-3));
    EXPECT_TRUE(CloseTo(ToVector(outputs[2]), expected.objectives));
    for (int i = 0; i < batch; ++i) {
      // Rounding may move the stop by an iteration.
      EXPECT_NEAR(outputs[1].at<float>(i), expected.iterations[i], 1);
      EXPECT_GT(outputs[1].at<float>(i), 1);
    }
  }
}

TEST(LassoTest, TakesItsOptionsFromTheAttributes) {
  LayerCase c = MinimalCase("Lasso");
  c.attributes = {{"max_iterations", int64_t{7}},     {"tolerance", 0.0},
                  {"nonnegative", int64_t{1}},        {"step", 0.05},
                  {"algorithm", std::string("ista")}, {"strides", Ints{2, 2}}};
  LassoOptions options = OptionsOf(c, 7);
  options.geometry.strides = {2, 2};
  options.tolerance = 0;
  options.nonnegative = true;
  options.step = 0.05f;
  options.algorithm = Algorithm::kIsta;
  cv::dnn::Net net = ReadNet(c);
  const cv::Mat input = Image(c.input, 201);
  const std::vector<cv::Mat> outputs = ForwardAll(&net, input);
  const Solution expected = Solve(c, options, input);
  EXPECT_TRUE(CloseTo(ToVector(outputs[0]), expected.codes));
  EXPECT_EQ(ToVector(outputs[1]), std::vector<float>(c.input[0], 7));
}

TEST(LassoTest, TakesTheStepOfTheFiltersThatItHas) {
  LayerCase c = MinimalCase("Lasso");
  cv::dnn::Net net = ReadNet(c);
  const cv::Mat input = Image(c.input, 202);
  ForwardAll(&net, input);
  for (float& f : c.constants[0].data) f *= 30;  // whose step is 900 times as small
  const Dims& dims = c.constants[0].dims;
  const cv::Mat filters(std::vector<int>(dims.begin(), dims.end()), CV_32F,
                        c.constants[0].data.data());
  net.setParam(net.getLayerId("onnx_node!node"), 0, filters.clone());
  const Solution expected = Solve(c, OptionsOf(c, 20), input);
  EXPECT_TRUE(CloseTo(ToVector(ForwardAll(&net, input)[0]), expected.codes, 1e-3));
}

TEST(LassoTest, CountsTheFlopsOfAllItsIterations) {
  LayerCase c = MinimalCase("Lasso");
  cv::dnn::Net net = ReadNet(c);
  const cv::dnn::MatShape shape(c.input.begin(), c.input.end());
  const LassoSolver solver(FindEngine("reference"), c.constants[0], c.constants[1],
                           OptionsOf(c, 20), {2, 6, 6});
  EXPECT_GT(solver.iteration_flops(), 0);
  EXPECT_EQ(net.getFLOPS(shape), 2 * 20 * solver.iteration_flops());
}

TEST(LassoTest, SharesItsOutputsAmongLayers) {
  // The objective, an output that is not the first, feeds another node.
  LayerCase c = MinimalCase("Lasso");
  OnnxModel model = ModelOf(c, c.input);
  onnx::NodeProto* node = model.proto().mutable_graph()->mutable_node(0);
  node->add_output("iterations");
  node->add_output("objective");
  model.Node("", "Neg", "neg", {"objective"}, {"negative"});
  model.Output("negative");
  cv::dnn::Net net = model.Read();
  const cv::Mat input = Image(c.input, 202);
  net.setInput(input);
  const cv::Mat negative = net.forward("onnx_node!neg");
  const Solution expected = Solve(c, OptionsOf(c, 20), input);
  std::vector<float> objectives = ToVector(negative);
  for (float& value : objectives) value = -value;
  EXPECT_TRUE(CloseTo(objectives, expected.objectives));
}

class SynthesisLikeTest : public testing::Test {
 protected:
  // g [-1, 4, h, w] and like of `like` sizes, strides 2.
  OnnxModel Model(const Dims& like) {
    OnnxModel model;
    model.Input("g", {-1, 4, -1, -1}).Input("like", like);
    model.Constant("F", filters_);
    onnx::NodeProto* node = model.Node("csc", "Synthesis", "node", {"g", "like", "F"}, {"y"});
    SetAttribute(node, "strides", Ints{2, 2});
    SetAttribute(node, "output_size", Ints{99, 99});  // `like` goes first
    model.Output("y");
    return model;
  }

  cv::Mat Synthesise(cv::dnn::Net* net, const cv::Mat& code, const Dims& like) {
    net->setInput(code, "g");
    net->setInput(Image(like, 301), "like");
    return net->forward().clone();
  }

  const Tensor filters_ = Values({4, 3, 3, 3}, -1, 1, 300);
};

TEST_F(SynthesisLikeTest, HasHeightAndWidthOfLike) {
  for (const Dims& declared : {Dims{-1, -1, -1, -1}, Dims{1, 5, 7, 6}}) {
    cv::dnn::Net net = Model(declared).Read();
    for (const Dims& like : {Dims{1, 5, 7, 6}, Dims{2, 3, 8, 6}, Dims{2, 1, 8, 5}}) {
      const cv::Mat code = Image({2, 4, 4, 3}, 302);
      const cv::Mat output = Synthesise(&net, code, like);
      ASSERT_EQ(DimsOf(output), (Dims{2, 3, like[2], like[3]}));
      LayerCase c = {"",
                     "Synthesis",
                     {{"strides", Ints{2, 2}}, {"output_size", Ints{like[2], like[3]}}},
                     {filters_},
                     {}};
      EXPECT_TRUE(CloseTo(ToVector(output), Expected(c, code)));
    }
  }
}

TEST_F(SynthesisLikeTest, RefusesALikeOfAnotherAnalysis) {
  cv::dnn::Net net = Model({-1, -1, -1, -1}).Read();
  try {
    Synthesise(&net, Image({2, 4, 4, 3}, 303), {2, 3, 9, 6});
    FAIL() << "an exception expected";
  } catch (const cv::Exception& error) {
    const std::string what = error.what();
    EXPECT_NE(what.find("layer \"node\" (csc.Synthesis)"), what.npos) << what;
    EXPECT_NE(what.find("input like has sizes [2, 3, 9, 6]"), what.npos) << what;
    EXPECT_NE(what.find("5 windows"), what.npos) << what;
  }
}

}  // namespace
}  // namespace csc::test
