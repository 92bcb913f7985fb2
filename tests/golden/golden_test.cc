// Every operator against numbers that golden.py computed from the layer
// contract's formulas alone, on the reference in double and on every engine.

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "solvers/algorithms/lasso.h"
#include "solvers/engines/reference/interpreter.h"
#include "solvers/engines/registry.h"
#include "solvers/network/layer.h"
#include "solvers/network/operator.h"
#include "tests/solvers/compare.h"
#include "tests/solvers/run.h"

namespace csc {
namespace {

using Json = nlohmann::json;
using Attributes = std::map<std::string, AttributeValue>;

// Some hundred roundings of 1e-16 each.
constexpr double kDoubleTolerance = 1e-10;

// Two iterates that differ by float rounding reach minimisers that differ by
// the same, times the condition of the problem: for these dictionaries below
// 100. The objective is flat there, so it agrees much better.
constexpr double kLassoTolerance = 1e-4;
constexpr double kObjectiveTolerance = 2e-6;

struct GoldenTensor {
  Dims dims;
  std::vector<double> data;

  Tensor Floats() const { return {dims, std::vector<float>(data.begin(), data.end())}; }
};

struct GoldenCase {
  std::string name;
  LayerSpec layer;
  std::vector<Tensor> parameters;
  GoldenTensor input;
  GoldenTensor output;
  std::vector<double> objective;  // Lasso only

