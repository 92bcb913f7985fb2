#include "layers/lasso_layer.h"

#include <fmt/format.h>

#include <limits>

#include "layers/layer_params.h"
#include "solvers/engines/registry.h"
#include "solvers/network/layer.h"

namespace csc {

namespace {

Shape SampleShape(const Dims& input) { return {input[1], input[2], input[3]}; }

}  // namespace

LassoLayer::LassoLayer(const cv::dnn::LayerParams& params)
    : AdapterLayer("Lasso", 1, params),
      spec_(MakeLayerSpec("Lasso", ReadAttributes(params), static_cast<int>(params.blobs.size()))) {
  for (const Tensor& tensor : ReadConstants()) {
    constant_dims_.push_back(tensor.dims);
  }
}

std::vector<Tensor> LassoLayer::ReadConstants() const {
  const std::vector<std::string> names = ParameterNames(spec_);
  std::vector<Tensor> tensors;
  for (size_t i = 0; i < blobs.size(); ++i) {
    tensors.push_back(ReadBlob(blobs[i], i < names.size() ? names[i] : fmt::format("blob {}", i)));
  }
  CheckParameters(spec_, &tensors);
  return tensors;
}

LassoOptions LassoLayer::Options() const {
  LassoOptions options;
  options.geometry = LayerGeometries(spec_, constant_dims_)[0];
  options.algorithm = ParseAlgorithm(spec_.String("algorithm"));
  options.max_iterations = static_cast<int>(spec_.Int("max_iterations"));
  options.tolerance = spec_.Float("tolerance");
  options.nonnegative = spec_.Int("nonnegative") != 0;
  options.step = spec_.Float("step");
  return options;
}

std::vector<Dims> LassoLayer::OutputDimsFor(const std::vector<Dims>& inputs) const {
  const int64_t batch = inputs[0][0];
  return {OutputDims(spec_, constant_dims_, inputs[0]), {batch, 1}, {batch, 1}};
}

int64_t LassoLayer::FlopsFor(const std::vector<Dims>& inputs) const {
  const std::vector<Tensor> constants = ReadConstants();
  LassoOptions options = Options();
  if (options.step == 0) options.step = 1;  // spares the bound, costs nothing
  const LassoSolver solver(FindEngine("reference"), constants[0], constants[1], options,
                           SampleShape(inputs[0]));
  int64_t flops = 0;
  return __builtin_mul_overflow(solver.iteration_flops(), int64_t{options.max_iterations}, &flops)
             ? std::numeric_limits<int64_t>::max()
             : flops;
}

std::string LassoLayer::Prepare(const Engine& engine, const std::vector<Dims>& inputs) {
  solver_.reset();
  const std::vector<Tensor> constants = ReadConstants();
  constant_dims_ = {constants[0].dims, constants[1].dims};
  LassoOptions options = Options();
  if (constants[0].data == filters_) options.step = step_;
  solver_ = std::make_unique<LassoSolver>(engine, constants[0], constants[1], options,
                                          SampleShape(inputs[0]));
  step_ = solver_->step();
  filters_ = constants[0].data;
  return fmt::format("all images: {}, step {:.4g}, at most {} iterations, tolerance {:.4g}\n",
                     spec_.String("algorithm"), solver_->step(), options.max_iterations,
                     options.tolerance);
}

void LassoLayer::Run(int64_t batch, const std::vector<const float*>& inputs,
                     const std::vector<float*>& outputs, Executor* executor) {
  solver_->Solve(inputs[0], batch, executor, outputs[0], outputs[1], outputs[2]);
}

}  // namespace csc
