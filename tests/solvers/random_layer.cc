#include "tests/solvers/random_layer.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "solvers/error.h"

namespace csc::test {

namespace {

using Attributes = std::map<std::string, AttributeValue>;
using Ints = std::vector<int64_t>;

// Draws the attributes and constants of one layer.
class LayerMaker {
 public:
  LayerMaker(Random* random, const Shape& input, const LayerStyle& style)
      : random_(*random), input_(input), style_(style) {}

  LayerCase Make(const std::string& op) {
    if (op == "SoftThreshold") return SoftThreshold();
    if (op == "LayeredThreshold") return LayeredThreshold();
    if (op == "LayeredPursuit") return LayeredPursuit();
    if (op == "Synthesis") return Synthesis();
    if (op == "MsdCsc") return MsdCsc();
    if (op == "ResCsc") return ResCsc();
    if (op == "MlCsc") return MlCsc();
    if (op == "DenseCsc") return DenseCsc();
    if (op == "MaxPool") return MaxPool();
    if (op == "GlobalAveragePool") return Finish(op);
    if (op == "Gemm") return Gemm();
    Fail("no random layer is written for operator {}", op);
  }

 private:
  // ---- constants ----

  void Add(Dims dims, std::vector<float> data) {
    parameters_.push_back({std::move(dims), std::move(data)});
  }

  // Filters that keep the size of values about as it is.
  void AddFilters(const Dims& dims) {
    const int64_t count = NumElements(dims);
    if (style_.integers) return Add(dims, random_.Integers(count, -1, 1, 0.3));
    const double limit = std::sqrt(3.0 / static_cast<double>(count / dims[0]));
    Add(dims, random_.Reals(count, -limit, limit));
  }

  // [1] or [n], or rows of n. Negative ones where they may be.
  void AddThresholds(int64_t n, int64_t rows, bool two_sided) {
    Dims dims = {n};
    if (random_.Chance(0.25)) dims = {1};
    if (rows > 1 && random_.Chance(0.5)) dims = {rows, n};
    std::vector<float> data(NumElements(dims));
    const bool all_zero = !style_.away_from_kinks && random_.Chance(0.1);
    for (float& b : data) {
      if (all_zero) break;
      b = style_.integers ? static_cast<float>(random_.Int(0, 2))
                          : static_cast<float>(random_.Real(0.03, 0.3));
      if (!two_sided && random_.Chance(0.2)) b = -b;
    }
    Add(std::move(dims), std::move(data));
  }

  // Steps of about 1 / L for the filters added last.
  void AddSteps(int64_t rows) {
    const Tensor& f = parameters_.back().dims.size() == 4 ? parameters_.back()
                                                          : parameters_[parameters_.size() - 2];
    double squares = 0;
    for (float v : f.data) squares += double{v} * v;
    const double smaller = static_cast<double>(std::min(f.dims[0], f.dims[1]));
    const double estimate = 0.7 * smaller / std::max(squares, 1e-6);
    const int64_t count = rows > 1 && random_.Chance(0.5) ? rows : 1;
    std::vector<float> steps(count);
    for (float& c : steps) {
      c = style_.integers ? 1.0f
                          : static_cast<float>(std::min(1.0, estimate) * random_.Real(0.4, 1.2));
    }
    Add({count}, std::move(steps));
  }

  void AddScales(int64_t n, int64_t rows) {
    Dims dims = {n};
    if (rows > 1 && random_.Chance(0.5)) dims = {rows, n};
    std::vector<float> data(NumElements(dims));
    for (float& a : data) {
      a = style_.integers ? static_cast<float>(random_.Int(1, 2))
                          : static_cast<float>(random_.Real(0.6, 1.4));
      if (random_.Chance(0.1)) a = -a;
    }
    Add(std::move(dims), std::move(data));
  }

  bool WithScale() { return style_.normalise || random_.Chance(0.5); }

  // ---- attributes ----

  void Set(const std::string& name, const std::string& opencv_name, Ints value) {
    attributes_[random_.Chance(0.2) ? opencv_name : name] = std::move(value);
  }

