#include "layers/adapter_layer.h"

#include <fmt/format.h>

#include <cstdint>
#include <limits>
#include <new>

#include "layers/guard.h"
#include "layers/layer_params.h"
#include "layers/opencv_executor.h"
#include "solvers/error.h"
#include "solvers/memory.h"

namespace csc {

namespace {

using cv::dnn::MatShape;

Dims DimsOf(const cv::Mat& mat) { return Dims(mat.size.p, mat.size.p + mat.dims); }

std::vector<Dims> DimsOf(const std::vector<MatShape>& shapes) {
  std::vector<Dims> dims;
  for (const MatShape& shape : shapes) {
    dims.emplace_back(shape.begin(), shape.end());
  }
  return dims;
}

bool HasZero(const Dims& dims) {
  for (int64_t dim : dims) {
    if (dim == 0) return true;
  }
  return false;
}

// OpenCV counts elements in an int; beyond that it would allocate too little.
MatShape ToMatShape(const Dims& dims) {
  constexpr int64_t kMost = std::numeric_limits<int>::max();
  for (int64_t dim : dims) {
    Require(dim <= kMost, "the output has sizes {}: at most {} each expected", ToString(dims),
            kMost);
  }
  const int64_t count = NumElements(dims);
  Require(count <= kMost, "the output has sizes {}, {} elements: at most {} expected",
          ToString(dims), count, kMost);
  return MatShape(dims.begin(), dims.end());
}

// OpenCV has allocated the outputs by then, but nothing was written to them:
// what they take is still counted as free.
void RequireOutputMemory(const std::vector<Dims>& outputs) {
  int64_t count = 0;
  for (const Dims& dims : outputs) count += NumElements(dims);
  RequireMemory(count * static_cast<int64_t>(sizeof(float)),
                "the output of sizes " + ToString(outputs[0]));
}

// Whether the memory between the first and the last element is shared in part.
bool Overlap(const cv::Mat& a, const cv::Mat& b) {
  const auto end = [](const cv::Mat& m) { return m.ptr() + m.step.p[0] * m.size.p[0]; };
  return a.ptr() < end(b) && b.ptr() < end(a);
}

bool SameConstants(const std::vector<cv::Mat>& a, const std::vector<cv::Mat>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i].data != b[i].data || a[i].size != b[i].size || a[i].type() != b[i].type()) {
      return false;
    }
  }
  return true;
}

}  // namespace

std::string Where(const std::string& op, const cv::dnn::LayerParams& params) {
  return fmt::format("layer \"{}\" (csc.{})", DisplayName(params.name), op);
}

AdapterLayer::AdapterLayer(const std::string& op, int max_inputs,
                           const cv::dnn::LayerParams& params)
    : op_(op), where_(Where(op, params)), max_inputs_(max_inputs) {
  setParamsFrom(params);
}

bool AdapterLayer::supportBackend(int backend_id) {
  return backend_id == cv::dnn::DNN_BACKEND_OPENCV;
}

bool AdapterLayer::getMemoryShapes(const std::vector<MatShape>& inputs, int required_outputs,
                                   std::vector<MatShape>& outputs,
                                   std::vector<MatShape>& internals) const {
  return Guard(where_, [&] {
    outputs.clear();
    for (const Dims& dims : CheckedOutputs(DimsOf(inputs))) {
      outputs.push_back(ToMatShape(dims));
    }
    internals.clear();
    return false;
  });
}

int64_t AdapterLayer::getFLOPS(const std::vector<MatShape>& inputs,
                               const std::vector<MatShape>&) const {
  return Guard(where_, [&]() -> int64_t {
    const std::vector<Dims> dims = DimsOf(inputs);
    CheckedOutputs(dims);
    for (const Dims& input : dims) {
      if (HasZero(input)) return 0;
    }
    int64_t flops = 0;
    return __builtin_mul_overflow(FlopsFor(dims), dims[0][0], &flops)
               ? std::numeric_limits<int64_t>::max()
               : flops;
  });
}

template <typename Body>
void AdapterLayer::WithEngine(const std::vector<Dims>& inputs, const Body& body) {
  try {
    body();
  } catch (const std::bad_alloc&) {
    prepared_.reset();
    ThrowCv(cv::Error::StsNoMem, where_,
            fmt::format("there is not enough memory for an input of sizes {} on engine \"{}\"",
                        ToString(inputs[0]), ChosenEngine().name()));
  } catch (...) {
    prepared_.reset();
    throw;
  }
}

void AdapterLayer::finalize(cv::InputArrayOfArrays inputs_array, cv::OutputArrayOfArrays) {
  Guard(where_, [&] {
    std::vector<cv::Mat> inputs;
    inputs_array.getMatVector(inputs);
    // Half precision comes with a conversion: forward knows the sizes then.
    if (!inputs.empty() && inputs[0].depth() == CV_16S) return;
    CheckInputs(inputs);
    std::vector<Dims> dims;
    for (const cv::Mat& input : inputs) dims.push_back(DimsOf(input));
    RequireOutputMemory(CheckedOutputs(dims));
    WithEngine(dims, [&] {
      EnsurePrepared(dims);
      Reserve(dims[0][0], OpenCvExecutor().num_workers());
    });
  });
}