  Shape shape() const { return {input.dims[1], input.dims[2], input.dims[3]}; }
};

void PrintTo(const GoldenCase& golden, std::ostream* out) { *out << golden.name; }

GoldenTensor ReadTensor(const Json& json) {
  return {json.at("dims").get<Dims>(), json.at("data").get<std::vector<double>>()};
}

std::vector<GoldenCase> ReadCases(bool lasso) {
  std::ifstream file("tests/golden/golden.json");
  std::vector<GoldenCase> cases;
  for (const Json& json : Json::parse(file)) {
    const std::string op = json.at("op");
    if ((op == "Lasso") != lasso) continue;
    GoldenCase golden;
    golden.name = json.at("name");
    for (const Json& tensor : json.at("parameters")) {
      golden.parameters.push_back(ReadTensor(tensor).Floats());
    }
    Attributes attributes;
    for (const auto& [name, value] : json.at("attributes").items()) {
      if (value.is_string()) attributes[name] = value.get<std::string>();
      if (value.is_number_integer()) attributes[name] = value.get<int64_t>();
      if (value.is_array()) attributes[name] = value.get<std::vector<int64_t>>();
    }
    golden.layer = MakeLayerSpec(op, attributes, static_cast<int>(golden.parameters.size()));
    CheckParameters(golden.layer, &golden.parameters);
    golden.input = ReadTensor(json.at("input"));
    golden.output = ReadTensor(json.at("output"));
    if (lasso) golden.objective = json.at("objective").get<std::vector<double>>();
    cases.push_back(golden);
  }
  return cases;
}

// The program of a layer whose constants are `parameters`.
Program ProgramOf(const LayerSpec& layer, const std::vector<Tensor>& parameters,
                  const Shape& input) {
  Program program;
  std::vector<int> numbers;
  const std::vector<std::string> names = ParameterNames(layer);
  for (size_t i = 0; i < parameters.size(); ++i) {
    numbers.push_back(program.AddParameter(names[i], parameters[i].dims));
  }
  const ValueId x = program.AddInput(input);
  program.MarkOutput(BuildLayer(layer, numbers, x, &program));
  return program;
}

test::Work WorkOf(const GoldenCase& golden, const std::vector<Tensor>& parameters) {
  test::Work work;
  work.batch = golden.input.dims[0];
  work.inputs = {golden.input.Floats().data};
  for (const Tensor& tensor : parameters) {
    work.parameters.insert(work.parameters.end(), tensor.data.begin(), tensor.data.end());
  }
  return work;
}

class GoldenTest : public testing::TestWithParam<GoldenCase> {};

TEST_P(GoldenTest, SizesAreTheFormulas) {
  const GoldenCase& golden = GetParam();
  std::vector<Dims> dims;
  for (const Tensor& tensor : golden.parameters) dims.push_back(tensor.dims);
  EXPECT_EQ(OutputDims(golden.layer, dims, golden.input.dims), golden.output.dims);
}

TEST_P(GoldenTest, ReferenceInDoubleGivesTheFormulasNumbers) {
  const GoldenCase& golden = GetParam();
  const Program program = ProgramOf(golden.layer, golden.parameters, golden.shape());
  const auto result = test::RunInDouble(program, WorkOf(golden, golden.parameters));
  EXPECT_TRUE(test::CloseTo(result.outputs[0], golden.output.data, kDoubleTolerance));
}

TEST_P(GoldenTest, EveryEngineGivesTheFormulasNumbers) {
  const GoldenCase& golden = GetParam();
  const Program program = ProgramOf(golden.layer, golden.parameters, golden.shape());
  for (const std::string& engine : test::PresentEngines()) {
    SCOPED_TRACE(engine);
    const auto result = test::RunOn(FindEngine(engine), program, WorkOf(golden, golden.parameters));
    EXPECT_TRUE(test::CloseTo(result.outputs[0], golden.output.data, test::kEngineTolerance));
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, GoldenTest, testing::ValuesIn(ReadCases(/*lasso=*/false)),
                         [](const auto& p) { return p.param.name; });

class GoldenLassoTest : public testing::TestWithParam<GoldenCase> {
 protected:
  LassoOptions Options() const {
    const LayerSpec& layer = GetParam().layer;
    LassoOptions options;
    options.geometry = LayerGeometries(layer, {GetParam().parameters[0].dims})[0];
    options.nonnegative = layer.Int("nonnegative") != 0;
    options.max_iterations = 3000;
    options.tolerance = 0;
    return options;
  }
};

TEST_P(GoldenLassoTest, EveryEngineReachesTheMinimumOfCoordinateDescent) {
  const GoldenCase& golden = GetParam();
  const Tensor input = golden.input.Floats();
  const int64_t batch = input.dims[0];
  for (const std::string& engine : test::PresentEngines()) {
    for (Algorithm algorithm : {Algorithm::kIsta, Algorithm::kFista}) {
      SCOPED_TRACE(engine + (algorithm == Algorithm::kIsta ? " ista" : " fista"));
      LassoOptions options = Options();
      options.algorithm = algorithm;
      LassoSolver solver(FindEngine(engine), golden.parameters[0], golden.parameters[1], options,
                         golden.shape());
      std::vector<float> codes(golden.output.data.size(), NAN), objectives(batch, NAN);
      solver.Solve(input.data.data(), batch, nullptr, codes.data(), nullptr, objectives.data());
      EXPECT_TRUE(test::CloseTo(codes, golden.output.data, kLassoTolerance));
      EXPECT_TRUE(test::CloseTo(objectives, golden.objective, kObjectiveTolerance));
    }
  }
}

// With b = step * beta and enough steps, the unrolled layer is the Lasso.
TEST_P(GoldenLassoTest, UnrolledPursuitInDoubleGoesThereToo) {
  const GoldenCase& golden = GetParam();
  const Tensor& filters = golden.parameters[0];
  const Tensor& beta = golden.parameters[1];
  Attributes attributes;
  for (const char* name : {"strides", "dilations", "pads", "nonnegative"}) {
    if (golden.layer.Has(name)) attributes[name] = golden.layer.attributes.at(name);
  }
  attributes["unfolding"] = int64_t{1000};
  attributes["algorithm"] = std::string("fista");
  const LayerSpec layer = MakeLayerSpec("LayeredPursuit", attributes, 3);
  const Program program = ProgramOf(layer, {filters, beta, {{1}, {0}}}, golden.shape());

  const double step = 1 / DictionaryBound(filters, Options().geometry);
  std::vector<double> parameters(filters.data.begin(), filters.data.end());
  for (float b : beta.data) parameters.push_back(step * b);
  parameters.push_back(step);
  const auto result =
      RunReference<double>(program, golden.input.dims[0], {golden.input.data}, parameters);
  // An unrolled layer has at most a thousand steps, after which FISTA is this
  // close but no closer.
  EXPECT_TRUE(test::CloseTo(result.outputs[0], golden.output.data, 2e-6));
}

INSTANTIATE_TEST_SUITE_P(Cases, GoldenLassoTest, testing::ValuesIn(ReadCases(/*lasso=*/true)),
                         [](const auto& p) { return p.param.name; });

TEST(GoldenFileTest, EveryOperatorHasNumbers) {
  std::map<std::string, int> count;
  for (bool lasso : {false, true}) {
    for (const GoldenCase& golden : ReadCases(lasso)) ++count[golden.layer.op];
  }
  for (const OperatorSchema& schema : AllOperators()) {
    if (schema.domain == kStandardDomain) continue;
    EXPECT_GE(count[schema.name], 2) << schema.name;
  }
}

}  // namespace
}  // namespace csc
