#include "training/report/white_box.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "solvers/error.h"
#include "training/models/largest_eigenvalue.h"
#include "training/report/coherence.h"
#include "training/report/probe.h"

namespace csc {

namespace {

constexpr int64_t kBatch = 8;

// A value of one image, [C, H, W].
struct Plane {
  const float* data;
  Shape shape;

  int64_t positions() const { return shape.height * shape.width; }
};

// sum_j weight_j |g_j| + 1/2 sum_j ridge_j g_j^2.
double Value(const Penalty& penalty, const Plane& code) {
  double value = 0;
  for (int64_t c = 0; c < code.shape.channels; ++c) {
    const float* src = code.data + c * code.positions();
    double sum = 0;
    double squares = 0;
    for (int64_t i = 0; i < code.positions(); ++i) {
      sum += std::abs(double{src[i]});
      squares += double{src[i]} * src[i];
    }
    value += penalty.weight[c] * sum + penalty.ridge[c] / 2 * squares;
  }
  return value;
}

double SquaredDistance(const Plane& x, double gain, const Plane& reconstruction) {
  double sum = 0;
  for (int64_t i = 0; i < x.shape.size(); ++i) {
    const double difference = x.data[i] - gain * reconstruction.data[i];
    sum += difference * difference;
  }
  return sum;
}

// Sums over images of what becomes one row.
class RowSums {
 public:
  explicit RowSums(const DictionaryProbe& probe)
      : probe_(probe), objective_(probe.objective.size()) {}

  // `output` gives an output of the program for the image, -1 the layer's
  // input.
  template <typename Output>
  void Add(const Output& output) {
    if (probe_.code >= 0) AddCode(output(probe_.code));
    const Plane x = output(probe_.input);
    if (probe_.reconstruction >= 0 && !probe_.tolerance.empty()) {
      AddReconstruction(x, output(probe_.reconstruction));
    }
    for (size_t i = 0; i < probe_.objective.size(); ++i) {
      const ObjectiveTerms& terms = probe_.objective[i];
      objective_[i] += SquaredDistance(x, probe_.gain, output(terms.reconstruction)) / 2;
      for (const Penalty& penalty : terms.penalties) {
        objective_[i] += Value(penalty, output(penalty.code));
      }
    }
  }

  void Finish(int64_t images, DictionaryFigures* figures) const {
    const double count = static_cast<double>(images);
    if (entries_ > 0) {
      figures->zeros = static_cast<double>(zeros_) / static_cast<double>(entries_);
      figures->mean_l1 = l1_ / count;
    }
    if (dimensions_ > 0) {
      figures->not_reconstructed =
          static_cast<double>(unsuccessful_) / static_cast<double>(dimensions_);
      double sum = 0;
      for (double t : probe_.tolerance) sum += t;
      figures->tolerance = sum / static_cast<double>(probe_.tolerance.size());
    }
    for (size_t i = 0; i < objective_.size(); ++i) {
      figures->objective.push_back({probe_.objective[i].iteration, objective_[i] / count});
    }
  }

 private:
  void AddCode(const Plane& code) {
    entries_ += code.shape.size();
    for (int64_t i = 0; i < code.shape.size(); ++i) {
      zeros_ += code.data[i] == 0;
      l1_ += std::abs(double{code.data[i]});
    }
  }

  void AddReconstruction(const Plane& x, const Plane& reconstruction) {
    dimensions_ += x.shape.size();
    for (int64_t i = 0; i < x.shape.size(); ++i) {
      const double distance = std::abs(probe_.gain * reconstruction.data[i] - x.data[i]);
      unsuccessful_ += distance > probe_.tolerance[i / x.positions()];
    }
  }

  const DictionaryProbe& probe_;
  int64_t entries_ = 0;
  int64_t zeros_ = 0;
  double l1_ = 0;
  int64_t dimensions_ = 0;
  int64_t unsuccessful_ = 0;
  std::vector<double> objective_;
};

// What does not depend on images.
void AddFilterFigures(const DictionaryProbe& probe, Executor* executor,
                      DictionaryFigures* figures) {
  figures->coherence = MutualCoherence(*probe.filters, probe.geometry, probe.identity, executor);
  figures->lambda_max =
      LargestEigenvalue(*probe.filters, probe.geometry) + (probe.identity ? 1 : 0);
  if (!figures->step_warning) return;
  figures->step_warning = !(0 <= *figures->step && figures->step_lambda() <= 2);
}

// Runs the layer on `count` images; *values goes from its input to its output.
// Returns its rows.
std::vector<DictionaryFigures> MeasureLayer(const Engine& engine, Executor* executor,
                                            const LayerProbe& probe,
                                            const std::vector<float>& parameters, int64_t count,
                                            std::vector<float>* values) {
  const Program& program = probe.program;
  const std::unique_ptr<Executable> executable = engine.Prepare(program);
  executable->SetParameters(parameters.data());
  const Shape& in = program.shape(program.inputs()[0]);
  const auto shape = [&](int output) { return program.shape(program.outputs()[output]); };
  std::vector<std::vector<float>> outputs;
  for (size_t o = 0; o < program.outputs().size(); ++o) {
    outputs.emplace_back((o == 0 ? count : std::min(kBatch, count)) * shape(o).size());
  }
  std::vector<RowSums> sums(probe.dictionaries.begin(), probe.dictionaries.end());
  for (int64_t begin = 0; begin < count; begin += kBatch) {
    const float* input = values->data() + begin * in.size();
    float* result = outputs[0].data() + begin * shape(0).size();
    RunArguments run;
    run.batch = std::min(kBatch, count - begin);
    run.inputs = {input};
    run.outputs = {result};
    for (size_t o = 1; o < outputs.size(); ++o) run.outputs.push_back(outputs[o].data());
    run.executor = executor;
    executable->Run(run);
    for (int64_t n = 0; n < run.batch; ++n) {
      const auto plane = [&](int output) -> Plane {
        if (output < 0) return {input + n * in.size(), in};
        return {run.outputs[output] + n * shape(output).size(), shape(output)};
      };
      for (RowSums& row : sums) row.Add(plane);
    }
  }
  *values = std::move(outputs[0]);

  std::vector<DictionaryFigures> rows;
  for (size_t i = 0; i < sums.size(); ++i) {
    rows.push_back(probe.dictionaries[i].figures);
    AddFilterFigures(probe.dictionaries[i], executor, &rows.back());
    sums[i].Finish(count, &rows.back());
  }
  return rows;
}

}  // namespace

std::vector<DictionaryFigures> MeasureWhiteBox(const Engine& engine, Executor* executor,
                                               const Network& network, const Shape& input,
                                               const float* images, int64_t count) {
  Require(count >= 1, "{} images to look into the network with: at least 1 expected", count);
  std::vector<DictionaryFigures> all;
  std::vector<float> values(images, images + count * input.size());
  Shape shape = input;
  auto next = network.parameters.begin();
  for (size_t l = 0; l < network.layers.size(); ++l) {
    const LayerSpec& layer = network.layers[l];
    const std::vector<Tensor> own(next, next + layer.num_parameters);
    next += layer.num_parameters;
    const LayerProbe probe = MakeProbe(layer, own, shape);
    const std::vector<float> flat = FlattenParameters({{layer}, own});
    for (DictionaryFigures& row : MeasureLayer(engine, executor, probe, flat, count, &values)) {
      row.layer = static_cast<int64_t>(l);
      all.push_back(std::move(row));
    }
    shape = probe.program.shape(probe.program.outputs()[0]);
  }
  return all;
}

}  // namespace csc
