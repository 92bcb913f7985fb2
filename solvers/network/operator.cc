#include "solvers/network/operator.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "solvers/error.h"

namespace csc {

namespace {

using Ints = std::vector<int64_t>;

// ---- the table ----

constexpr double kMaxUnfolding = 1000;
constexpr int kMaxLayers = 1000;  // pursued together

AttributeSchema IntAttribute(const std::string& name, int64_t value, double min, double max) {
  AttributeSchema a{name, "", AttributeType::kInt, value};
  a.min = min;
  a.max = max;
  return a;
}

AttributeSchema FloatAttribute(const std::string& name, double value) {
  AttributeSchema a{name, "", AttributeType::kFloat, value};
  a.min = 0;
  a.max = HUGE_VAL;
  return a;
}

AttributeSchema ChoiceAttribute(const std::string& name, const std::string& value,
                                std::vector<std::string> allowed) {
  AttributeSchema a{name, "", AttributeType::kString, value};
  a.allowed = std::move(allowed);
  return a;
}

AttributeSchema IntsAttribute(const std::string& name, const std::string& alias, Ints value,
                              double min, double max, std::vector<size_t> lengths) {
  AttributeSchema a{name, alias, AttributeType::kInts, std::move(value)};
  a.min = min;
  a.max = max;
  a.allowed_lengths = std::move(lengths);
  return a;
}

AttributeSchema Optional(AttributeSchema a) {
  a.optional = true;
  return a;
}

AttributeSchema Required(AttributeSchema a) {
  a.required = true;
  return a;
}

AttributeSchema Nonnegative(int64_t value) { return IntAttribute("nonnegative", value, 0, 1); }

AttributeSchema Unfolding() { return IntAttribute("unfolding", 0, 0, kMaxUnfolding); }

AttributeSchema AlgorithmChoice(const std::string& value) {
  return ChoiceAttribute("algorithm", value, {"ista", "fista"});
}

// Geometry attributes: ONNX Conv's, of which the last two only in their
// trivial form.
std::vector<AttributeSchema> WithGeometry(std::vector<AttributeSchema> more) {
  std::vector<AttributeSchema> all = {
      IntsAttribute("strides", "stride", {1, 1}, 1, 1024, {2}),
      IntsAttribute("dilations", "dilation", {1, 1}, 1, 1024, {2}),
      Optional(IntsAttribute("pads", "pad", {}, 0, 16384, {2, 4})),
      Optional(IntsAttribute("kernel_shape", "kernel_size", {}, 1, 255, {2})),
      Optional(ChoiceAttribute("auto_pad", "NOTSET", {"NOTSET"})),
      Optional(IntAttribute("group", 1, 1, 1)),
  };
  for (AttributeSchema& a : more) all.push_back(std::move(a));
  return all;
}

std::vector<OperatorSchema> MakeTable() {
  return {
      {"SoftThreshold", kCscDomain, 1, 1, {Nonnegative(0)}},
      {"LayeredThreshold", kCscDomain, 2, 2, WithGeometry({Nonnegative(1)})},
      {"LayeredPursuit", kCscDomain, 3, 3,
       WithGeometry({Nonnegative(1), Unfolding(), AlgorithmChoice("ista")})},
      {"Synthesis", kCscDomain, 1, 1,
       WithGeometry({Optional(IntsAttribute("output_size", "", {}, 1, double{1 << 30}, {2}))})},
      {"Lasso", kCscDomain, 2, 2,
       WithGeometry({AlgorithmChoice("fista"), IntAttribute("max_iterations", 100, 1, 100000),
                     FloatAttribute("tolerance", 1e-4), Nonnegative(0),
                     FloatAttribute("step", 0)})},
      {"MsdCsc", kCscDomain, 3, 4,
       WithGeometry(
           {Unfolding(), AlgorithmChoice("ista"), IntAttribute("threshold_identity", 1, 0, 1)})},
      {"ResCsc",
       kCscDomain,
       5,
       7,
       {IntsAttribute("strides", "stride", {1, 1}, 1, 1024, {2}),
        ChoiceAttribute("shortcut", "identity", {"identity", "pad"}),
        IntAttribute("simplified", 0, 0, 1)}},
      {"MlCsc",
       kCscDomain,
       3,
       3 * kMaxLayers,
       {Required(IntAttribute("layers", 0, 1, kMaxLayers)),
        Optional(IntsAttribute("layer_strides", "", {}, 1, 1024, {})),
        Optional(IntsAttribute("layer_dilations", "", {}, 1, 1024, {})),
        Required(IntsAttribute("layer_pads", "", {}, 0, 16384, {})), Unfolding(),
        AlgorithmChoice("ista")}},
      {"DenseCsc",
       kSpecDomain,
       3,
       4 * kMaxLayers,
       {Required(IntAttribute("layers", 0, 1, kMaxLayers)),
        Optional(IntsAttribute("layer_dilations", "", {}, 1, 1024, {})), Unfolding(),
        AlgorithmChoice("ista")},
       /*spec_version=*/2},
      {"MaxPool",
       kStandardDomain,
       0,
       0,
       {Required(IntsAttribute("kernel_shape", "kernel_size", {}, 1, 255, {2})),
        IntsAttribute("strides", "stride", {1, 1}, 1, 1024, {2})}},
      {"GlobalAveragePool", kStandardDomain, 0, 0, {}},
      {"Gemm", kStandardDomain, 2, 2, {}},
  };
}

// ---- reading values ----

const char* TypeName(AttributeType type) {
  switch (type) {
    case AttributeType::kInt:
      return "an integer";
    case AttributeType::kFloat:
      return "a number";
    case AttributeType::kString:
      return "a string";
    case AttributeType::kInts:
      return "a list of integers";
  }
  return "?";
}

std::string Show(const AttributeValue& value) {
  struct Visitor {
    std::string operator()(int64_t v) { return fmt::format("{}", v); }
    std::string operator()(double v) { return fmt::format("{}", v); }
    std::string operator()(const std::string& v) { return fmt::format("\"{}\"", v); }
    std::string operator()(const Ints& v) { return ToString(v); }
  };
  return std::visit(Visitor(), value);
}

[[noreturn]] void FailAttribute(const AttributeSchema& schema, const AttributeValue& found,
                                const std::string& expected) {
  Fail("attribute {} is {}: {} expected", schema.name, Show(found), expected);
}

AttributeValue Coerce(const AttributeSchema& schema, AttributeValue value) {
  if (schema.type == AttributeType::kFloat && std::holds_alternative<int64_t>(value)) {
    value = static_cast<double>(std::get<int64_t>(value));
  }
  // OpenCV hands a one-element list over as a number.
  if (schema.type == AttributeType::kInts && std::holds_alternative<int64_t>(value)) {
    value = Ints{std::get<int64_t>(value)};
  }
  if (schema.type == AttributeType::kInt && std::holds_alternative<Ints>(value) &&
      std::get<Ints>(value).size() == 1) {
    const int64_t only = std::get<Ints>(value)[0];  // the assignment ends the list's life
    value = only;
  }
  const size_t wanted = schema.type == AttributeType::kInt      ? 0
                        : schema.type == AttributeType::kFloat  ? 1
                        : schema.type == AttributeType::kString ? 2
                                                                : 3;
  if (value.index() != wanted) {
    FailAttribute(schema, value, TypeName(schema.type));
  }
  return value;
}

std::string RangeText(const AttributeSchema& schema) {
  if (schema.max == HUGE_VAL) {
    return fmt::format("a finite value of at least {}", schema.min);
  }
  if (schema.min == schema.max) return fmt::format("{}", schema.min);
  return fmt::format("a value in {}..{}", schema.min, schema.max);
}

bool InRange(const AttributeSchema& schema, double value) {
  return std::isfinite(value) && schema.min <= value && value <= schema.max;
}

void CheckValue(const AttributeSchema& schema, const AttributeValue& value) {
  const auto contains = [](const auto& list, const auto& entry) {
    return std::find(list.begin(), list.end(), entry) != list.end();
  };
  switch (schema.type) {
    case AttributeType::kInt:
    case AttributeType::kFloat: {
      const double number = schema.type == AttributeType::kInt
                                ? static_cast<double>(std::get<int64_t>(value))
                                : std::get<double>(value);
      if (!InRange(schema, number)) {
        FailAttribute(schema, value, RangeText(schema));
      }
      return;
    }
    case AttributeType::kString:
      if (!contains(schema.allowed, std::get<std::string>(value))) {
        FailAttribute(schema, value, fmt::format("\"{}\"", fmt::join(schema.allowed, "\" or \"")));
      }
      return;
    case AttributeType::kInts: {
      const Ints& list = std::get<Ints>(value);
      const auto& lengths = schema.allowed_lengths;
      if (!lengths.empty() && !contains(lengths, list.size())) {
        FailAttribute(schema, value, fmt::format("{} entries", fmt::join(lengths, " or ")));
      }
      for (int64_t entry : list) {
        if (!InRange(schema, static_cast<double>(entry))) {
          FailAttribute(schema, value, fmt::format("{} in every entry", RangeText(schema)));
        }
      }
      return;
    }
  }
}

std::string KnownNames(const OperatorSchema& schema) {
  std::vector<std::string> names;
  for (const AttributeSchema& a : schema.attributes) names.push_back(a.name);
  return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}

void CheckNumParameters(const OperatorSchema& schema, const LayerSpec& layer) {
  std::vector<int> allowed;
  const char* why = "";
  if (layer.Has("layers")) {
    const int layers = static_cast<int>(layer.Int("layers"));
    allowed = {3 * layers};
    if (layer.op == "DenseCsc") {
      allowed.push_back(4 * layers);
      why = " (a scale a for every layer or for none)";
    }
  } else if (layer.op == "ResCsc") {
    allowed = {5, 7};
    why = " (a1 and a2 come both or not at all)";
  } else {
    for (int n = schema.min_parameters; n <= schema.max_parameters; ++n) allowed.push_back(n);
  }
  const int found = layer.num_parameters;
  Require(std::find(allowed.begin(), allowed.end(), found) != allowed.end(),
          "{} constant inputs (blobs) found: {}{} expected", found,
          fmt::format("{}", fmt::join(allowed, " or ")), why);
}

}  // namespace

const std::vector<OperatorSchema>& AllOperators() {
  static const auto* table = new std::vector<OperatorSchema>(MakeTable());
  return *table;
}

const OperatorSchema& FindOperator(const std::string& name) {
  std::vector<std::string> names;
  for (const OperatorSchema& schema : AllOperators()) {
    if (schema.name == name) return schema;
    names.push_back(schema.name);
  }
  Fail("operator \"{}\" is unknown: one of {} expected", name, fmt::join(names, ", "));
}

int64_t LayerSpec::Int(const std::string& name) const {
  return std::get<int64_t>(attributes.at(name));
}
double LayerSpec::Float(const std::string& name) const {
  return std::get<double>(attributes.at(name));
}
const std::string& LayerSpec::String(const std::string& name) const {
  return std::get<std::string>(attributes.at(name));
}
const std::vector<int64_t>& LayerSpec::Ints(const std::string& name) const {
  return std::get<std::vector<int64_t>>(attributes.at(name));
}

int ConstantsPerLayer(const LayerSpec& layer) {
  return layer.num_parameters / static_cast<int>(layer.Int("layers"));
}

LayerSpec MakeLayerSpec(const std::string& op,
                        const std::map<std::string, AttributeValue>& attributes,
                        int num_parameters) {
  const OperatorSchema& schema = FindOperator(op);
  LayerSpec layer;
  layer.op = op;
  layer.num_parameters = num_parameters;
  for (const auto& [name, value] : attributes) {
    const auto found =
        std::find_if(schema.attributes.begin(), schema.attributes.end(),
                     [&name = name](const AttributeSchema& a) {
                       return a.name == name || (!a.alias.empty() && a.alias == name);
                     });
    Require(found != schema.attributes.end(), "attribute {} = {} is not one of {}'s: {} expected",
            name, Show(value), op, KnownNames(schema));
    const AttributeValue coerced = Coerce(*found, value);
    CheckValue(*found, coerced);
    Require(layer.attributes.emplace(found->name, coerced).second,
            "attribute {} is given twice, also as {}", found->name, found->alias);
  }
  for (const AttributeSchema& a : schema.attributes) {
    if (layer.Has(a.name)) continue;
    Require(!a.required, "attribute {} is missing: {} expected", a.name, TypeName(a.type));
    if (!a.optional) layer.attributes.emplace(a.name, a.default_value);
  }
  // These only ever say what holds anyway.
  layer.attributes.erase("auto_pad");
  layer.attributes.erase("group");

  CheckNumParameters(schema, layer);
  for (const AttributeSchema& a : schema.attributes) {
    if (a.name.rfind("layer_", 0) != 0) continue;
    const size_t depth = layer.Int("layers");
    if (!layer.Has(a.name)) layer.attributes[a.name] = Ints(depth, 1);
    Require(layer.Ints(a.name).size() == depth,
            "attribute {} is {}: {} entries, one a layer, expected", a.name,
            ToString(layer.Ints(a.name)), depth);
  }
  return layer;
}

namespace {

Geometry ConvolutionGeometry(const LayerSpec& layer, const Dims& filter_dims) {
  const std::array<int64_t, 2> kernel = {filter_dims.at(2), filter_dims.at(3)};
  const auto pair = [&](const char* name) {
    const Ints& v = layer.Ints(name);
    return std::array<int64_t, 2>{v[0], v[1]};
  };
  if (layer.Has("kernel_shape")) {
    Require(pair("kernel_shape") == kernel,
            "attribute kernel_shape is {}: the filters' [{}, {}] expected",
            ToString(layer.Ints("kernel_shape")), kernel[0], kernel[1]);
  }
  if (!layer.Has("pads")) {
    try {
      return SamePadded(kernel, pair("strides"), pair("dilations"));
    } catch (const Error& error) {
      Fail("attribute pads is missing: {}", error.what());
    }
  }
  Geometry geometry{kernel, pair("strides"), pair("dilations"), {}};
  const Ints& pads = layer.Ints("pads");
  for (size_t i = 0; i < 4; ++i) geometry.pads[i] = pads[i % pads.size()];
  return geometry;
}

// Of one of the layers that are pursued together; a dense block keeps its size.
Geometry PursuedGeometry(const LayerSpec& layer, size_t index, const Dims& filter_dims) {
  const auto both = [&](const char* name) {
    const int64_t value = layer.Ints(name)[index];
    return std::array<int64_t, 2>{value, value};
  };
  const std::array<int64_t, 2> kernel = {filter_dims.at(2), filter_dims.at(3)};
  if (layer.op == "DenseCsc") return SamePadded(kernel, {1, 1}, both("layer_dilations"));
  const int64_t pad = layer.Ints("layer_pads")[index];
  return {kernel, both("layer_strides"), both("layer_dilations"), {pad, pad, pad, pad}};
}

}  // namespace

std::vector<Geometry> LayerGeometries(const LayerSpec& layer, const std::vector<Dims>& parameters) {
  if (layer.op == "ResCsc") {
    const Ints& strides = layer.Ints("strides");
    const Dims& f1 = parameters.at(0);
    const Dims& f2 = parameters.at(2);
    return {SamePadded({f1.at(2), f1.at(3)}, {strides[0], strides[1]}),
            SamePadded({f2.at(2), f2.at(3)})};
  }
  std::vector<Geometry> geometries;
  if (layer.Has("layers")) {
    for (int64_t i = 0; i < layer.Int("layers"); ++i) {
      geometries.push_back(PursuedGeometry(layer, i, parameters.at(ConstantsPerLayer(layer) * i)));
    }
  } else if (layer.Has("dilations")) {
    geometries.push_back(ConvolutionGeometry(layer, parameters.at(0)));
  }
  return geometries;
}

}  // namespace csc
