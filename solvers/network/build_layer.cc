// The program each layer stands for.

#include "solvers/algorithms/joint_pursuit.h"
#include "solvers/algorithms/layered.h"
#include "solvers/algorithms/msd_csc.h"
#include "solvers/algorithms/res_csc.h"
#include "solvers/algorithms/unrolled.h"
#include "solvers/error.h"
#include "solvers/network/layer.h"

namespace csc {

namespace {

Shrink ShrinkOf(const LayerSpec& layer) {
  return layer.Int("nonnegative") ? Shrink::kNonnegative : Shrink::kSoft;
}

UnrolledOptions Unrolled(const LayerSpec& layer, const Geometry& geometry,
                         const BuildOptions& options) {
  UnrolledOptions unrolled;
  unrolled.geometry = geometry;
  if (layer.Has("unfolding")) {
    unrolled.unfolding = static_cast<int>(layer.Int("unfolding"));
    unrolled.algorithm = ParseAlgorithm(layer.String("algorithm"));
  }
  if (layer.Has("nonnegative")) unrolled.shrink = ShrinkOf(layer);
  unrolled.normalise = options.normalise;
  unrolled.epsilon = options.epsilon;
  return unrolled;
}

Geometry PoolGeometry(const LayerSpec& layer) {
  const auto& kernel = layer.Ints("kernel_shape");
  const auto& strides = layer.Ints("strides");
  return {{kernel[0], kernel[1]}, {strides[0], strides[1]}};
}

ValueId BuildResCsc(const LayerSpec& layer, const std::vector<int>& p,
                    const std::vector<Geometry>& geometries, ValueId x, Program* program,
                    const BuildOptions& options) {
  ResCscOptions res;
  res.geometry1 = geometries[0];
  res.geometry2 = geometries[1];
  res.pad_shortcut = layer.String("shortcut") == "pad";
  res.simplified = layer.Int("simplified") != 0;
  res.normalise = options.normalise;
  res.epsilon = options.epsilon;
  res.zero_step = options.zero_step;
  ResCscParameters parameters{p[0], p[1], p[2], p[3], p[4]};
  if (p.size() == 7) {
    parameters.scale1 = p[5];
    parameters.scale2 = p[6];
  }
  return ResCsc(program, x, parameters, res);
}

// MlCsc, whose contract knows no scales, and DenseCsc.
ValueId BuildJointPursuit(const LayerSpec& layer, const std::vector<int>& p,
                          const std::vector<Geometry>& geometries, ValueId x, Program* program,
                          const BuildOptions& options) {
  JointOptions joint;
  joint.unfolding = static_cast<int>(layer.Int("unfolding"));
  joint.algorithm = ParseAlgorithm(layer.String("algorithm"));
  joint.dense = layer.op == "DenseCsc";
  joint.normalise = joint.dense && options.normalise;
  joint.epsilon = options.epsilon;
  const int per_layer = ConstantsPerLayer(layer);
  std::vector<JointLayer> layers;
  for (size_t i = 0; i < geometries.size(); ++i) {
    const int* own = p.data() + per_layer * i;
    layers.push_back({{own[0], own[1], own[2], per_layer == 4 ? own[3] : -1}, geometries[i]});
  }
  return JointPursuit(program, x, layers, joint);
}

}  // namespace

bool HasZeroStep(const LayerSpec& layer, const Tensor* parameters) {
  return layer.op == "ResCsc" && parameters[4].data == std::vector<float>{0};
}

ValueId BuildLayer(const LayerSpec& layer, const std::vector<int>& parameters, ValueId x,
                   Program* program, const BuildOptions& options) {
  const std::vector<int>& p = parameters;
  const Shape in = program->shape(x);
  std::vector<Dims> dims;
  for (int parameter : p) {
    dims.push_back(program->parameters().at(parameter).dims);
  }
  const Dims out = OutputDims(layer, dims, {1, in.channels, in.height, in.width});
  const std::vector<Geometry> geometries = LayerGeometries(layer, dims);
  const auto row = [&](int parameter, int64_t n) { return RowOf(*program, parameter, 0, n, 0, n); };
  const std::string& op = layer.op;
  if (op == "SoftThreshold") {
    return program->Pointwise({{x, {}}}, ShrinkOf(layer), row(p[0], in.channels));
  }
  if (op == "LayeredThreshold") {
    const int64_t w = dims[0][0];
    return LayeredThreshold(program, x, p[0], row(p[1], w),
                            p.size() == 3 ? row(p[2], w) : ChannelVector{},
                            Unrolled(layer, geometries[0], options));
  }
  if (op == "LayeredPursuit") {
    return LayeredPursuit(program, x, {p[0], p[1], p[2], p.size() == 4 ? p[3] : -1},
                          Unrolled(layer, geometries[0], options));
  }
  if (op == "Synthesis") {
    return program->Synthesis(x, p[0], geometries[0], out[2], out[3]);
  }
  if (op == "MsdCsc") {
    return MsdCsc(program, x, {p[0], p[1], p[2], p.size() == 4 ? p[3] : -1},
                  {Unrolled(layer, geometries[0], options), layer.Int("threshold_identity") != 0});
  }
  if (op == "ResCsc") {
    return BuildResCsc(layer, p, geometries, x, program, options);
  }
  if (op == "MlCsc" || op == "DenseCsc") {
    return BuildJointPursuit(layer, p, geometries, x, program, options);
  }
  if (op == "MaxPool") return program->MaxPool(x, PoolGeometry(layer));
  if (op == "GlobalAveragePool") {
    return program->AveragePool(x, {{in.height, in.width}, {1, 1}});
  }
  if (op == "Gemm") {
    // W x + bias: analysis by filters as large as the input.
    const ValueId product = program->Analysis(x, p[0], {{in.height, in.width}});
    ChannelVector minus_bias = row(p[1], dims[0][0]);
    minus_bias.constant = -1;
    return program->Pointwise({{product, {}}}, Shrink::kNone, minus_bias);
  }
  Fail("operator {} is not a straight-line program", op);
}

}  // namespace csc
