#include "solvers/network/network.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "solvers/error.h"

namespace csc {

namespace {

using Json = nlohmann::ordered_json;

constexpr char kFormat[] = "csc-network";
constexpr int kNewestVersion = 2;

std::string Where(size_t index, const std::string& op) {
  return fmt::format("layer {} ({})", index, op);
}

AttributeValue FromJson(const std::string& name, const Json& json) {
  if (json.is_number_integer()) {
    Require(!json.is_number_unsigned() ||
                json.get<uint64_t>() <= uint64_t{std::numeric_limits<int64_t>::max()},
            "attribute {} is {}: at most {} expected", name, json.dump(),
            std::numeric_limits<int64_t>::max());
    return json.get<int64_t>();
  }
  if (json.is_number()) return json.get<double>();
  if (json.is_string()) return json.get<std::string>();
  if (json.is_array()) {
    std::vector<int64_t> list;
    for (const Json& entry : json) {
      Require(entry.is_number_integer(), "attribute {} is {}: a list of integers expected", name,
              json.dump());
      list.push_back(entry.get<int64_t>());
    }
    return list;
  }
  Fail("attribute {} is {}: a number, a string or a list of integers expected", name, json.dump());
}

LayerSpec LayerFromJson(const Json& json) {
  Require(json.is_object() && json.contains("op") && json["op"].is_string(),
          "an object with \"op\" expected, found {}", json.dump());
  std::map<std::string, AttributeValue> attributes;
  int num_parameters = 0;
  for (const auto& [name, value] : json.items()) {
    if (name == "op") continue;
    if (name == "parameters") {
      Require(value.is_number_unsigned() && value.get<uint64_t>() <= 100000,
              "\"parameters\" is {}: a count expected", value.dump());
      num_parameters = value.get<int>();
      continue;
    }
    attributes[name] = FromJson(name, value);
  }
  return MakeLayerSpec(json["op"].get<std::string>(), attributes, num_parameters);
}

// Calls body(index, layer, its first parameter), naming the layer in errors.
template <typename Body>
void ForEachLayer(const std::vector<LayerSpec>& layers, const Body& body) {
  size_t first = 0;
  for (size_t i = 0; i < layers.size(); ++i) {
    try {
      body(layers[i], first);
    } catch (const Error& error) {
      Fail("{}: {}", Where(i, layers[i].op), error.what());
    }
    first += layers[i].num_parameters;
  }
}

void CheckNumberOfParameters(const Network& network) {
  size_t wanted = 0;
  for (const LayerSpec& layer : network.layers) wanted += layer.num_parameters;
  Require(network.parameters.size() == wanted,
          "{} constant inputs (blobs) found: {} expected by the spec", network.parameters.size(),
          wanted);
  for (size_t i = 0; i < network.layers.size(); ++i) {
    const LayerSpec& layer = network.layers[i];
    const size_t expected = ParameterNames(layer).size();
    Require(static_cast<size_t>(layer.num_parameters) == expected,
            "{}: {} constant inputs (blobs) found: {} expected", Where(i, layer.op),
            layer.num_parameters, expected);
  }
}

}  // namespace

std::string WriteSpec(const std::vector<LayerSpec>& layers) {
  Json list = Json::array();
  int version = 1;
  for (const LayerSpec& layer : layers) {
    version = std::max(version, FindOperator(layer.op).spec_version);
    Json json;
    json["op"] = layer.op;
    json["parameters"] = layer.num_parameters;
    for (const auto& [name, value] : layer.attributes) {
      std::visit([&, &name = name](const auto& v) { json[name] = v; }, value);
    }
    list.push_back(std::move(json));
  }
  Json spec;
  spec["format"] = kFormat;
  spec["version"] = version;
  spec["layers"] = std::move(list);
  return spec.dump();
}

namespace {

// Some of what stands there, in printable ASCII: Python drops an error that is no UTF-8.
std::string Excerpt(const std::string& text, size_t begin) {
  std::string some = text.substr(begin, 60);
  std::replace_if(
      some.begin(), some.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return some;
}

}  // namespace

std::vector<LayerSpec> ReadSpec(const std::string& spec) {
  Json json;
  try {
    json = Json::parse(spec);
  } catch (const Json::parse_error& error) {
    const size_t place = std::min(std::max<size_t>(error.byte, 1) - 1, spec.size());
    Fail("attribute spec is no JSON from byte {} on: \"{}\"", place, Excerpt(spec, place));
  }
  Require(json.is_object(), "attribute spec is \"{}\": a JSON object expected", Excerpt(spec, 0));
  Require(json.contains("format") && json["format"] == kFormat,
          "attribute spec has format {}: \"{}\" expected",
          json.contains("format") ? json["format"].dump() : "missing", kFormat);
  Require(json.contains("version") && json["version"].is_number_integer(),
          "attribute spec has no version: 1 to {} expected", kNewestVersion);
  const auto version = json["version"].get<int64_t>();
  Require(1 <= version && version <= kNewestVersion,
          "attribute spec has version {}: this library reads versions 1 to {}; a "
          "newer one may read it",
          json["version"].dump(), kNewestVersion);
  for (const auto& [name, value] : json.items()) {
    Require(name == "format" || name == "version" || name == "layers",
            "attribute spec has \"{}\": only format, version and layers "
            "expected",
            name);
  }
  Require(json.contains("layers") && json["layers"].is_array() && !json["layers"].empty(),
          "attribute spec has no layers: a list of at least one expected");
  std::vector<LayerSpec> layers;
  for (size_t i = 0; i < json["layers"].size(); ++i) {
    const Json& layer = json["layers"][i];
    const std::string op = layer.is_object() && layer.contains("op") && layer["op"].is_string()
                               ? layer["op"].get<std::string>()
                               : "?";
    try {
      layers.push_back(LayerFromJson(layer));
      Require(op != "Lasso", "a converged Lasso cannot be part of a network");
      const int since = FindOperator(op).spec_version;
      Require(since <= version,
              "the spec has version {}: {} expected, the first with this operator", version, since);
    } catch (const Error& error) {
      Fail("attribute spec, {}: {}", Where(i, op), error.what());
    }
  }
  return layers;
}

void CheckNetwork(Network* network) {
  CheckNumberOfParameters(*network);
  ForEachLayer(network->layers, [&](const LayerSpec& layer, size_t first) {
    const auto begin = network->parameters.begin() + first;
    std::vector<Tensor> own(std::make_move_iterator(begin),
                            std::make_move_iterator(begin + layer.num_parameters));
    try {
      CheckParameters(layer, &own);
    } catch (...) {
      std::move(own.begin(), own.end(), begin);
      throw;
    }
    std::move(own.begin(), own.end(), begin);
  });
}

Dims OutputDims(const Network& network, const Dims& input) {
  CheckNumberOfParameters(network);
  Dims dims = input;
  ForEachLayer(network.layers, [&](const LayerSpec& layer, size_t first) {
    std::vector<Dims> own;
    for (int i = 0; i < layer.num_parameters; ++i) {
      own.push_back(network.parameters[first + i].dims);
    }
    dims = OutputDims(layer, own, dims);
  });
  return dims;
}

std::vector<bool> ZeroSteps(const Network& network) {
  CheckNumberOfParameters(network);
  std::vector<bool> zero;
  ForEachLayer(network.layers, [&](const LayerSpec& layer, size_t first) {
    zero.push_back(HasZeroStep(layer, network.parameters.data() + first));
  });
  return zero;
}

Program BuildProgram(const Network& network, const Shape& input) {
  CheckNumberOfParameters(network);
  Program program;
  for (size_t i = 0; i < network.layers.size(); ++i) {
    for (const std::string& name : ParameterNames(network.layers[i])) {
      const size_t next = program.parameters().size();
      program.AddParameter(fmt::format("layer{}.{}", i, name), network.parameters[next].dims);
    }
  }
  ValueId value = program.AddInput(input);
  ForEachLayer(network.layers, [&](const LayerSpec& layer, size_t first) {
    std::vector<int> own;
    for (int i = 0; i < layer.num_parameters; ++i) {
      own.push_back(static_cast<int>(first) + i);
    }
    BuildOptions options;
    options.zero_step = HasZeroStep(layer, network.parameters.data() + first);
    value = BuildLayer(layer, own, value, &program, options);
  });
  program.MarkOutput(value);
  return program;
}

std::vector<float> FlattenParameters(const Network& network) {
  std::vector<float> flat;
  for (const Tensor& tensor : network.parameters) {
    flat.insert(flat.end(), tensor.data.begin(), tensor.data.end());
  }
  return flat;
}

}  // namespace csc
