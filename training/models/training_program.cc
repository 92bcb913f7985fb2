#include "training/models/training_program.h"

#include <algorithm>
#include <cmath>

#include "solvers/error.h"
#include "solvers/program/adjoint.h"

namespace csc {

namespace {

// Means and variances of a layer, of all its normalisations in order. For an
// unrolled layer that is one row of n for each iteration.
struct LayerMoments {
  std::vector<double> mean;
  std::vector<double> variance;
};

LayerMoments MomentsOf(const TrainingProgram& training, int layer,
                       const std::vector<float>& moments) {
  LayerMoments all;
  const float* src = moments.data();
  for (const Moments& m : training.moments) {
    if (m.layer == layer) {
      all.mean.insert(all.mean.end(), src, src + m.channels);
      all.variance.insert(all.variance.end(), src + m.channels, src + 2 * m.channels);
    }
    src += 2 * m.channels;
  }
  return all;
}

// gamma and b of n channels become a and b of `rows` rows. Their moments start
// at channel `first` and, from row to row, `stride` channels further on.
void Fold(const LayerMoments& moments, int64_t first, int64_t rows, int64_t stride, Tensor* scale,
          Tensor* threshold) {
  const int64_t n = static_cast<int64_t>(scale->data.size());
  Tensor a;
  Tensor b;
  a.dims = b.dims = rows == 1 ? Dims{n} : Dims{rows, n};
  for (int64_t i = 0; i < rows * n; ++i) {
    const int64_t k = first + i / n * stride + i % n;
    const double factor = scale->data[i % n] / std::sqrt(moments.variance[k] + kEpsilon);
    a.data.push_back(static_cast<float>(factor));
    b.data.push_back(static_cast<float>(threshold->data[i % n] + factor * moments.mean[k]));
  }
  *scale = std::move(a);
  *threshold = std::move(b);
}

void ScaleRows(const Tensor& scale, Tensor* filters) {
  const int64_t row = NumElements(filters->dims) / filters->dims[0];
  for (size_t i = 0; i < filters->data.size(); ++i) {
    filters->data[i] *= scale.data[i / row];
  }
}

// `own` are the layer's trained parameters; on return its frozen constants.
void FreezeLayer(const ModelLayer& layer, const LayerMoments& moments, std::vector<Tensor>* own) {
  const std::string& op = layer.spec.op;
  std::vector<Tensor>& p = *own;
  if (op == "MsdCsc") {
    const int64_t rows = layer.spec.Int("unfolding") + 1;
    Fold(moments, 0, rows, static_cast<int64_t>(p[3].data.size()), &p[3], &p[1]);
  } else if (op == "DenseCsc") {
    // One sweep after the other, each with the moments of all layers.
    const int64_t rows = layer.spec.Int("unfolding") + 1;
    const int64_t stride = static_cast<int64_t>(moments.mean.size()) / rows;
    int64_t first = 0;
    for (size_t f = 0; f < p.size(); f += 4) {
      const int64_t n = static_cast<int64_t>(p[f + 3].data.size());
      Fold(moments, first, rows, stride, &p[f + 3], &p[f + 1]);
      first += n;
    }
  } else if (op == "ResCsc") {
    const int64_t m = static_cast<int64_t>(p[5].data.size());
    Fold(moments, 0, 1, 0, &p[5], &p[1]);
    Fold(moments, m, 1, 0, &p[6], &p[3]);
  } else if (op == "LayeredThreshold") {
    Fold(moments, 0, 1, 0, &p[2], &p[1]);
    ScaleRows(p[2], &p[0]);
    p.pop_back();
  } else {
    Fail("layers {} cannot be normalised", op);
  }
}

// A ResNet block: its step is 0 and not trained.
bool HasZeroStepForGood(const Model& model, const ModelLayer& layer) {
  std::vector<Tensor> constants;
  for (int i = 0; i < layer.count; ++i) {
    const ModelParameter& p = model.parameters[layer.first + i];
    constants.push_back({p.dims, {}});
    if (p.role == Role::kStep && !p.trainable) constants.back().data = {float(p.constant)};
  }
  return HasZeroStep(layer.spec, constants.data());
}

}  // namespace

int64_t TrainingProgram::moments_size() const {
  int64_t size = 0;
  for (const Moments& m : moments) size += 2 * m.channels;
  return size;
}

int64_t TrainingProgram::statistics_size() const {
  int64_t size = 0;
  for (int64_t channels : program.statistics()) size += 2 * channels;
  return size;
}

TrainingProgram BuildTrainingProgram(const Model& model, double label_smoothing) {
  TrainingProgram training;
  Program& program = training.program;
  for (const ModelParameter& p : model.parameters) {
    program.AddParameter(p.name, p.dims, p.trainable);
  }
  ValueId value = program.AddInput(model.input);
  for (size_t l = 0; l < model.layers.size(); ++l) {
    const ModelLayer& layer = model.layers[l];
    std::vector<int> own;
    for (int i = 0; i < layer.count; ++i) own.push_back(layer.first + i);
    const size_t before = program.instructions().size();
    value = BuildLayer(layer.spec, own, value, &program,
                       {layer.normalise, kEpsilon, HasZeroStepForGood(model, layer)});
    for (size_t i = before; i < program.instructions().size(); ++i) {
      const Instruction& instruction = program.instructions()[i];
      if (instruction.op != Opcode::kMoments) continue;
      Require(instruction.statistic == static_cast<int>(training.moments.size()),
              "moments are numbered out of order");
      const Shape& shape = program.shape(instruction.terms[0].value);
      training.moments.push_back({static_cast<int>(l), shape.channels, shape.height * shape.width});
    }
  }
  program.MarkOutput(value);
  training.forward = program;
  const ValueId gradient = program.SoftmaxLoss(value, label_smoothing);
  Differentiate(&program, {{value, gradient}});
  return training;
}

std::vector<float> InitialMoments(const TrainingProgram& training) {
  std::vector<float> moments;
  for (const Moments& m : training.moments) {
    moments.insert(moments.end(), m.channels, 0.0f);
    moments.insert(moments.end(), m.channels, 1.0f);
  }
  return moments;
}

MomentSums::MomentSums(const TrainingProgram& training)
    : training_(training), sums_(training.moments_size() + 1) {}

void MomentSums::Add(int64_t images, const float* statistics) {
  const double weight = static_cast<double>(images);
  double* sum = sums_.data();
  for (const csc::Moments& m : training_.moments) {
    const float* variance = statistics + m.channels;
    for (int64_t c = 0; c < m.channels; ++c) {
      const double mean = statistics[c];
      sum[c] += weight * mean;
      sum[m.channels + c] += weight * (variance[c] + mean * mean);
    }
    statistics += 2 * m.channels;
    sum += 2 * m.channels;
  }
  sums_.back() += weight;
}

std::vector<float> MomentSums::Moments() const {
  const double images = sums_.back();
  Require(images > 0, "moments of no image");
  std::vector<float> moments;
  const double* sum = sums_.data();
  for (const csc::Moments& m : training_.moments) {
    const double* squares = sum + m.channels;
    for (int64_t c = 0; c < m.channels; ++c) {
      moments.push_back(static_cast<float>(sum[c] / images));
    }
    for (int64_t c = 0; c < m.channels; ++c) {
      const double mean = sum[c] / images;
      moments.push_back(static_cast<float>(std::max(0.0, squares[c] / images - mean * mean)));
    }
    sum += 2 * m.channels;
  }
  return moments;
}

Network Freeze(const Model& model, const TrainingProgram& training,
               const std::vector<float>& parameters, const std::vector<float>& moments) {
  Network network;
  const float* src = parameters.data();
  for (size_t l = 0; l < model.layers.size(); ++l) {
    const ModelLayer& layer = model.layers[l];
    std::vector<Tensor> own;
    for (int i = 0; i < layer.count; ++i) {
      const ModelParameter& p = model.parameters[layer.first + i];
      own.push_back({p.dims, {src, src + p.size()}});
      src += p.size();
    }
    if (layer.normalise) {
      FreezeLayer(layer, MomentsOf(training, static_cast<int>(l), moments), &own);
    }
    network.layers.push_back(layer.spec);
    for (Tensor& tensor : own) network.parameters.push_back(std::move(tensor));
  }
  CheckNetwork(&network);
  return network;
}

}  // namespace csc
