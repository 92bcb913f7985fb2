#include "layers/registration.h"

#include <array>
#include <mutex>
#include <opencv2/dnn.hpp>
#include <opencv2/dnn/layer.hpp>
#include <string>
#include <utility>

#include "layers/guard.h"
#include "layers/lasso_layer.h"
#include "layers/program_layer.h"

namespace csc {

namespace {

// The whole list of operators that OpenCV meets. What each computes, and its
// attributes and constants, is in the table of solvers/network/operator.cc.
constexpr std::array<const char*, 9> kOperators = {
    "SoftThreshold", "LayeredThreshold", "LayeredPursuit", "Synthesis", "Lasso",
    "MsdCsc",        "ResCsc",           "MlCsc",          "Network"};

// The factory takes plain functions that are not told the layer's type.
template <size_t kIndex>
cv::Ptr<cv::dnn::Layer> Create(cv::dnn::LayerParams& params) {
  const std::string op = kOperators[kIndex];
  return Guard(Where(op, params), [&]() -> cv::Ptr<cv::dnn::Layer> {
    if (op == "Lasso") return cv::makePtr<LassoLayer>(params);
    return cv::makePtr<ProgramLayer>(op, params);
  });
}

template <size_t... kIndices>
void RegisterAll(std::index_sequence<kIndices...>) {
  using cv::dnn::LayerFactory;
  const auto add = [](const char* op, LayerFactory::Constructor create) {
    const std::string type = std::string("csc.") + op;
    // Registering twice is an error to OpenCV.
    if (!LayerFactory::isLayerRegistered(type)) {
      LayerFactory::registerLayer(type, create);
    }
  };
  (add(kOperators[kIndices], &Create<kIndices>), ...);
}

}  // namespace

void RegisterLayers() {
  static std::mutex mutex;  // between the question and the registration
  const std::lock_guard<std::mutex> lock(mutex);
  RegisterAll(std::make_index_sequence<kOperators.size()>());
}

}  // namespace csc