  // Leaves out what is the default, sometimes.
  void SetGeometry(const Geometry& g) {
    if (g.strides != std::array<int64_t, 2>{1, 1} || random_.Chance(0.5)) {
      Set("strides", "stride", {g.strides[0], g.strides[1]});
    }
    if (g.dilations != std::array<int64_t, 2>{1, 1} || random_.Chance(0.5)) {
      Set("dilations", "dilation", {g.dilations[0], g.dilations[1]});
    }
    if (random_.Chance(0.3)) {
      Set("kernel_shape", "kernel_size", {g.kernel[0], g.kernel[1]});
    }
    bool same = true;
    for (int axis = 0; axis < 2; ++axis) {
      same = same && 2 * g.pads[axis] == g.Extent(axis) - 1 && g.pads[axis] == g.pads[axis + 2];
    }
    if (!same || random_.Chance(0.5)) {
      Set("pads", "pad", {g.pads[0], g.pads[1], g.pads[2], g.pads[3]});
    }
  }

  bool SetNonnegative(bool default_value) {
    const bool value = random_.Chance(0.5);
    if (value != default_value || random_.Chance(0.5)) {
      attributes_["nonnegative"] = int64_t{value};
    }
    return value;
  }

  // Returns unfolding + 1.
  int64_t SetUnfolding() {
    const int64_t unfolding = random_.Int(0, style_.integers ? 1 : 4);
    if (unfolding > 0 || random_.Chance(0.5)) attributes_["unfolding"] = unfolding;
    if (random_.Chance(0.6)) {
      attributes_["algorithm"] = std::string(random_.Chance(0.8) ? "fista" : "ista");
    }
    return unfolding + 1;
  }

  // Mostly few; sometimes more than a vector register's lanes.
  int64_t RandomWidth() { return random_.Chance(0.15) ? random_.Int(15, 20) : random_.Int(1, 7); }

  LayerCase Finish(const std::string& op) {
    // With batch statistics LayeredThreshold and LayeredPursuit take a scale
    // that the contract's nodes do not have.
    const int extra = style_.normalise && (op == "LayeredThreshold" || op == "LayeredPursuit");
    LayerCase layer;
    layer.spec = MakeLayerSpec(op, attributes_, static_cast<int>(parameters_.size()) - extra);
    layer.parameters = std::move(parameters_);
    layer.input = input_;
    if (!style_.normalise) CheckParameters(layer.spec, &layer.parameters);
    return layer;
  }

  // ---- operators ----

  LayerCase SoftThreshold() {
    AddThresholds(input_.channels, 1, !SetNonnegative(false));
    return Finish("SoftThreshold");
  }

  // Geometry and filters of a plain layer; returns the number of filters.
  int64_t PlainLayer() {
    const Geometry g = RandomGeometry(&random_, input_.height, input_.width);
    const int64_t w = RandomWidth();
    AddFilters({w, input_.channels, g.kernel[0], g.kernel[1]});
    SetGeometry(g);
    return w;
  }

  LayerCase LayeredThreshold() {
    const int64_t w = PlainLayer();
    AddThresholds(w, 1, !SetNonnegative(true));
    if (style_.normalise) AddScales(w, 1);
    return Finish("LayeredThreshold");
  }

  LayerCase LayeredPursuit() {
    const int64_t w = PlainLayer();
    const int64_t rows = SetUnfolding();
    AddThresholds(w, rows, !SetNonnegative(true));
    AddSteps(rows);
    if (style_.normalise) AddScales(w, rows);
    return Finish("LayeredPursuit");
  }

