// The spec of a whole network: written, read again, and refused.

#include "solvers/network/network.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "solvers/program/cost.h"
#include "tests/solvers/compare.h"
#include "tests/solvers/random.h"
#include "tests/solvers/random_layer.h"
#include "tests/solvers/refusal.h"
#include "tests/solvers/run.h"

namespace csc::test {
namespace {

Network NetworkOf(const std::vector<LayerCase>& cases) {
  Network network;
  for (const LayerCase& layer : cases) {
    network.layers.push_back(layer.spec);
    network.parameters.insert(network.parameters.end(), layer.parameters.begin(),
                              layer.parameters.end());
  }
  return network;
}

TEST(Spec, ReadsBackAsItWasWritten) {
  ForEachSeed(200, [](Random* random) {
    const std::vector<LayerSpec> layers = NetworkOf(RandomNetwork(random)).layers;
    const std::string text = WriteSpec(layers);
    const std::vector<LayerSpec> again = ReadSpec(text);
    ASSERT_EQ(again.size(), layers.size());
    for (size_t i = 0; i < layers.size(); ++i) {
      EXPECT_EQ(again[i].op, layers[i].op);
      EXPECT_EQ(again[i].num_parameters, layers[i].num_parameters);
      EXPECT_EQ(again[i].attributes, layers[i].attributes) << text;
    }
    EXPECT_EQ(WriteSpec(again), text);
  });
}

TEST(Spec, StatesFormatAndVersionFirst) {
  Random random(1);
  EXPECT_EQ(WriteSpec({RandomLayer(&random, "GlobalAveragePool", {1, 2, 2}).spec}),
            R"({"format":"csc-network","version":1,"layers":[)"
            R"({"op":"GlobalAveragePool","parameters":0}]})");
}

TEST(Spec, StatesTheOldestVersionThatKnowsItsLayers) {
  Random random(1);
  const LayerSpec pool = RandomLayer(&random, "GlobalAveragePool", {1, 2, 2}).spec;
  const LayerSpec dense = RandomLayer(&random, "DenseCsc", {1, 2, 2}).spec;
  EXPECT_NE(WriteSpec({pool}).find("\"version\":1"), std::string::npos);
  EXPECT_NE(WriteSpec({dense, pool}).find("\"version\":2"), std::string::npos);
}

std::string Spec(const std::string& layers, int version = 1) {
  return R"({"format": "csc-network", "version": )" + std::to_string(version) + R"(, "layers": )" +
         layers + "}";
}

TEST(Spec, MayBeOfTheOldVersionOrStateANewerOneThanNeeded) {
  const std::string layers = R"([{"op": "MsdCsc", "parameters": 3}])";
  for (int version : {1, 2}) EXPECT_EQ(ReadSpec(Spec(layers, version)).size(), 1u);
}

TEST(Spec, MayLeaveOutDefaultsAndTheCountOfNoConstants) {
  const auto layers = ReadSpec(
      Spec(R"([{"op": "MaxPool", "kernel_shape": [2, 2]}, {"op": "MsdCsc", "parameters": 3}])"));
  EXPECT_EQ(layers[0].num_parameters, 0);
  EXPECT_EQ(layers[1].Int("unfolding"), 0);
}

TEST(Spec, IsRefusedNamingWhatIsWrong) {
  const auto refuse = [](const std::string& spec, const std::vector<std::string>& parts) {
    SCOPED_TRACE(spec);
    ExpectRefusal([&] { ReadSpec(spec); }, parts);
  };
  refuse("", {"attribute spec", "JSON"});
  refuse("{", {"attribute spec", "JSON"});
  refuse(R"({"format": "csc-dnn", layers: []})", {"no JSON from byte 22 on", "\"layers: []}\""});
  refuse("{\"\xff\":1}", {"no JSON from byte 2 on", "\"?\":1}\""});
  refuse("[1, 2]", {"attribute spec", "[1, 2]", "JSON object"});
  refuse("null", {"attribute spec", "JSON object"});
  refuse("{}", {"format", "missing", "csc-network"});
  refuse(R"({"format": "onnx", "version": 1})", {"format", "\"onnx\"", "csc-network"});
  refuse(R"({"format": 7, "version": 1})", {"format", "7"});
  refuse(R"({"format": "csc-network"})", {"version", "1 to 2 expected"});
  refuse(R"({"format": "csc-network", "version": "1"})", {"version"});
  refuse(Spec("[]", 3), {"version 3", "versions 1 to 2", "newer"});
  refuse(Spec("[]", 0), {"version 0", "versions 1 to 2"});
  refuse(Spec(R"([{"op": "DenseCsc", "parameters": 3, "layers": 1}])"),
         {"layer 0 (DenseCsc)", "version 1", "2 expected"});
  refuse(R"({"format": "csc-network", "version": 1, "layers": [], "weights": 3})", {"\"weights\""});
  refuse(R"({"format": "csc-network", "version": 1})", {"no layers"});
  refuse(Spec("[]"), {"no layers"});
  refuse(Spec("{}"), {"no layers"});
  refuse(Spec("[3]"), {"layer 0", "3", "op"});
  refuse(Spec(R"([{"parameters": 1}])"), {"layer 0", "\"op\""});
  refuse(Spec(R"([{"op": 5}])"), {"layer 0", "\"op\""});
  refuse(Spec(R"([{"op": "GlobalAveragePool"}, {"op": "Relu"}])"),
         {"layer 1 (Relu)", "unknown", "MsdCsc"});
  refuse(Spec(R"([{"op": "Lasso", "parameters": 2}])"), {"layer 0 (Lasso)", "network"});
  refuse(Spec(R"([{"op": "MsdCsc", "parameters": 2}])"), {"layer 0 (MsdCsc)", "2 constant"});
  refuse(Spec(R"([{"op": "MsdCsc", "parameters": -3}])"), {"parameters", "-3"});
  refuse(Spec(R"([{"op": "MsdCsc", "parameters": 3.0}])"), {"parameters", "3.0"});
  refuse(Spec(R"([{"op": "MsdCsc", "parameters": 99999999999}])"), {"parameters", "99999999999"});
  refuse(Spec(R"([{"op": "MsdCsc", "parameters": 3, "unfolding": true}])"), {"unfolding", "true"});
  refuse(Spec(R"([{"op": "MsdCsc", "parameters": 3, "unfolding": null}])"), {"unfolding", "null"});
  refuse(Spec(R"([{"op": "MsdCsc", "parameters": 3, "unfolding": -1}])"), {"unfolding", "-1"});
  refuse(Spec(R"([{"op": "MsdCsc", "parameters": 3, "unfolding": 18446744073709551615}])"),
         {"unfolding", "18446744073709551615"});
  refuse(Spec(R"([{"op": "MsdCsc", "parameters": 3, "dilations": [1, "2"]}])"),
         {"dilations", "list of integers"});
  refuse(Spec(R"([{"op": "MsdCsc", "parameters": 3, "dilations": [1, 2.5]}])"),
         {"dilations", "list of integers"});
  refuse(Spec(R"([{"op": "MsdCsc", "parameters": 3, "dilations": {"h": 1}}])"),
         {"dilations", "list of integers"});
  refuse(Spec(R"([{"op": "MsdCsc", "parameters": 3, "colour": 3}])"), {"colour", "MsdCsc"});
}

TEST(Spec, SurvivesHostileText) {
  // Neither deep nesting nor broken encodings nor random cuts may crash it.
  const auto refuse = [](const std::string& spec) {
    EXPECT_THROW(ReadSpec(spec), Error) << spec.substr(0, 80);
  };
  refuse(std::string(200000, '['));
  refuse(std::string("\xff\xfe\x00{", 4));
  refuse(Spec(R"([{"op": ")" + std::string("\xc3\x28") + R"("}])"));
  Random random(1);
  const std::string good = WriteSpec(NetworkOf(RandomNetwork(&random)).layers);
  for (size_t cut = 0; cut < good.size(); ++cut) refuse(good.substr(0, cut));
  ForEachSeed(500, [&](Random* r) {
    std::string broken = good;
    for (int64_t i = r->Int(1, 3); i > 0; --i) {
      broken[r->Int(0, static_cast<int64_t>(good.size()) - 1)] = static_cast<char>(r->Int(0, 255));
    }
    try {
      ReadSpec(broken);  // some changes are harmless
    } catch (const Error&) {
    }
  });
}

TEST(Network, HasTheProgramAndSizesOfItsLayersInSequence) {
  ForEachSeed(40, [](Random* random) {
    const std::vector<LayerCase> cases = RandomNetwork(random);
    Network network = NetworkOf(cases);
    CheckNetwork(&network);
    const Shape& in = cases[0].input;
    const Program program = BuildProgram(network, in);
    EXPECT_EQ(FlattenParameters(network), Flatten(cases));
    const Shape& out = program.shape(program.outputs()[0]);
    EXPECT_EQ(OutputDims(network, {4, in.channels, in.height, in.width}),
              (Dims{4, out.channels, out.height, out.width}));
    EXPECT_EQ(OutputDims(network, {0, in.channels, 0, 0})[1], out.channels);
    const Work work = RandomWork(random, program, Flatten(cases), 2);
    EXPECT_TRUE(SameBits(RunInDouble(program, work).outputs[0],
                         RunInDouble(NetworkProgram(cases), work).outputs[0]));
  });
}

TEST(Network, IsRefusedWithConstantsMissing) {
  Random random(1);
  Network network = NetworkOf({RandomLayer(&random, "ResCsc", {3, 6, 6})});
  const size_t wanted = network.parameters.size();
  network.parameters.pop_back();
  const std::vector<std::string> parts = {std::to_string(wanted - 1) + " constant inputs",
                                          std::to_string(wanted) + " expected"};
  ExpectRefusal([&] { CheckNetwork(&network); }, parts);
  ExpectRefusal([&] { OutputDims(network, {1, 3, 6, 6}); }, parts);
  ExpectRefusal([&] { ZeroSteps(network); }, parts);
  ExpectRefusal([&] { BuildProgram(network, {3, 6, 6}); }, parts);
  network.layers[0].num_parameters -= 1;
  const std::vector<std::string> of_layer = {"layer 0 (ResCsc)", parts[0]};
  ExpectRefusal([&] { CheckNetwork(&network); }, of_layer);
  ExpectRefusal([&] { OutputDims(network, {1, 3, 6, 6}); }, of_layer);
  ExpectRefusal([&] { ZeroSteps(network); }, of_layer);
  ExpectRefusal([&] { BuildProgram(network, {3, 6, 6}); }, of_layer);
}

TEST(Network, LeavesOutWhatAStepOfZeroMultiplies) {
  Random random(1);
  LayerCase block = RandomLayer(&random, "ResCsc", {3, 6, 6});
  block.parameters[4] = {{1}, {-0.5f}};
  Network network = NetworkOf({block, RandomLayer(&random, "GlobalAveragePool", {3, 2, 2})});
  EXPECT_EQ(ZeroSteps(network), (std::vector<bool>{false, false}));
  EXPECT_EQ(CostOf(BuildProgram(network, {3, 6, 6})).convolutions, 3);
  network.parameters[4].data[0] = 0;
  EXPECT_EQ(ZeroSteps(network), (std::vector<bool>{true, false}));
  EXPECT_EQ(CostOf(BuildProgram(network, {3, 6, 6})).convolutions, 2);
}

TEST(Network, NamesTheLayerThatIsWrong) {
  Random random(1);
  const Shape in = {2, 6, 6};
  const LayerCase pool = RandomLayer(&random, "GlobalAveragePool", in);
  LayerCase soft = RandomLayer(&random, "SoftThreshold", in);
  soft.parameters[0] = {{2}, {0.1f, std::numeric_limits<float>::quiet_NaN()}};
  Network network = NetworkOf({pool, soft});
  ExpectRefusal([&] { CheckNetwork(&network); }, {"layer 1 (SoftThreshold)", "b", "nan"});
  soft.parameters[0] = {{3}, {1, 1, 1}};
  network = NetworkOf({pool, soft});
  CheckNetwork(&network);
  ExpectRefusal([&] { BuildProgram(network, in); }, {"layer 1 (SoftThreshold)", "2", "3"});
  ExpectRefusal([&] { OutputDims(network, {1, 2, 6, 6}); }, {"layer 1 (SoftThreshold)"});
}

TEST(Network, IsLeftAsItWasWhenItIsRefused) {
  Random random(1);
  LayerCase layer = RandomLayer(&random, "LayeredThreshold", {2, 6, 6});
  layer.parameters[1].data[0] = std::numeric_limits<float>::infinity();
  Network network = NetworkOf({layer});
  const std::vector<float> before = FlattenParameters(network);
  EXPECT_THROW(CheckNetwork(&network), Error);
  EXPECT_EQ(FlattenParameters(network), before);
}

TEST(Network, RefusesAnotherNumberOfConstantsThanTheSpecSays) {
  Random random(1);
  Network network = NetworkOf({RandomLayer(&random, "LayeredThreshold", {2, 6, 6})});
  network.parameters.push_back({{1}, {1}});
  ExpectRefusal([&] { CheckNetwork(&network); }, {"3 constant", "2 expected"});
  network.parameters.clear();
  ExpectRefusal([&] { CheckNetwork(&network); }, {"0 constant", "2 expected"});
}

}  // namespace
}  // namespace csc::test
