// What all CSC layers do alike as OpenCV sees them: arrays in and out, checks,
// preparation on demand, errors.
//
// Ownership: a layer shares its constants with OpenCV (`blobs`) and owns what
// an engine prepared from them. Arrays handed to finalize and forward belong
// to OpenCV, may move between any two calls and are never kept.

#ifndef CSC_LAYERS_ADAPTER_LAYER_H_
#define CSC_LAYERS_ADAPTER_LAYER_H_

#include <cstdint>
#include <memory>
#include <opencv2/dnn.hpp>
#include <string>
#include <vector>

#include "layers/engine_choice.h"
#include "solvers/engines/engine.h"
#include "solvers/executor.h"
#include "solvers/tensor.h"

namespace csc {

// `layer "conv1" (csc.MsdCsc)`: how errors begin.
std::string Where(const std::string& op, const cv::dnn::LayerParams& params);

class AdapterLayer : public cv::dnn::Layer {
 public:
  // `op` is the operator's name without domain. A layer has 1 to `max_inputs`
  // run-time inputs, all of them [N, C, H, W].
  AdapterLayer(const std::string& op, int max_inputs, const cv::dnn::LayerParams& params);

  // Only OpenCV's own back-end: the engines are chosen by CSC_ENGINE.
  bool supportBackend(int backend_id) override;

  // Gives all outputs, however few are asked for, and zero for a size that
  // depends on one not known yet (zero). Never in place.
  bool getMemoryShapes(const std::vector<cv::dnn::MatShape>& inputs, int required_outputs,
                       std::vector<cv::dnn::MatShape>& outputs,
                       std::vector<cv::dnn::MatShape>& internals) const override;

  // Of the whole batch; 0 while a size is not known.
  int64_t getFLOPS(const std::vector<cv::dnn::MatShape>& inputs,
                   const std::vector<cv::dnn::MatShape>& outputs) const override;

  void finalize(cv::InputArrayOfArrays inputs, cv::OutputArrayOfArrays outputs) override;
  void forward(cv::InputArrayOfArrays inputs, cv::OutputArrayOfArrays outputs,
               cv::OutputArrayOfArrays internals) override;

 protected:
  // ---- what an operator adds; all may throw Error ----

  // Sizes of all outputs for NCHW inputs, of which some sizes may be zero.
  virtual std::vector<Dims> OutputDimsFor(const std::vector<Dims>& inputs) const = 0;
  // FLOPs of one image; all sizes are known.
  virtual int64_t FlopsFor(const std::vector<Dims>& inputs) const = 0;
  // Reads the constants from `blobs` and prepares for inputs of these channels,
  // heights and widths. Returns what implements it, one line an instruction.
  virtual std::string Prepare(const Engine& engine, const std::vector<Dims>& inputs) = 0;
  // Sizes the workspace for runs of `batch` images.
  virtual void Reserve(int64_t batch, int workers) {}
  virtual void Run(int64_t batch, const std::vector<const float*>& inputs,
                   const std::vector<float*>& outputs, Executor* executor) = 0;

  const std::string& op() const { return op_; }

 private:
  void CheckInputs(const std::vector<cv::Mat>& inputs) const;
  std::vector<Dims> CheckedOutputs(const std::vector<Dims>& inputs) const;
  bool IsPreparedFor(const std::vector<Dims>& inputs) const;
  // Prepares where something changed since the last time: sizes, engine,
  // constants (Net::setParam).
  void EnsurePrepared(const std::vector<Dims>& inputs);
  // Calls body(); after a failure nothing counts as prepared, since an engine that failed half
  // way may be in any state.
  template <typename Body>
  void WithEngine(const std::vector<Dims>& inputs, const Body& body);
  void RunOn(const std::vector<cv::Mat>& inputs, std::vector<cv::Mat>* outputs);

  const std::string op_;
  const std::string where_;
  const int max_inputs_;

  // What was last prepared; null where nothing is.
  std::shared_ptr<PreparedLayer> prepared_;
  std::vector<Dims> prepared_inputs_;
  std::vector<cv::Mat> prepared_blobs_;  // shared, to notice a replacement
  int64_t engine_choice_ = -1;
};

}  // namespace csc

#endif  // CSC_LAYERS_ADAPTER_LAYER_H_