  LayerCase Synthesis() {
    Geometry g;
    Ints output_size;
    for (int axis = 0; axis < 2; ++axis) {
      const int64_t windows = axis == 0 ? input_.height : input_.width;
      g.kernel[axis] = random_.Int(1, 7);
      g.strides[axis] = random_.Chance(0.5) ? 1 : random_.Int(2, 3);
      g.dilations[axis] = random_.Chance(0.7) ? 1 : random_.Int(2, 4);
      // At least one row or column must be left.
      const int64_t most = g.SmallestInputSize(axis, windows) - 1;
      const int64_t total =
          random_.Chance(0.5) ? std::min(most, g.Extent(axis) - 1) : random_.Int(0, most);
      g.pads[axis] = random_.Chance(0.5) && total % 2 == 0 ? total / 2 : random_.Int(0, total);
      g.pads[axis + 2] = total - g.pads[axis];
      output_size.push_back(g.SmallestInputSize(axis, windows) +
                            random_.Int(0, g.strides[axis] - 1));
    }
    if (random_.Chance(0.5)) attributes_["output_size"] = output_size;
    SetGeometry(g);
    AddFilters({input_.channels, RandomWidth(), g.kernel[0], g.kernel[1]});
    return Finish("Synthesis");
  }

  LayerCase MsdCsc() {
    const Geometry g = RandomSizeKeepingGeometry(&random_, input_.height, input_.width);
    const int64_t w = RandomWidth();
    AddFilters({w, input_.channels, g.kernel[0], g.kernel[1]});
    SetGeometry(g);
    const int64_t rows = SetUnfolding();
    int64_t n = input_.channels + w;
    if (random_.Chance(0.4)) {
      attributes_["threshold_identity"] = int64_t{0};
      n = w;
    }
    AddThresholds(n, rows, false);
    AddSteps(rows);
    if (WithScale()) AddScales(n, rows);
    return Finish("MsdCsc");
  }

  LayerCase ResCsc() {
    const auto odd = [&] { return 2 * random_.Int(0, 2) + 1; };
    int64_t m = input_.channels;
    if (random_.Chance(0.6)) {
      attributes_["shortcut"] = std::string("pad");
      m += random_.Chance(0.5) ? random_.Int(0, 5) : 0;
      Set("strides", "stride", {random_.Int(1, 3), random_.Int(1, 3)});
    }
    if (random_.Chance(0.3)) attributes_["simplified"] = int64_t{1};
    AddFilters({m, input_.channels, odd(), odd()});
    AddThresholds(m, 1, false);
    AddFilters({m, m, odd(), odd()});
    AddThresholds(m, 1, false);
    AddSteps(1);
    if (random_.Chance(0.9)) parameters_.back().data[0] *= -1;
    if (WithScale()) {
      AddScales(m, 1);
      AddScales(m, 1);
    }
    return Finish("ResCsc");
  }

  LayerCase MlCsc() {
    const int64_t depth = random_.Int(1, style_.integers ? 2 : 3);
    Ints strides, dilations, pads;
    Shape in = input_;
    for (int64_t i = 0; i < depth; ++i) {
      // Strides, dilations and pads are square here, kernels need not be.
      const int64_t kh = random_.Int(1, 5);
      const int64_t kw = random_.Chance(0.5) ? kh : random_.Int(1, 5);
      strides.push_back(random_.Chance(0.7) ? 1 : random_.Int(2, 3));
      dilations.push_back(random_.Chance(0.7) ? 1 : random_.Int(2, 3));
      const int64_t extent = dilations.back() * (std::max(kh, kw) - 1) + 1;
      const int64_t short_of = std::max<int64_t>(0, extent - std::min(in.height, in.width));
      pads.push_back((short_of + 1) / 2 + random_.Int(0, 2));
      const Geometry g = {{kh, kw},
                          {strides.back(), strides.back()},
                          {dilations.back(), dilations.back()},
                          {pads.back(), pads.back(), pads.back(), pads.back()}};
      const int64_t w = random_.Int(1, 6);
      AddFilters({w, in.channels, kh, kw});
      AddThresholds(w, 1, false);
      AddSteps(1);
      in = {w, g.OutputSize(0, in.height), g.OutputSize(1, in.width)};
    }
    attributes_["layers"] = depth;
    attributes_["layer_pads"] = pads;
    if (strides != Ints(depth, 1) || random_.Chance(0.5)) attributes_["layer_strides"] = strides;
    if (dilations != Ints(depth, 1) || random_.Chance(0.5)) {
      attributes_["layer_dilations"] = dilations;
    }
    SetUnfolding();
    return Finish("MlCsc");
  }

