// Every operator that is a program, and whole networks of them, as one class:
// the operator's table, checks and program come from solvers/network.

#ifndef CSC_LAYERS_PROGRAM_LAYER_H_
#define CSC_LAYERS_PROGRAM_LAYER_H_

#include <memory>
#include <string>
#include <vector>

#include "layers/adapter_layer.h"
#include "solvers/network/network.h"

namespace csc {

class ProgramLayer : public AdapterLayer {
 public:
  // `op` is an operator of the contract other than Lasso, or "Network".
  // Throws Error for attributes and constants that do not fit.
  ProgramLayer(const std::string& op, const cv::dnn::LayerParams& params);

 protected:
  std::vector<Dims> OutputDimsFor(const std::vector<Dims>& inputs) const override;
  int64_t FlopsFor(const std::vector<Dims>& inputs) const override;
  std::string Prepare(const Engine& engine, const std::vector<Dims>& inputs) override;
  void Reserve(int64_t batch, int workers) override;
  void Run(int64_t batch, const std::vector<const float*>& inputs,
           const std::vector<float*>& outputs, Executor* executor) override;

 private:
  // The constants of `blobs`, checked.
  std::vector<Tensor> ReadConstants() const;
  void KeepSizes(const std::vector<Tensor>& constants);
  // The program for inputs of these sizes, batch aside.
  Program BuildFor(const std::vector<Dims>& inputs) const;

  const bool is_network_;  // csc.Network, else a single operator
  // With the sizes of the constants but without their values, which are read
  // from `blobs` whenever an engine prepares. Single numbers are kept: a step
  // of 0 makes a shorter program.
  Network network_;
  std::unique_ptr<Executable> executable_;
};

}  // namespace csc

#endif  // CSC_LAYERS_PROGRAM_LAYER_H_