void AdapterLayer::forward(cv::InputArrayOfArrays inputs_array,
                           cv::OutputArrayOfArrays outputs_array,
                           cv::OutputArrayOfArrays internals_array) {
  Guard(where_, [&] {
    std::vector<cv::Mat> inputs, outputs;
    inputs_array.getMatVector(inputs);
    if (!inputs.empty() && inputs[0].depth() == CV_16S) {
      // A half-precision target: OpenCV converts and calls again.
      forward_fallback(inputs_array, outputs_array, internals_array);
      return;
    }
    outputs_array.getMatVector(outputs);
    CheckInputs(inputs);
    RunOn(inputs, &outputs);
  });
}

void AdapterLayer::CheckInputs(const std::vector<cv::Mat>& inputs) const {
  // Their number is CheckedOutputs' to judge.
  for (size_t i = 0; i < inputs.size(); ++i) {
    const cv::Mat& input = inputs[i];
    const std::string found = fmt::format("input {} is {}", i, Show(input));
    Require(input.dims == 4 && input.type() == CV_32F, "{}: [N, C, H, W] of CV_32F expected",
            found);
    Require(!HasZero(DimsOf(input)), "{}: sizes of at least 1 expected", found);
  }
}

std::vector<Dims> AdapterLayer::CheckedOutputs(const std::vector<Dims>& inputs) const {
  Require(!inputs.empty(),
          "no run-time input found: all inputs of this node are constants (or "
          "missing), 1 run-time input expected");
  Require(static_cast<int>(inputs.size()) <= max_inputs_,
          "{} run-time inputs found: {}{} expected (all others constant)", inputs.size(),
          max_inputs_ > 1 ? "1 or " : "", max_inputs_);
  for (size_t i = 0; i < inputs.size(); ++i) {
    Require(inputs[i].size() == 4, "input {} has sizes {}: [N, C, H, W] expected", i,
            ToString(inputs[i]));
  }
  return OutputDimsFor(inputs);
}

bool AdapterLayer::IsPreparedFor(const std::vector<Dims>& inputs) const {
  if (!prepared_ || engine_choice_ != EngineChoiceVersion()) return false;
  if (inputs.size() != prepared_inputs_.size()) return false;
  for (size_t i = 0; i < inputs.size(); ++i) {
    for (int axis : {1, 2, 3}) {  // an engine prepares for any batch
      if (inputs[i][axis] != prepared_inputs_[i][axis]) return false;
    }
  }
  return SameConstants(blobs, prepared_blobs_);
}

void AdapterLayer::EnsurePrepared(const std::vector<Dims>& inputs) {
  if (IsPreparedFor(inputs)) return;
  prepared_.reset();
  CheckedOutputs(inputs);
  engine_choice_ = EngineChoiceVersion();
  const Engine& engine = ChosenEngine();
  auto prepared = std::make_shared<PreparedLayer>();
  try {
    prepared->detail = Prepare(engine, inputs);
  } catch (const EngineDeclined& declined) {
    Fail("engine \"{}\" declined: {}", engine.name(), declined.what());
  }
  prepared->layer = DisplayName(name);
  prepared->op = op_;
  prepared->input = ToString(inputs[0]);
  prepared->engine = engine.name();
  prepared_inputs_ = inputs;
  prepared_blobs_ = blobs;
  prepared_ = std::move(prepared);
  Publish(prepared_);
}

void AdapterLayer::RunOn(const std::vector<cv::Mat>& inputs, std::vector<cv::Mat>* outputs) {
  std::vector<Dims> dims;
  for (const cv::Mat& input : inputs) dims.push_back(DimsOf(input));
  const std::vector<Dims> expected = CheckedOutputs(dims);
  Require(outputs->size() == expected.size(), "{} output arrays found: {} expected",
          outputs->size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    const cv::Mat& output = (*outputs)[i];
    Require(DimsOf(output) == expected[i] && output.type() == CV_32F,
            "output {} is {}: {} of CV_32F expected", i, Show(output), ToString(expected[i]));
  }
  if (!IsPreparedFor(dims)) RequireOutputMemory(expected);

  // Engines read and write whole NCHW arrays that do not overlap.
  std::vector<cv::Mat> src = inputs, dst = *outputs;
  for (cv::Mat& mat : src) {
    if (!mat.isContinuous()) mat = mat.clone();
  }
  for (cv::Mat& mat : dst) {
    bool direct = mat.isContinuous();
    for (const cv::Mat& input : src) direct = direct && !Overlap(input, mat);
    if (!direct) mat = cv::Mat(mat.dims, mat.size.p, CV_32F);
  }
  std::vector<const float*> from;
  std::vector<float*> to;
  for (const cv::Mat& mat : src) from.push_back(mat.ptr<float>());
  for (cv::Mat& mat : dst) to.push_back(mat.ptr<float>());
  WithEngine(dims, [&] {
    EnsurePrepared(dims);
    OpenCvExecutor executor;
    Run(dims[0][0], from, to, &executor);
  });
  for (size_t i = 0; i < dst.size(); ++i) {
    if (dst[i].data != (*outputs)[i].data) dst[i].copyTo((*outputs)[i]);
  }
  ++prepared_->runs;
}

}  // namespace csc
