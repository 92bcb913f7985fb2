#include "tests/layers/bad_cases.h"

#include <cmath>
#include <limits>
#include <utility>

#include "solvers/network/layer.h"
#include "solvers/network/network.h"

namespace csc::test {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<BadCase> cases;  // filled once, by AllBadCases

void Add(const std::string& what, const LayerCase& layer, const std::vector<std::string>& named,
         std::function<void(OnnxModel*)> change = {}) {
  cases.push_back({what + " of " + layer.op, layer, named, std::move(change)});
}

void AddAttribute(const LayerCase& base, const std::string& name, const AttributeValue& value,
                  const std::string& found, const std::string& expected = "expected") {
  LayerCase c = base;
  c.attributes[name] = value;
  Add(name + " = " + found, c, {"attribute " + name, found, expected});
}

// An attribute the operator does not have goes by OpenCV's name for it: "pad" of pads.
void AddUndefined(const LayerCase& base, const std::string& name, const Ints& value) {
  LayerCase c = base;
  c.attributes[name] = value;
  Add(name, c, {"attribute " + name.substr(0, 3), ToString(value), "not one of " + c.op + "'s"});
}

std::vector<std::string> NamesOf(const LayerCase& c) {
  if (c.op != "Network") {
    return ParameterNames(MakeLayerSpec(c.op, c.attributes, static_cast<int>(c.constants.size())));
  }
  std::vector<std::string> names;
  for (const LayerSpec& layer : ReadSpec(std::get<std::string>(c.attributes.at("spec")))) {
    for (const std::string& name : ParameterNames(layer)) names.push_back(name);
  }
  return names;
}

// Missing, extra, mis-shaped and non-finite constants.
void AddBadConstants(const LayerCase& base) {
  LayerCase missing = base;
  missing.constants.pop_back();
  Add("a missing constant", missing,
      {std::to_string(missing.constants.size()) + " constant inputs (blobs)", "expected"});
  LayerCase none = base;
  none.constants.clear();
  Add("no constant at all", none, {"0 constant inputs (blobs)", "expected"});
  LayerCase extra = base;
  // So many that none can pass for an optional one.
  extra.constants.insert(extra.constants.end(), 3, Tensor{{1}, {1}});
  Add("extra constants", extra,
      {std::to_string(extra.constants.size()) + " constant inputs (blobs)", "expected"});

  const std::vector<std::string> names = NamesOf(base);
  for (size_t i = 0; i < base.constants.size(); ++i) {
    for (const Dims& dims : {Dims{5, 11}, Dims{2, 3, 1, 1, 2}, Dims{13}}) {
      LayerCase c = base;
      c.constants[i] = Values(dims, 0, 1, 1);
      if (c.op == "SoftThreshold" && dims.size() == 1) {
        Add("a vector for another input", c, {"[2, 3, 5, 4]", "13 expected by b"});
        continue;
      }
      // OpenCV gives a vector of n as n x 1.
      const std::string sizes =
          dims.size() == 1 ? "has sizes [13, 1]" : "has sizes " + ToString(dims);
      Add("sizes " + ToString(dims) + " of constant " + std::to_string(i), c,
          {names[i] + " ", sizes, "expected"});
    }
    for (float value : {kNan, kInfinity, -kInfinity}) {
      LayerCase c = base;
      c.constants[i].data.back() = value;
      Add("a value of " + std::to_string(value) + " in constant " + std::to_string(i), c,
          {names[i] + " contains ", std::isnan(value) ? "nan" : "inf", "finite values expected"});
    }
  }
  // Not float32. OpenCV turns double into float, integers stay what they are.
  for (size_t i = 0; i < base.constants.size(); ++i) {
    Add("integers in constant " + std::to_string(i), base,
        {names[i] + " is ", "of CV_32S", "float32"}, [i](OnnxModel* model) {
          auto* tensor = model->proto().mutable_graph()->mutable_initializer(i);
          tensor->set_data_type(onnx::TensorProto::INT32);
        });
  }
}

void AddBadGeometry(const LayerCase& base) {
  const int64_t big = 100000;
  AddAttribute(base, "strides", Ints{0, 1}, "[0, 1]", "1..1024");
  AddAttribute(base, "strides", Ints{1, 1025}, "[1, 1025]", "1..1024");
  AddAttribute(base, "strides", Ints{-1, 1}, "[-1, 1]");
  AddAttribute(base, "strides", Ints{2, 2, 2}, "[2, 2, 2]", "2 entries");
  AddAttribute(base, "strides", Ints{2}, "[2]", "2 entries");
  if (base.op == "ResCsc") {
    for (const char* name : {"dilations", "pads", "kernel_shape"}) {
      AddUndefined(base, name, Ints{1, 1});
    }
    return;
  }
  AddAttribute(base, "dilations", Ints{0, 1}, "[0, 1]", "1..1024");
  AddAttribute(base, "dilations", Ints{1, 1025}, "[1, 1025]", "1..1024");
  AddAttribute(base, "pads", Ints{-1, 0, 0, 0}, "[-1, 0, 0, 0]", "0..16384");
  AddAttribute(base, "pads", Ints{0, 0, 0, 16385}, "[0, 0, 0, 16385]", "0..16384");
  AddAttribute(base, "pads", Ints{1, 1, 1, 1, 1, 1}, "[1, 1, 1, 1, 1, 1]", "4 entries");
  AddAttribute(base, "kernel_shape", Ints{7, 7}, "[7, 7]");
  AddAttribute(base, "kernel_shape", Ints{3, 256}, "[3, 256]", "1..255");
  AddAttribute(base, "group", int64_t{2}, "2", "1 expected");
  AddAttribute(base, "auto_pad", std::string("SAME_UPPER"), "\"SAME\"", "NOTSET");
  AddAttribute(base, "auto_pad", std::string("VALID"), "\"VALID\"", "NOTSET");

  LayerCase even = base;
  even.attributes.erase("pads");
  even.attributes.erase("kernel_shape");
  even.attributes["dilations"] = Ints{1, 1};
  Dims& dims = even.constants[0].dims;
  dims[3] = 2;
  even.constants[0] = Values(dims, 0, 1, 2);
  Add("an even kernel without pads", even, {"attribute pads", "explicit pads"});
  LayerCase wide = base;
  wide.attributes.erase("kernel_shape");
  wide.constants[0] = Values({dims[0], dims[1], 1, 257}, 0, 1, 3);
  wide.attributes["pads"] = Ints{0, 128, 0, 128};
  Add("a kernel of 257", wide, {"F", "257", "255"});
  if (base.op != "MsdCsc" && base.op != "Synthesis") {
    LayerCase small = base;
    small.attributes["pads"] = Ints{0, 0, 0, 0};
    small.attributes["dilations"] = Ints{big / 100, 1};
    Add("an image smaller than the window", small, {"height", "expected"});
  }
}

void AddBadChoices(const LayerCase& base) {
  const LayerSpec spec =
      MakeLayerSpec(base.op, base.attributes, static_cast<int>(base.constants.size()));
  if (spec.Has("unfolding")) {
    AddAttribute(base, "unfolding", int64_t{-1}, "-1", "0..1000");
    AddAttribute(base, "unfolding", int64_t{1001}, "1001", "0..1000");
    AddAttribute(base, "unfolding", 1.5, "1.5", "an integer");
    AddAttribute(base, "unfolding", Ints{1, 2}, "[1, 2]", "an integer");
    AddAttribute(base, "unfolding", std::string("two"), "\"two\"", "an integer");
  }
  if (spec.Has("algorithm")) {
    AddAttribute(base, "algorithm", std::string("adam"), "\"adam\"", "fista");
    AddAttribute(base, "algorithm", int64_t{3}, "3", "a string");
  }
  for (const char* name : {"nonnegative", "threshold_identity", "simplified"}) {
    if (!spec.Has(name)) continue;
    AddAttribute(base, name, int64_t{2}, "2", "0..1");
    AddAttribute(base, name, int64_t{-1}, "-1", "0..1");
  }
}

// A negative threshold where thresholds act on both sides.
void AddNegativeThresholds() {
  for (const auto& [op, index] : std::vector<std::pair<std::string, int>>{
           {"SoftThreshold", 0}, {"LayeredThreshold", 1}, {"LayeredPursuit", 1}, {"Lasso", 1}}) {
    LayerCase c = MinimalCase(op);
    c.attributes["nonnegative"] = int64_t{0};
    c.constants[index] = {{1}, {-0.5f}};
    const std::string name = op == "Lasso" ? "beta" : "b";
    Add("a negative threshold", c, {name + " contains -0.5", "at least 0 expected"});
  }
  LayerCase lasso = MinimalCase("Lasso");
  lasso.attributes["nonnegative"] = int64_t{1};
  lasso.constants[1] = {{1}, {-0.5f}};
  Add("a negative beta even if nonnegative", lasso, {"beta contains -0.5"});
}

void AddLasso() {
  const LayerCase base = MinimalCase("Lasso");
  for (int64_t value : {0, -5, 100001}) {
    AddAttribute(base, "max_iterations", value, std::to_string(value), "1..100000");
  }
  for (const char* name : {"step", "tolerance"}) {
    AddAttribute(base, name, -0.25, "-0.25", "at least 0");
    AddAttribute(base, name, double{kNan}, "nan", "at least 0");
    AddAttribute(base, name, double{kInfinity}, "inf", "finite");
    AddAttribute(base, name, std::string("small"), "\"small\"", "a number");
  }
}

void AddResCsc() {
  const LayerCase base = MinimalCase("ResCsc");
  AddAttribute(base, "shortcut", std::string("conv"), "\"conv\"", "identity");
  LayerCase strided = base;
  strided.attributes["strides"] = Ints{2, 2};
  Add("strides with an identity", strided, {"attribute shortcut", "\"identity\"", "[2, 2]"});
  LayerCase one = base;
  one.constants.push_back(Values({4}, 0.5, 1, 1));
  Add("a1 without a2", one, {"6 constant inputs (blobs)", "both or not at all"});
  LayerCase even = base;
  even.constants[2] = Values({4, 4, 2, 2}, 0, 1, 1);
  Add("an even kernel", even, {"F2 has sizes [4, 4, 2, 2]", "odd"});
  LayerCase fewer = base;
  fewer.attributes["shortcut"] = std::string("pad");
  fewer.constants = {Values({3, 4, 3, 3}, 0, 1, 1),
                     Values({3}, 0, 1, 2),
                     Values({3, 3, 3, 3}, 0, 1, 3),
                     Values({3}, 0, 1, 4),
                     {{1}, {-0.5f}}};
  Add("fewer filters than channels to pad to", fewer, {"attribute shortcut", "[3, 4, 3, 3]"});
}

void AddMsdCsc() {
  const LayerCase base = MinimalCase("MsdCsc");
  AddAttribute(base, "strides", Ints{2, 2}, "[2, 2]", "[1, 1]");
  AddAttribute(base, "pads", Ints{0, 0, 0, 0}, "[0, 0, 0, 0]", "keep the size");
  LayerCase scale = base;
  scale.constants.push_back({{1}, {0.5f}});
  Add("a scale for all channels", scale, {"a has sizes [1]", "[7]"});
}

void AddMlCsc() {
  const LayerCase base = MinimalCase("MlCsc");
  AddAttribute(base, "layers", int64_t{0}, "0");
  AddAttribute(base, "layers", int64_t{1 << 30}, "1073741824");
  AddAttribute(base, "layer_pads", Ints{1}, "[1]", "2 entries");
  AddAttribute(base, "layer_pads", Ints{1, -1}, "[1, -1]");
  AddAttribute(base, "layer_strides", Ints{1, 0}, "[1, 0]");
  AddAttribute(base, "layer_strides", Ints{1, 2, 3}, "[1, 2, 3]", "2 entries");
  AddAttribute(base, "layer_dilations", Ints{1025, 1}, "[1025, 1]");
  AddUndefined(base, "strides", Ints{1, 1});
  for (const char* name : {"layers", "layer_pads"}) {
    LayerCase c = base;
    c.attributes.erase(name);
    Add(std::string("no ") + name, c, {"attribute " + std::string(name) + " is missing"});
  }
  LayerCase chain = base;
  chain.constants[3] = Values({5, 3, 2, 2}, 0, 1, 1);
  Add("layers that do not fit each other", chain,
      {"F_2 has sizes [5, 3, 2, 2]", "4 input channels"});
}

void AddSynthesis() {
  const LayerCase base = MinimalCase("Synthesis");  // strides 2, g of 4 x 3
  AddAttribute(base, "output_size", Ints{4, 5}, "height of 4", "2 windows");
  AddAttribute(base, "output_size", Ints{0, 5}, "[0, 5]");
  AddAttribute(base, "output_size", Ints{7}, "[7]", "2 entries");
  LayerCase cut = base;
  cut.attributes["pads"] = Ints{90, 90, 90, 90};
  Add("pads that leave nothing", cut, {"attribute pads", "-1"});
}

void AddNetwork() {
  const LayerCase base = MinimalCase("Network");
  const auto spec = [&](const std::string& text, const std::vector<std::string>& named) {
    LayerCase c = base;
    c.attributes["spec"] = text;
    Add("the spec " + text, c, named);
  };
  spec("", {"attribute spec"});
  spec("hello", {"attribute spec", "hello", "JSON"});
  spec("[1, 2", {"attribute spec", "JSON"});
  spec(R"({"format": "other", "version": 1, "layers": []})",
       {"attribute spec", "other", "csc-network"});
  spec(R"({"format": "csc-network", "version": 3, "layers": [{}]})",
       {"attribute spec", "version 3"});
  spec(R"({"format": "csc-network", "version": 1, "layers": []})", {"attribute spec", "no layers"});
  const auto layer = [&](const std::string& text, const std::vector<std::string>& named) {
    spec(R"({"format": "csc-network", "version": 1, "layers": [)" + text + "]}", named);
  };
  layer(R"({"op": "Dance"})", {"layer 0", "Dance"});
  layer(R"({"op": "Lasso", "parameters": 2})", {"layer 0 (Lasso)"});
  layer(R"({"op": "MsdCsc", "parameters": 3, "unfolding": -3})",
        {"layer 0 (MsdCsc)", "attribute unfolding is -3"});
  layer(R"({"op": "MsdCsc", "parameters": 3, "colour": 1})", {"layer 0 (MsdCsc)", "colour"});
  layer(R"({"op": "MsdCsc", "parameters": 99})", {"layer 0 (MsdCsc)", "99"});
  layer(R"({"op": "MsdCsc", "parameters": -1})", {"layer 0 (MsdCsc)", "-1"});
  layer(R"({"op": "GlobalAveragePool", "parameters": 0})",
        {"7 constant inputs (blobs)", "0 expected"});
  layer("17", {"layer 0", "17"});
  spec(std::string(100000, '['), {"attribute spec"});
  LayerCase number = base;
  number.attributes["spec"] = int64_t{4};
  Add("a number for a spec", number, {"attribute spec", "string"});
  LayerCase none = base;
  none.attributes.clear();
  Add("no spec", none, {"attribute spec is missing"});
}

void AddBadInputs(const LayerCase& base) {
  LayerCase c = base;
  c.input[1] += 1;
  if (base.op != "SoftThreshold") {
    Add("too many channels", c, {std::to_string(c.input[1]) + " channels", "expected"});
  }
  for (const Dims& dims : {Dims{2, 3}, Dims{3, 4, 5}, Dims{1, 2, 3, 4, 5}}) {
    LayerCase rank = base;
    rank.input = dims;
    Add("rank " + std::to_string(dims.size()), rank,
        {"has sizes " + ToString(dims), "[N, C, H, W]"});
  }
  const size_t inputs = base.op == "Synthesis" ? 3 : 2;
  Add("too many run-time inputs", base, {std::to_string(inputs) + " run-time inputs"},
      [inputs](OnnxModel* model) {
        for (size_t i = 1; i < inputs; ++i) {
          model->proto().mutable_graph()->mutable_node(0)->add_input("x");
        }
      });
  // x becomes a constant: blob 0, and there is no run-time input.
  Add("nothing but constants", base, {"expected"},
      [base](OnnxModel* model) { model->Constant("x", Values(base.input, 0, 1, 1)); });
  Add("no input at all", base, {"no run-time input"}, [](OnnxModel* model) {
    auto* inputs_of_node = model->proto().mutable_graph()->mutable_node(0)->mutable_input();
    inputs_of_node->DeleteSubrange(0, 1);
  });
}

void AddOversized() {
  // 2^31 elements and more, which OpenCV cannot count.
  LayerCase wide = MinimalCase("Synthesis");
  wide.attributes = {{"strides", Ints{1024, 1024}},
                     {"pads", Ints{0, 0, 0, 0}},
                     {"output_size", Ints{50000, 50000}}};
  wide.constants = {Values({1, 1, 1, 1}, 0, 1, 1)};
  wide.input = {1, 1, 49, 49};
  Add("an output of 2.5e9 elements", wide, {"[1, 1, 50000, 50000]", "2147483647"});
  LayerCase padded = MinimalCase("LayeredThreshold");
  padded.attributes = {{"pads", Ints{16384, 16384, 16384, 16384}}};
  padded.constants = {Values({2, 1, 1, 1}, 0, 1, 1), {{1}, {0}}};
  padded.input = {1, 1, 8, 8};
  Add("an output of 2.1e9 elements", padded, {"[1, 2, 32776, 32776]"});

  // Small in, small out, but in between 2^20 or 2^30 rows and columns: more than any machine
  // holds, and with 16 channels more elements than 64 bits count.
  for (int levels : {2, 3}) {
    std::vector<LayerSpec> layers;
    LayerCase between = MinimalCase("Network");
    between.constants.clear();
    for (int i = 1; i <= levels; ++i) {
      const int64_t size = int64_t{1} << (10 * i);
      layers.push_back(MakeLayerSpec("Synthesis",
                                     {{"strides", Ints{1024, 1024}},
                                      {"pads", Ints{0, 0, 0, 0}},
                                      {"output_size", Ints{size, size}}},
                                     1));
      between.constants.push_back(Values({1, i == levels ? 16 : 1, 1, 1}, 0, 1, 1));
    }
    for (int i = levels; i >= 1; --i) {
      layers.push_back(MakeLayerSpec(
          "LayeredThreshold", {{"strides", Ints{1024, 1024}}, {"pads", Ints{0, 0, 0, 0}}}, 2));
      between.constants.push_back(Values({1, i == levels ? 16 : 1, 1, 1}, 0, 1, 1));
      between.constants.push_back({{1}, {0}});
    }
    between.attributes["spec"] = WriteSpec(layers);
    between.input = {1, 1, 1, 1};
    Add("an intermediate result", between,
        {levels == 2 ? "MiB of memory" : "16, 1073741824, 1073741824] overflows 64 bits"});
  }
}

}  // namespace

const std::vector<BadCase>& AllBadCases() {
  if (!cases.empty()) return cases;
  for (const LayerCase& base : MinimalCases()) {
    AddBadConstants(base);
    AddBadInputs(base);
    LayerCase odd = base;
    odd.attributes["colour"] = std::string("red");
    Add("an attribute it does not define", odd, {"attribute colour", "expected"});
    odd.attributes["colour"] = Ints{1, 2, 3};
    Add("a list it does not define", odd, {"attribute colour"});
    if (base.op == "Network") continue;
    AddBadChoices(base);
    if (base.op != "SoftThreshold" && base.op != "MlCsc") AddBadGeometry(base);
  }
  AddNegativeThresholds();
  AddLasso();
  AddResCsc();
  AddMsdCsc();
  AddMlCsc();
  AddSynthesis();
  AddNetwork();
  AddOversized();
  return cases;
}

}  // namespace csc::test
