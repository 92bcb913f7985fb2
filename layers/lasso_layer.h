// csc.Lasso: the one operator that iterates until it has converged.

#ifndef CSC_LAYERS_LASSO_LAYER_H_
#define CSC_LAYERS_LASSO_LAYER_H_

#include <memory>
#include <string>
#include <vector>

#include "layers/adapter_layer.h"
#include "solvers/algorithms/lasso.h"
#include "solvers/network/operator.h"

namespace csc {

// Outputs: codes [N, w, H', W'], iterations used [N, 1], objective [N, 1]. (The
// contract says [N]; an OpenCV array has at least two dimensions.)
class LassoLayer : public AdapterLayer {
 public:
  // Throws Error for attributes and constants that do not fit.
  explicit LassoLayer(const cv::dnn::LayerParams& params);

 protected:
  std::vector<Dims> OutputDimsFor(const std::vector<Dims>& inputs) const override;
  // As many iterations as there may be.
  int64_t FlopsFor(const std::vector<Dims>& inputs) const override;
  std::string Prepare(const Engine& engine, const std::vector<Dims>& inputs) override;
  void Run(int64_t batch, const std::vector<const float*>& inputs,
           const std::vector<float*>& outputs, Executor* executor) override;

 private:
  // F and beta of `blobs`, checked.
  std::vector<Tensor> ReadConstants() const;
  LassoOptions Options() const;

  LayerSpec spec_;
  std::vector<Dims> constant_dims_;
  std::unique_ptr<LassoSolver> solver_;
  // For images of any size, as it may take seconds to find, and of these filters.
  double step_ = 0;
  std::vector<float> filters_;
};

}  // namespace csc

#endif  // CSC_LAYERS_LASSO_LAYER_H_
