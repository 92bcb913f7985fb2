// Output sizes of layers, also where some sizes are not known yet (zero).

#include <algorithm>
#include <limits>

#include "solvers/error.h"
#include "solvers/network/layer.h"

namespace csc {

namespace {

constexpr const char* kAxisNames[] = {"height", "width"};
constexpr int64_t kLargestSize = std::numeric_limits<int32_t>::max();

// Windows along one axis; 0 for a size not known yet.
int64_t Windows(const Geometry& geometry, int axis, int64_t size) {
  if (size == 0) return 0;
  const int64_t windows = geometry.OutputSize(axis, size);
  Require(windows > 0,
          "the input's {} is {}: at least {} expected for filters of extent {} "
          "with pads {} and {}",
          kAxisNames[axis], size,
          geometry.Extent(axis) - geometry.pads[axis] - geometry.pads[axis + 2],
          geometry.Extent(axis), geometry.pads[axis], geometry.pads[axis + 2]);
  return windows;
}

Dims Analysed(const Dims& in, const Dims& filters, const Geometry& geometry) {
  return {in[0], filters[0], Windows(geometry, 0, in[2]), Windows(geometry, 1, in[3])};
}

void RequireChannels(const Dims& in, int64_t expected, const char* whose) {
  Require(in[1] == 0 || in[1] == expected,
          "the input has {} channels (sizes {}): {} expected by {}", in[1], ToString(in), expected,
          whose);
}

Dims SynthesisDims(const LayerSpec& layer, const Dims& filters, const Geometry& geometry,
                   const Dims& in) {
  RequireChannels(in, filters[0], "F");
  Dims out = {in[0], filters[1], 0, 0};
  for (int axis = 0; axis < 2; ++axis) {
    const int64_t windows = in[2 + axis];
    int64_t& size = out[2 + axis];
    if (layer.Has("output_size")) {
      size = layer.Ints("output_size")[axis];
      Require(windows == 0 || geometry.OutputSize(axis, size) == windows,
              "attribute output_size gives a {} of {}, whose analysis has {} "
              "windows: {}, the code's, expected",
              kAxisNames[axis], size, geometry.OutputSize(axis, size), windows);
    } else if (windows > 0) {
      size = geometry.SmallestInputSize(axis, windows);
      Require(size >= 1,
              "attribute pads leaves a {} of {} for a code of {}: at least 1 "
              "expected",
              kAxisNames[axis], size, windows);
    }
  }
  return out;
}

// OutputDims of an input whose sizes are within reason.
Dims Unchecked(const LayerSpec& layer, const std::vector<Dims>& parameters, const Dims& in) {
  const std::string& op = layer.op;
  const std::vector<Geometry> geometries = LayerGeometries(layer, parameters);
  if (op == "SoftThreshold") {
    const int64_t b = NumElements(parameters.at(0));
    if (b != 1) RequireChannels(in, b, "b");
    return in;
  }
  if (op == "Synthesis") {
    return SynthesisDims(layer, parameters.at(0), geometries[0], in);
  }
  if (op == "LayeredThreshold" || op == "LayeredPursuit" || op == "Lasso") {
    RequireChannels(in, parameters.at(0)[1], "F");
    return Analysed(in, parameters[0], geometries[0]);
  }
  if (op == "MsdCsc") {
    const Dims& f = parameters.at(0);
    RequireChannels(in, f[1], "F");
    return {in[0], f[1] + f[0], in[2], in[3]};
  }
  if (op == "ResCsc") {
    const Dims& f1 = parameters.at(0);
    RequireChannels(in, f1[1], "F1");
    if (layer.String("shortcut") == "identity") {
      const auto& strides = layer.Ints("strides");
      Require(f1[0] == f1[1] && strides[0] == 1 && strides[1] == 1,
              "attribute shortcut is \"identity\" with F1 of sizes {} and "
              "strides {}: as many filters as channels and strides [1, 1] "
              "expected",
              ToString(f1), ToString(strides));
    } else {
      Require(f1[0] >= f1[1],
              "attribute shortcut is \"pad\" with F1 of sizes {}: at least as "
              "many filters as channels expected",
              ToString(f1));
    }
    return Analysed(in, f1, geometries[0]);
  }
  if (op == "MlCsc") {
    RequireChannels(in, parameters.at(0)[1], "F_1");
    Dims out = in;
    for (size_t i = 0; i < geometries.size(); ++i) {
      out = Analysed(out, parameters.at(3 * i), geometries[i]);
    }
    return out;
  }
  if (op == "DenseCsc") {
    RequireChannels(in, parameters.at(0)[1], "F_1");
    const Dims& deepest = parameters.at(parameters.size() - ConstantsPerLayer(layer));
    return {in[0], deepest[1] + deepest[0], in[2], in[3]};
  }
  if (op == "MaxPool") {
    const auto& kernel = layer.Ints("kernel_shape");
    const auto& strides = layer.Ints("strides");
    const Geometry pool = {{kernel[0], kernel[1]}, {strides[0], strides[1]}};
    return {in[0], in[1], Windows(pool, 0, in[2]), Windows(pool, 1, in[3])};
  }
  if (op == "GlobalAveragePool") return {in[0], in[1], 1, 1};
  if (op == "Gemm") {
    const Dims& w = parameters.at(0);
    for (int axis = 1; axis < 4; ++axis) {
      Require(in[axis] == 0 || in[axis] == w[axis],
              "the input has sizes {}: [N, {}, {}, {}] expected by W", ToString(in), w[1], w[2],
              w[3]);
    }
    return {in[0], w[0], 1, 1};
  }
  Fail("operator {} has no output sizes", op);
}

}  // namespace

Dims OutputDims(const LayerSpec& layer, const std::vector<Dims>& parameters, const Dims& in) {
  Require(in.size() == 4, "the input has sizes {}: [N, C, H, W] expected", ToString(in));
  for (int64_t size : in) {
    Require(size >= 0, "the input has sizes {}: none may be negative", ToString(in));
    Require(size <= kLargestSize, "the input has sizes {}: each at most {} expected", ToString(in),
            kLargestSize);
  }
  NumElements(in);  // throws where the product overflows
  const Dims out = Unchecked(layer, parameters, in);
  NumElements(out);
  return out;
}

}  // namespace csc
