// Checks a layer's constants against the contract.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>

#include "solvers/error.h"
#include "solvers/network/layer.h"

namespace csc {

std::vector<std::string> ParameterNames(const LayerSpec& layer) {
  const std::string& op = layer.op;
  if (op == "SoftThreshold") return {"b"};
  if (op == "LayeredThreshold") return {"F", "b"};
  if (op == "LayeredPursuit") return {"F", "b", "c"};
  if (op == "Synthesis") return {"F"};
  if (op == "Lasso") return {"F", "beta"};
  if (op == "Gemm") return {"W", "bias"};
  if (op == "MsdCsc") {
    if (layer.num_parameters == 3) return {"F", "b", "c"};
    return {"F", "b", "c", "a"};
  }
  if (op == "ResCsc") {
    std::vector<std::string> names = {"F1", "b1", "F2", "b2", "c"};
    if (layer.num_parameters == 7) names.insert(names.end(), {"a1", "a2"});
    return names;
  }
  std::vector<std::string> names;
  if (layer.Has("layers")) {
    for (int i = 1; i <= layer.Int("layers"); ++i) {
      for (const char* name : {"F", "b", "c", "a"}) names.push_back(fmt::format("{}_{}", name, i));
      if (ConstantsPerLayer(layer) == 3) names.pop_back();
    }
  }
  return names;
}

namespace {

// Checks one layer's constants by name, in the order of ParameterNames.
class Checker {
 public:
  Checker(const LayerSpec& layer, std::vector<Tensor>* parameters)
      : layer_(layer), names_(ParameterNames(layer)), parameters_(*parameters) {
    Require(parameters_.size() == names_.size(),
            "{} constant inputs (blobs) found: {} expected ({})", parameters_.size(), names_.size(),
            fmt::format("{}", fmt::join(names_, ", ")));
    for (size_t i = 0; i < names_.size(); ++i) CheckFinite(i);
  }

  Tensor& at(size_t i) { return parameters_[i]; }

  // Filters of 4 sizes; kernel at most 255.
  const Dims& Filters(size_t i) {
    const Dims& dims = at(i).dims;
    Require(dims.size() == 4, "{} has sizes {}: [w, C, kh, kw] expected", names_[i],
            ToString(dims));
    for (int axis : {2, 3}) {
      Require(dims[axis] <= 255, "{} has sizes {}: a kernel of 1..255 expected", names_[i],
              ToString(dims));
    }
    return dims;
  }

  // One number, of any rank.
  void Scalar(size_t i) { Vector(i, 1, "[1]"); }

  // [n] as [n] or [n, 1].
  void AllChannels(size_t i, int64_t n) {
    if (n > 1) MoreThanOne(i, n);
    Vector(i, n, fmt::format("[{}]", n));
  }

  void MoreThanOne(size_t i, int64_t n) {
    Require(at(i).data.size() > 1, "{} has sizes {}: [{}] expected", names_[i],
            ToString(at(i).dims), n);
  }

  // [1], or [n] as [n] or [n, 1].
  void OneOrVector(size_t i, int64_t n) {
    Vector(i, n, n == 1 ? "[1]" : fmt::format("[1] or [{}]", n));
  }

  // [1], [n], or [unfolding + 1, n]: one row for each iteration.
  void OneOrRows(size_t i, int64_t n) {
    const int64_t rows = layer_.Int("unfolding") + 1;
    Tensor& tensor = at(i);
    if (tensor.dims == Dims{rows, n}) return;
    Vector(i, n, fmt::format("[1], [{}] or [{}, {}]", n, rows, n));
  }

  // [1] or [unfolding + 1].
  void Steps(size_t i) {
    const int64_t rows = layer_.Int("unfolding") + 1;
    Vector(i, rows, rows == 1 ? "[1]" : fmt::format("[1] or [{}]", rows));
  }

  void NotNegative(size_t i, const char* why) {
    for (float value : at(i).data) {
      Require(value >= 0, "{} contains {}: at least 0 expected{}", names_[i], value, why);
    }
  }

  void Odd(size_t i) {
    const Dims& dims = Filters(i);
    Require(dims[2] % 2 == 1 && dims[3] % 2 == 1, "{} has sizes {}: odd kernels expected",
            names_[i], ToString(dims));
  }

  void Expect(size_t i, const Dims& wanted, const char* text) {
    Require(at(i).dims == wanted, "{} has sizes {}: {} = {} expected", names_[i],
            ToString(at(i).dims), text, ToString(wanted));
  }

 private:
  void CheckFinite(size_t i) {
    const Tensor& tensor = at(i);
    for (int64_t dim : tensor.dims) {
      Require(dim >= 1, "{} has sizes {}: each must be at least 1", names_[i],
              ToString(tensor.dims));
    }
    Require(NumElements(tensor.dims) == static_cast<int64_t>(tensor.data.size()),
            "{} has sizes {} but {} values", names_[i], ToString(tensor.dims), tensor.data.size());
    for (size_t k = 0; k < tensor.data.size(); ++k) {
      Require(std::isfinite(tensor.data[k]),
              "{} contains {} at position {}: finite values expected", names_[i], tensor.data[k],
              k);
    }
  }