  LayerCase DenseCsc() {
    const int64_t depth = random_.Int(1, style_.integers ? 2 : 3);
    const int64_t rows = SetUnfolding();
    const bool scaled = WithScale();
    Ints dilations;
    int64_t channels = input_.channels;
    for (int64_t i = 0; i < depth; ++i) {
      dilations.push_back(random_.Chance(0.6) ? 1 : random_.Int(2, 3));
      const int64_t w = random_.Chance(0.1) ? random_.Int(15, 20) : random_.Int(1, 5);
      AddFilters({w, channels, 2 * random_.Int(0, 2) + 1, 2 * random_.Int(0, 2) + 1});
      channels += w;
      AddThresholds(channels, rows, false);
      AddSteps(rows);
      if (scaled) AddScales(channels, rows);
    }
    attributes_["layers"] = depth;
    if (dilations != Ints(depth, 1) || random_.Chance(0.5)) {
      attributes_["layer_dilations"] = dilations;
    }
    return Finish("DenseCsc");
  }

  LayerCase MaxPool() {
    Set("kernel_shape", "kernel_size",
        {random_.Int(1, std::min<int64_t>(3, input_.height)),
         random_.Int(1, std::min<int64_t>(3, input_.width))});
    if (random_.Chance(0.8)) {
      Set("strides", "stride", {random_.Int(1, 3), random_.Int(1, 3)});
    }
    return Finish("MaxPool");
  }

  LayerCase Gemm() {
    const int64_t classes = random_.Int(2, 12);
    AddFilters({classes, input_.channels, input_.height, input_.width});
    Add({classes},
        style_.integers ? random_.Integers(classes, -3, 3) : random_.Reals(classes, -0.5, 0.5));
    return Finish("Gemm");
  }

  Random& random_;
  const Shape input_;
  const LayerStyle style_;
  Attributes attributes_;
  std::vector<Tensor> parameters_;
};

Shape OutputShape(const LayerCase& layer) {
  std::vector<Dims> dims;
  for (const Tensor& tensor : layer.parameters) dims.push_back(tensor.dims);
  const Shape& in = layer.input;
  const Dims out = OutputDims(layer.spec, dims, {1, in.channels, in.height, in.width});
  return {out[1], out[2], out[3]};
}

}  // namespace

std::vector<std::string> ProgramOperators() {
  std::vector<std::string> names;
  for (const OperatorSchema& schema : AllOperators()) {
    if (schema.name != "Lasso") names.push_back(schema.name);
  }
  return names;
}

Shape RandomInputShape(Random* random, const LayerStyle& style) {
  if (style.integers) {
    // Powers of two: averages are exact too.
    return {random->Int(1, 4), random->Pick({1, 2, 4, 8}), random->Pick({1, 2, 4, 8})};
  }
  const int64_t channels = random->Chance(0.15) ? random->Int(15, 20) : random->Int(1, 7);
  return {channels, random->Int(1, 11), random->Int(1, 11)};
}

LayerCase RandomLayer(Random* random, const std::string& op, const Shape& input,
                      const LayerStyle& style) {
  return LayerMaker(random, input, style).Make(op);
}

std::vector<LayerCase> RandomNetwork(Random* random, const LayerStyle& style) {
  const std::vector<std::string> operators = {
      "MsdCsc", "MsdCsc",   "ResCsc",  "ResCsc",        "LayeredThreshold", "LayeredPursuit",
      "MlCsc",  "DenseCsc", "MaxPool", "SoftThreshold", "Synthesis"};
  std::vector<LayerCase> layers;
  Shape shape = {random->Int(1, 4), random->Int(4, 9), random->Int(4, 9)};
  const auto add = [&](const std::string& op) {
    layers.push_back(RandomLayer(random, op, shape, style));
    shape = OutputShape(layers.back());
  };
  const int64_t depth = random->Int(1, 3);
  while (static_cast<int64_t>(layers.size()) < depth) {
    add(operators[random->Int(0, static_cast<int64_t>(operators.size()) - 1)]);
    if (shape.size() > 2000) break;
  }
  if (random->Chance(0.5) || shape.size() > 500) add("GlobalAveragePool");
  add("Gemm");
  return layers;
}

}  // namespace csc::test
