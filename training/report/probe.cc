#include "training/report/probe.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "solvers/algorithms/layered.h"
#include "solvers/error.h"

namespace csc {

namespace {

constexpr int64_t kMaxIterates = 16;  // looked at, and the last

// Entry of channel j in the row of an iteration; vectors hold 1 or n entries,
// or a row of n for each iteration.
double At(const Tensor& vector, int64_t iteration, int64_t n, int64_t j) {
  if (vector.data.size() == 1) return vector.data[0];
  return vector.data[(vector.dims.size() == 2 ? iteration * n : 0) + j];
}

// The penalty of a code's n channels with step c; empty where no Lasso has
// such steps. `a` may be null.
Penalty PenaltyOf(const Tensor& b, const Tensor* a, double c, int64_t iteration, int64_t n) {
  Penalty penalty;
  if (!(c > 0)) return {};
  for (int64_t j = 0; j < n; ++j) {
    const double scale = a == nullptr ? 1 : At(*a, iteration, n, j);
    if (!(scale > 0)) return {};
    penalty.weight.push_back(At(b, iteration, n, j) / (scale * c));
    penalty.ridge.push_back((1 - scale) / (scale * c));
  }
  return penalty;
}

double Mean(const std::vector<double>& values) {
  double sum = 0;
  for (double v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

// Definition 1 with the code's mean beta for all channels of x.
std::vector<double> MeanTolerance(const std::vector<double>& beta, int64_t channels) {
  return std::vector<double>(channels, 2 * std::max(Mean(beta), 0.0));
}

// Builds one layer's probe.
class Builder {
 public:
  Builder(const LayerSpec& layer, const std::vector<Tensor>& parameters, const Shape& input)
      : layer_(layer), parameters_(parameters) {
    std::vector<Dims> dims;
    for (const Tensor& tensor : parameters) {
      numbers_.push_back(program().AddParameter("p", tensor.dims));
      dims.push_back(tensor.dims);
    }
    geometries_ = LayerGeometries(layer, dims);
    x_ = program().AddInput(input);
    output_ = BuildLayer(layer, numbers_, x_, &program());
    Output(output_);
  }

  LayerProbe Build() {
    const std::string& op = layer_.op;
    if (op == "LayeredThreshold" || op == "LayeredPursuit" || op == "MsdCsc") {
      AddPursuit();
    } else if (op == "ResCsc") {
      AddResidual();
    } else if (op == "MlCsc" || op == "DenseCsc") {
      AddMultiLayer();
    }
    return std::move(probe_);
  }

 private:
  Program& program() { return probe_.program; }

  // The number of a value among the outputs.
  int Output(ValueId value) {
    const std::vector<ValueId>& outputs = program().outputs();
    const auto found = std::find(outputs.begin(), outputs.end(), value);
    if (found != outputs.end()) return static_cast<int>(found - outputs.begin());
    program().MarkOutput(value);
    return static_cast<int>(outputs.size()) - 1;
  }

  // A row with what follows from filters alone.
  DictionaryProbe Row(const std::string& name, int filters, const Geometry& geometry) const {
    DictionaryProbe row;
    row.figures.op = layer_.op;
    row.figures.dictionary = name;
    row.filters = &parameters_[filters];
    row.figures.atoms = row.filters->dims[0];
    row.geometry = geometry;
    return row;
  }

  void SetStep(double step, bool iterates, DictionaryProbe* row) const {
    row->figures.step = step;
    row->figures.step_warning = iterates;  // so far: lambda_max is not known
  }

  // The iterations 0 .. unfolding to look at.
  std::vector<int64_t> Iterations() const {
    const int64_t unfolding = layer_.Has("unfolding") ? layer_.Int("unfolding") : 0;
    std::vector<int64_t> list;
    for (int64_t k = 0; k < std::min(unfolding, kMaxIterates); ++k) list.push_back(k);
    list.push_back(unfolding);
    return list;
  }

  // The layer's output after `iteration` steps more than the first: its own
  // program with a smaller unfolding, which reads the same rows of constants.
  ValueId Iterate(int64_t iteration) {
    if (!layer_.Has("unfolding") || iteration == layer_.Int("unfolding")) return output_;
    LayerSpec shorter = layer_;
    shorter.attributes["unfolding"] = iteration;
    return BuildLayer(shorter, numbers_, x_, &program());
  }

  // F^T g in the size of `like`.
  ValueId Synthesis(ValueId code, int filters, const Geometry& geometry, ValueId like) {
    const Shape shape = program().shape(like);
    return program().Synthesis(code, numbers_[filters], geometry, shape.height, shape.width);
  }

  ValueId Reconstruct(ValueId code, bool identity) {
    if (!identity) return Synthesis(code, 0, geometries_[0], x_);
    const int64_t c = program().shape(x_).channels;
    const int64_t w = parameters_[0].dims[0];
    const ValueId fresh = program().View(code, c, w);
    const ValueId passed_on = program().View(code, 0, c);
    return program().Combine({{passed_on, {}}, {Synthesis(fresh, 0, geometries_[0], x_), {}}});
  }

  void AddPursuit();
  void AddResidual();
  void AddMultiLayer();
  void AddMultiLayerObjective(const std::vector<Penalty>& penalties, DictionaryProbe* first,
                              DictionaryProbe* last);

  const LayerSpec& layer_;
  const std::vector<Tensor>& parameters_;
  std::vector<int> numbers_;  // of the parameters in the program
  std::vector<Geometry> geometries_;
  ValueId x_ = -1;
  ValueId output_ = -1;
  LayerProbe probe_;
};

// The step of largest magnitude.
double LargestStep(const Tensor& c) {
  return *std::max_element(c.data.begin(), c.data.end(),
                           [](float a, float b) { return std::abs(a) < std::abs(b); });
}

void Builder::AddPursuit() {
  const bool identity = layer_.op == "MsdCsc";
  const int64_t w = parameters_[0].dims[0];
  const int64_t channels = parameters_[0].dims[1];
  const int64_t unfolding = layer_.Has("unfolding") ? layer_.Int("unfolding") : 0;
  DictionaryProbe row = Row(identity ? "[I, F^T]" : "F^T", 0, geometries_[0]);
  row.identity = identity;
  row.figures.atoms = identity ? channels + w : w;
  row.code = 0;
  double c = 1;  // LayeredThreshold's
  if (layer_.op != "LayeredThreshold") {
    const Tensor& steps = parameters_[2];
    c = At(steps, 0, 1, steps.data.size() == 1 ? 0 : unfolding);
    SetStep(LargestStep(steps), unfolding > 0, &row);
  }
  const Tensor* a = parameters_.size() == 4 ? &parameters_[3] : nullptr;
  const bool bare_identity = identity && layer_.Int("threshold_identity") == 0;
  const int64_t skipped = bare_identity ? channels : 0;
  const int64_t n = (identity ? channels + w : w) - skipped;
  Penalty penalty = PenaltyOf(parameters_[1], a, c, unfolding, n);
  if (!penalty.weight.empty()) {
    if (identity && !bare_identity) {
      for (int64_t j = 0; j < channels; ++j) {
        row.tolerance.push_back(2 * std::max(penalty.weight[j], 0.0));
      }
    } else {
      row.tolerance = MeanTolerance(penalty.weight, channels);
    }
    // Unthresholded identity channels cost nothing.
    penalty.weight.insert(penalty.weight.begin(), skipped, 0.0);
    penalty.ridge.insert(penalty.ridge.begin(), skipped, 0.0);
    for (int64_t k : Iterations()) {
      const ValueId code = Iterate(k);
      penalty.code = Output(code);
      row.reconstruction = Output(Reconstruct(code, identity));
      row.objective.push_back({k + 1, row.reconstruction, {penalty}});
    }
  }
  probe_.dictionaries.push_back(std::move(row));
}

void Builder::AddResidual() {
  const bool scaled = parameters_.size() == 7;
  const Tensor* a1 = scaled ? &parameters_[5] : nullptr;
  const int64_t m = parameters_[0].dims[0];
  const auto vector = [&](int p) { return RowOf(program(), numbers_[p], 0, m, 0, m); };
  UnrolledOptions plain;
  plain.geometry = geometries_[0];
  const ValueId h = LayeredThreshold(&program(), x_, numbers_[0], vector(1),
                                     scaled ? vector(5) : ChannelVector{}, plain);

  DictionaryProbe first = Row("F1^T", 0, geometries_[0]);
  first.code = Output(h);
  Penalty penalty = PenaltyOf(parameters_[1], a1, 1, 0, m);
  if (!penalty.weight.empty()) {
    penalty.code = first.code;
    first.tolerance = MeanTolerance(penalty.weight, program().shape(x_).channels);
    first.reconstruction = Output(Synthesis(h, 0, geometries_[0], x_));
    first.objective = {{1, first.reconstruction, {penalty}}};
  }
  probe_.dictionaries.push_back(std::move(first));

  DictionaryProbe second = Row("F2^T", 2, geometries_[1]);
  const double lipschitz = -double{parameters_[4].data[0]};  // L of Eq. 5
  second.code = 0;
  SetStep(lipschitz, lipschitz != 0, &second);
  // a2 scales the step, not the start: no ridge, and beta = b L / a.
  penalty = PenaltyOf(parameters_[3], scaled ? &parameters_[6] : nullptr,
                      lipschitz > 0 ? 1 / lipschitz : 0, 0, m);
  std::fill(penalty.ridge.begin(), penalty.ridge.end(), 0.0);
  if (!penalty.weight.empty() && layer_.Int("simplified") == 0) {
    second.input = Output(h);
    second.gain = lipschitz;
    second.tolerance = MeanTolerance(penalty.weight, m);
    const std::array<int64_t, 2> strides = geometries_[0].strides;
    const bool same = program().shape(x_) == program().shape(output_);
    const ValueId start = same ? x_ : program().Shortcut(x_, strides, m);
    for (const ValueId code : {start, output_}) {
      penalty.code = Output(code);
      second.reconstruction = Output(Synthesis(code, 2, geometries_[1], h));
      second.objective.push_back({code == output_, second.reconstruction, {penalty}});
    }
  }
  probe_.dictionaries.push_back(std::move(second));
}

// The objective is that of MlCsc; a dense block has only what follows from its
// dictionaries and its code.
void Builder::AddMultiLayer() {
  const bool dense = layer_.op == "DenseCsc";
  const int stride = ConstantsPerLayer(layer_);
  const int64_t depth = layer_.Int("layers");
  std::vector<Penalty> penalties;
  bool lasso = !dense;
  for (int64_t i = 0; i < depth; ++i) {
    const int f = static_cast<int>(i) * stride;
    DictionaryProbe row =
        Row(fmt::format(dense ? "[I, F_{}^T]" : "F_{}^T", i + 1), f, geometries_[i]);
    row.identity = dense;
    if (dense) row.figures.atoms += row.filters->dims[1];
    const double c = LargestStep(parameters_[f + 2]);
    SetStep(c, layer_.Int("unfolding") > 0, &row);
    if (!dense) {
      penalties.push_back(PenaltyOf(parameters_[f + 1], nullptr, c, 0, row.figures.atoms));
      lasso = lasso && !penalties.back().weight.empty();
    }
    probe_.dictionaries.push_back(std::move(row));
  }
  DictionaryProbe& last = probe_.dictionaries.back();
  last.code = 0;
  if (lasso) AddMultiLayerObjective(penalties, &probe_.dictionaries.front(), &last);
}

void Builder::AddMultiLayerObjective(const std::vector<Penalty>& penalties, DictionaryProbe* first,
                                     DictionaryProbe* last) {
  // Heights and widths of g_0 .. g_{L-1}, to which the syntheses lead back.
  std::vector<Shape> shapes = {program().shape(x_)};
  for (size_t i = 0; i + 1 < geometries_.size(); ++i) {
    shapes.push_back({parameters_[3 * i].dims[0],
                      geometries_[i].OutputSize(0, shapes.back().height),
                      geometries_[i].OutputSize(1, shapes.back().width)});
  }
  first->tolerance = MeanTolerance(penalties[0].weight, shapes[0].channels);
  for (int64_t k : Iterations()) {
    ObjectiveTerms terms;
    terms.iteration = k + 1;
    ValueId estimate = Iterate(k);
    for (size_t i = geometries_.size(); i-- > 0;) {
      terms.penalties.push_back(penalties[i]);
      terms.penalties.back().code = Output(estimate);
      estimate = program().Synthesis(estimate, numbers_[3 * i], geometries_[i], shapes[i].height,
                                     shapes[i].width);
    }
    terms.reconstruction = first->reconstruction = Output(estimate);
    last->objective.push_back(std::move(terms));
  }
}

}  // namespace

LayerProbe MakeProbe(const LayerSpec& layer, const std::vector<Tensor>& parameters,
                     const Shape& input) {
  return Builder(layer, parameters, input).Build();
}

}  // namespace csc