  void Vector(size_t i, int64_t n, const std::string& expected) {
    Tensor& tensor = at(i);
    const int64_t count = NumElements(tensor.dims);
    if (count == 1) {
      tensor.dims = {1};
      return;
    }
    // A vector of n arrives through OpenCV as n x 1.
    Require(tensor.dims == Dims{n} || tensor.dims == (Dims{n, 1}), "{} has sizes {}: {} expected",
            names_[i], ToString(tensor.dims), expected);
    tensor.dims = {n};
  }

  const LayerSpec& layer_;
  const std::vector<std::string> names_;
  std::vector<Tensor>& parameters_;
};

constexpr char kTwoSided[] = " where nonnegative is 0";

void CheckMlCsc(const LayerSpec& layer, Checker* check) {
  int64_t below = -1;
  for (int64_t l = 0; l < layer.Int("layers"); ++l) {
    const Dims f = check->Filters(3 * l);
    Require(below < 0 || f[1] == below,
            "F_{} has sizes {}: {} input channels, the codes of F_{}, expected", l + 1, ToString(f),
            below, l);
    below = f[0];
    check->OneOrVector(3 * l + 1, f[0]);
    check->Scalar(3 * l + 2);
  }
}

void CheckDenseCsc(const LayerSpec& layer, Checker* check) {
  const int per_layer = ConstantsPerLayer(layer);
  int64_t below = -1;
  for (int64_t l = 0; l < layer.Int("layers"); ++l) {
    const int64_t first = per_layer * l;
    check->Odd(first);
    const Dims f = check->at(first).dims;
    Require(below < 0 || f[1] == below,
            "F_{} has sizes {}: {} input channels, those that layer {} reads and gives, expected",
            l + 1, ToString(f), below, l);
    below = f[1] + f[0];
    check->OneOrRows(first + 1, below);
    check->Steps(first + 2);
    if (per_layer == 4) {
      check->OneOrRows(first + 3, below);
      check->MoreThanOne(first + 3, below);
    }
  }
}

void CheckResCsc(const LayerSpec& layer, Checker* check) {
  check->Odd(0);
  check->Odd(2);
  const int64_t m = check->at(0).dims[0];
  const Dims& f2 = check->at(2).dims;
  check->Expect(2, {m, m, f2[2], f2[3]}, "[m, m, kh, kw]");
  check->OneOrVector(1, m);
  check->OneOrVector(3, m);
  check->Scalar(4);
  if (layer.num_parameters == 7) {
    check->AllChannels(5, m);
    check->AllChannels(6, m);
  }
}

}  // namespace

void CheckParameters(const LayerSpec& layer, std::vector<Tensor>* parameters) {
  Checker check(layer, parameters);
  const std::string& op = layer.op;
  const bool two_sided = layer.Has("nonnegative") && !layer.Int("nonnegative");
  if (op == "SoftThreshold") {
    // The number of channels is the input's: checked with it.
    check.OneOrVector(0, NumElements(check.at(0).dims));
    if (two_sided) check.NotNegative(0, kTwoSided);
  } else if (op == "Synthesis") {
    LayerGeometries(layer, {check.Filters(0)});
  } else if (op == "LayeredThreshold" || op == "Lasso" || op == "LayeredPursuit") {
    const Dims f = check.Filters(0);
    LayerGeometries(layer, {f});
    if (op == "LayeredPursuit") {
      check.OneOrRows(1, f[0]);
      check.Steps(2);
    } else {
      check.OneOrVector(1, f[0]);
    }
    if (op == "Lasso") {
      check.NotNegative(1, "");
    } else if (two_sided) {
      check.NotNegative(1, kTwoSided);
    }
  } else if (op == "MsdCsc") {
    const Dims f = check.Filters(0);
    const Geometry geometry = LayerGeometries(layer, {f})[0];
    Require(geometry.strides == (std::array<int64_t, 2>{1, 1}),
            "attribute strides is [{}, {}]: [1, 1] expected", geometry.strides[0],
            geometry.strides[1]);
    Require(geometry.KeepsSize(),
            "attribute pads is {}: pads that keep the size expected, that is "
            "{} rows and {} columns in all",
            ToString(Dims(geometry.pads.begin(), geometry.pads.end())), geometry.Extent(0) - 1,
            geometry.Extent(1) - 1);
    const int64_t n = layer.Int("threshold_identity") ? f[1] + f[0] : f[0];
    check.OneOrRows(1, n);
    check.Steps(2);
    if (layer.num_parameters == 4) {
      check.OneOrRows(3, n);
      if (n > 1) check.MoreThanOne(3, n);
    }
  } else if (op == "ResCsc") {
    CheckResCsc(layer, &check);
  } else if (op == "MlCsc") {
    CheckMlCsc(layer, &check);
  } else if (op == "DenseCsc") {
    CheckDenseCsc(layer, &check);
  } else if (op == "Gemm") {
    const Dims& w = check.at(0).dims;
    Require(w.size() == 4, "W has sizes {}: [K, C, H, W] expected", ToString(w));
    const int64_t k = w[0];
    check.OneOrVector(1, k);
  }
}

}  // namespace csc
