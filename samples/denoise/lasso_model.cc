#include "samples/denoise/lasso_model.h"

#include <onnx/onnx-ml.pb.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "training/onnx/graph_builder.h"

namespace csc {

Tensor CosineAtoms(int size) {
  const auto wave = [size](int frequency, int position) {
    return std::sqrt((frequency == 0 ? 1. : 2.) / size) *
           std::cos(M_PI * (position + 0.5) * frequency / size);
  };
  Tensor atoms{{size * size, 1, size, size}, {}};
  for (int v = 0; v < size; ++v) {
    for (int u = 0; u < size; ++u) {
      for (int y = 0; y < size; ++y) {
        for (int x = 0; x < size; ++x) {
          atoms.data.push_back(static_cast<float>(wave(v, y) * wave(u, x)));
        }
      }
    }
  }
  return atoms;
}

Tensor ToPhases(const Tensor& filters, int stride) {
  const int64_t w = filters.dims[0], size = filters.dims[2], small = size / stride;
  Tensor phases{{w, stride * stride, small, small}, std::vector<float>(filters.data.size())};
  float* dst = phases.data.data();
  for (int64_t n = 0; n < w; ++n) {
    for (int64_t phase = 0; phase < stride * stride; ++phase) {
      for (int64_t y = 0; y < small; ++y) {
        for (int64_t x = 0; x < small; ++x) {
          const int64_t row = y * stride + phase / stride, column = x * stride + phase % stride;
          *dst++ = filters.data[(n * size + row) * size + column];
        }
      }
    }
  }
  return phases;
}

std::string MakeLassoModel(const Tensor& filters, const LassoModelOptions& options) {
  onnx::ModelProto model;
  model.set_ir_version(6);
  model.set_producer_name("CSC-DNN denoise sample");
  auto* standard = model.add_opset_import();
  standard->set_domain("");
  standard->set_version(11);
  auto* own = model.add_opset_import();
  own->set_domain(kCscDomain);
  own->set_version(kCscOpset);

  model.mutable_graph()->set_name("denoise");
  GraphBuilder graph(model.mutable_graph());
  graph.AddInput("image", {0, filters.dims[1], 0, 0});
  graph.AddOutput("denoised", {0, filters.dims[1], 0, 0});
  const std::string f = graph.AddConstant("F", filters.dims, filters.data);
  std::vector<float> beta(filters.dims[0], static_cast<float>(options.beta));
  beta[0] = 0;
  const std::string b = graph.AddConstant("beta", {filters.dims[0]}, beta);

  const std::vector<int64_t> pads(4, 0);
  onnx::NodeProto* lasso = graph.AddNode(kCscDomain, "Lasso", {"image", f, b}, "code");
  SetAttribute(lasso, "pads", pads);
  SetAttribute(lasso, "algorithm", std::string("fista"));
  SetAttribute(lasso, "max_iterations", int64_t{options.max_iterations});
  SetAttribute(lasso, "tolerance", options.tolerance);
  SetAttribute(lasso, "nonnegative", int64_t{0});
  // The image is there only to say how large the result is.
  onnx::NodeProto* synthesis =
      graph.AddNode(kCscDomain, "Synthesis", {"code", "image", f}, "denoised");
  SetAttribute(synthesis, "pads", pads);
  return model.SerializeAsString();
}

}  // namespace csc
