#include "samples/visualise/inspect.h"

#include <algorithm>

#include "solvers/error.h"
#include "solvers/network/layer.h"

namespace csc {

namespace {

// Numbers of each layer's first parameter.
std::vector<size_t> FirstParameters(const Network& network) {
  std::vector<size_t> first;
  size_t next = 0;
  for (const LayerSpec& layer : network.layers) {
    first.push_back(next);
    next += layer.num_parameters;
  }
  return first;
}

bool IsOwn(const LayerSpec& layer) { return FindOperator(layer.op).domain == "csc"; }

// One layer's synthesis, z -> F^T z or, where identity channels lead, z_id +
// F^T z_new, for a batch of codes [N, C', H, W] in place.
class Descent {
 public:
  Descent(const Engine& engine, const Network& network, size_t layer, size_t first_parameter)
      : engine_(engine),
        layer_(network.layers[layer]),
        filters_(network.parameters[first_parameter]),
        geometry_(LayerGeometries(layer_, {filters_.dims})[0]) {}

  void Down(int64_t batch, Shape* shape, std::vector<float>* codes) const {
    const int64_t w = filters_.dims[0];
    const int64_t channels = filters_.dims[1];
    Program program;
    const int filters = program.AddParameter("F", filters_.dims);
    const ValueId z = program.AddInput(*shape);
    const bool identity = layer_.op == "MsdCsc";
    const ValueId code = identity ? program.View(z, channels, w) : z;
    const auto size = [&](int axis, int64_t windows) {
      return identity ? windows : geometry_.SmallestInputSize(axis, windows);
    };
    ValueId image =
        program.Synthesis(code, filters, geometry_, size(0, shape->height), size(1, shape->width));
    if (identity) image = program.Combine({{program.View(z, 0, channels), {}}, {image, {}}});
    program.MarkOutput(image);
    *shape = program.shape(image);

    const auto executable = engine_.Prepare(program);
    executable->SetParameters(filters_.data.data());
    std::vector<float> result(batch * shape->size());
    RunArguments run;
    run.batch = batch;
    run.inputs = {codes->data()};
    run.outputs = {result.data()};
    executable->Run(run);
    *codes = std::move(result);
  }

 private:
  const Engine& engine_;
  const LayerSpec& layer_;
  const Tensor& filters_;
  const Geometry geometry_;
};

// Undoes a max-pool: each value fills the window it came from.
void Repeat(const LayerSpec& pool, int64_t batch, Shape* shape, std::vector<float>* codes) {
  const int64_t sy = pool.Ints("strides")[0], sx = pool.Ints("strides")[1];
  const Shape from = *shape;
  *shape = {from.channels, from.height * sy, from.width * sx};
  std::vector<float> result(batch * shape->size());
  for (int64_t plane = 0; plane < batch * from.channels; ++plane) {
    for (int64_t y = 0; y < shape->height; ++y) {
      for (int64_t x = 0; x < shape->width; ++x) {
        result[(plane * shape->height + y) * shape->width + x] =
            (*codes)[(plane * from.height + y / sy) * from.width + x / sx];
      }
    }
  }
  *codes = std::move(result);
}

// The middle size x size of all planes, summed over the channels.
Tensor Middle(int64_t batch, const Shape& shape, const std::vector<float>& images, int64_t size) {
  const int64_t top = (shape.height - size) / 2, left = (shape.width - size) / 2;
  Tensor result{{batch, size, size}, std::vector<float>(batch * size * size)};
  for (int64_t n = 0; n < batch; ++n) {
    for (int64_t c = 0; c < shape.channels; ++c) {
      const float* plane = images.data() + (n * shape.channels + c) * shape.height * shape.width;
      for (int64_t y = 0; y < size; ++y) {
        for (int64_t x = 0; x < size; ++x) {
          result.data[(n * size + y) * size + x] += plane[(top + y) * shape.width + left + x];
        }
      }
    }
  }
  return result;
}

bool Descends(const LayerSpec& layer) {
  return layer.op == "MsdCsc" || layer.op == "LayeredThreshold" || layer.op == "LayeredPursuit";
}

}  // namespace

Codes ComputeCodes(const Engine& engine, const Network& network, const Shape& input,
                   const float* image) {
  Program program;
  for (const Tensor& tensor : network.parameters) program.AddParameter("p", tensor.dims);
  ValueId value = program.AddInput(input);
  const std::vector<size_t> first = FirstParameters(network);
  std::vector<size_t> layers;
  for (size_t i = 0; i < network.layers.size(); ++i) {
    const LayerSpec& layer = network.layers[i];
    std::vector<int> own;
    for (int p = 0; p < layer.num_parameters; ++p) own.push_back(static_cast<int>(first[i]) + p);
    value = BuildLayer(layer, own, value, &program);
    if (!IsOwn(layer)) continue;
    layers.push_back(i);
    program.MarkOutput(value);
  }
  program.MarkOutput(value);

  std::vector<std::vector<float>> outputs;
  for (ValueId output : program.outputs()) outputs.emplace_back(program.shape(output).size());
  RunArguments run;
  run.batch = 1;
  run.inputs = {image};
  for (auto& output : outputs) run.outputs.push_back(output.data());
  const auto executable = engine.Prepare(program);
  executable->SetParameters(FlattenParameters(network).data());
  executable->Run(run);

  Codes codes;
  codes.scores = outputs.back();
  for (size_t k = 0; k < layers.size(); ++k) {
    const Shape shape = program.shape(program.outputs()[k]);
    const LayerSpec& layer = network.layers[layers[k]];
    const int64_t passed_on =
        layer.op == "MsdCsc" ? network.parameters[first[layers[k]]].dims[1] : 0;
    const int64_t plane = shape.height * shape.width;
    codes.layers.push_back({layers[k],
                            {{shape.channels - passed_on, shape.height, shape.width},
                             {outputs[k].begin() + passed_on * plane, outputs[k].end()}}});
  }
  return codes;
}

std::vector<LayerPlanes> EffectiveAtoms(const Engine& engine, const Network& network,
                                        int64_t channels, int64_t size) {
  const std::vector<size_t> first = FirstParameters(network);
  std::vector<LayerPlanes> atoms;
  for (size_t top = 0; top < network.layers.size(); ++top) {
    if (network.layers[top].op == "MaxPool") continue;
    if (!Descends(network.layers[top])) break;
    const Dims& filters = network.parameters[first[top]].dims;
    const int64_t w = filters[0];
    const int64_t passed_on = network.layers[top].op == "MsdCsc" ? filters[1] : 0;
    // Large enough for `size` pixels of the image, whatever the pools; odd, so
    // that there is a middle.
    Shape shape = {passed_on + w, size | 1, size | 1};
    std::vector<float> codes(w * shape.size());
    for (int64_t n = 0; n < w; ++n) {
      const int64_t plane = n * shape.channels + passed_on + n;
      codes[plane * shape.height * shape.width + (shape.height * shape.width) / 2] = 1;
    }
    for (size_t i = top + 1; i-- > 0;) {
      if (network.layers[i].op == "MaxPool") {
        Repeat(network.layers[i], w, &shape, &codes);
      } else {
        Descent(engine, network, i, first[i]).Down(w, &shape, &codes);
      }
    }
    Require(shape.channels == channels, "the first layer reads {} channels: {} expected",
            shape.channels, channels);
    atoms.push_back({top, Middle(w, shape, codes, size)});
  }
  Require(!atoms.empty(),
          "the network begins with {}: MsdCsc, LayeredThreshold or LayeredPursuit expected",
          network.layers.at(0).op);
  return atoms;
}

}  // namespace csc
