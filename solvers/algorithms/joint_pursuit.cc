#include "solvers/algorithms/joint_pursuit.h"

#include "solvers/error.h"

namespace csc {

namespace {

// A layer's code. In a dense block the channels passed on stand before the new
// ones; the two parts are joined where a convolution reads them.
struct Code {
  std::vector<Term> identity;  // a sum; none in a plain layer
  ValueId fresh = -1;
};

// One layer: its analysis A, the adjoint of A, its proximal map.
class Layer {
 public:
  Layer(Program* program, const JointLayer& layer, const JointOptions& options)
      : program_(*program),
        parameters_(layer.parameters),
        geometry_(layer.geometry),
        options_(options),
        width_(program->parameters().at(parameters_.filters).dims[0]),
        passed_on_(options.dense ? program->parameters().at(parameters_.filters).dims[1] : 0) {
    Require(!options.dense || geometry_.KeepsSize(),
            "the geometry {} changes the size of its input: a layer of a dense block needs stride "
            "1 and an output as large as its input",
            ToString(geometry_));
  }

  // S+_b( a (start + sign A (c image)) ); an empty `start` is 0.
  Code Step(const Code& start, double sign, ValueId image, int iteration) const {
    const auto step = [&](double factor) {
      return StepOf(program_, parameters_.step, iteration, factor);
    };
    Code code;
    if (options_.dense) {
      std::vector<Term> terms = start.identity;
      terms.push_back({image, step(sign)});
      code.identity = {{Prox(std::move(terms), iteration, 0, passed_on_), {}}};
    }
    const ValueId analysis = program_.Analysis(image, parameters_.filters, geometry_, step(1));
    std::vector<Term> terms;
    if (start.fresh >= 0) terms.push_back({start.fresh, {}});
    terms.push_back({analysis, {sign}});
    code.fresh = Prox(std::move(terms), iteration, passed_on_, width_);
    return code;
  }

  // A^T code, an image as large as `image`.
  ValueId Synthesis(const Code& code, const Shape& image) const {
    const ValueId fresh =
        program_.Synthesis(code.fresh, parameters_.filters, geometry_, image.height, image.width);
    if (!options_.dense) return fresh;
    std::vector<Term> terms = code.identity;
    terms.push_back({fresh, {}});
    return program_.Combine(std::move(terms));
  }

  Code Extrapolated(const Code& code, const Code& previous, double factor) const {
    if (factor == 0) return code;
    Code z;
    z.fresh = program_.Combine(Extrapolate(code.fresh, previous.fresh, factor));
    if (options_.dense) {
      z.identity = Extrapolate(code.identity[0].value, previous.identity[0].value, factor);
    }
    return z;
  }

  ValueId Join(const Code& code) const {
    return options_.dense ? program_.Join({code.identity[0].value, code.fresh}) : code.fresh;
  }

  Code Split(ValueId whole) const {
    if (!options_.dense) return {{}, whole};
    return {{{program_.View(whole, 0, passed_on_), {}}}, program_.View(whole, passed_on_, width_)};
  }

 private:
  // S+_b( a sum ) for channels [first, first + count) of the code.
  ValueId Prox(std::vector<Term> terms, int iteration, int64_t first, int64_t count) const {
    const auto row = [&](int parameter) {
      return RowOf(program_, parameter, iteration, passed_on_ + width_, first, count);
    };
    return ProximalMap(&program_, std::move(terms), Shrink::kNonnegative,
                       row(parameters_.threshold), row(parameters_.scale), options_.normalise,
                       options_.epsilon);
  }

  Program& program_;
  const UnrolledParameters parameters_;
  const Geometry geometry_;
  const JointOptions options_;
  const int64_t width_;      // new channels
  const int64_t passed_on_;  // of a dense block, before them
};

}  // namespace

ValueId JointPursuit(Program* program, ValueId x, const std::vector<JointLayer>& layers,
                     const JointOptions& options) {
  Require(!layers.empty(), "a joint pursuit needs at least one layer");
  std::vector<Layer> pursued;
  for (const JointLayer& layer : layers) pursued.emplace_back(program, layer, options);
  const size_t depth = pursued.size();
  const auto layer = [&](size_t i) -> const Layer& { return pursued[i - 1]; };  // i from 1

  // g_i = S+( a A_i (c_i g_{i-1}) ): the first estimate. The layer above reads
  // g_1 .. g_{L-1} as images.
  Code deepest;
  std::vector<ValueId> images = {x};  // g_0 .. g_{L-1}
  for (size_t i = 1; i <= depth; ++i) {
    deepest = layer(i).Step({}, 1, images.back(), 0);
    if (i < depth) images.push_back(layer(i).Join(deepest));
  }

  Code previous = deepest;
  const std::vector<double> momentum = MomentumFactors(options.algorithm, options.unfolding);
  for (int round = 1; round <= options.unfolding; ++round) {
    // Top down: u_L = z, u_{i-1} = A_i^T u_i.
    std::vector<Code> estimates(depth + 1);   // u_1 .. u_L
    std::vector<ValueId> synthesised(depth);  // u_0 .. u_{L-1}
    estimates[depth] = layer(depth).Extrapolated(deepest, previous, momentum[round - 1]);
    previous = deepest;
    for (size_t i = depth; i >= 1; --i) {
      synthesised[i - 1] = layer(i).Synthesis(estimates[i], program->shape(images[i - 1]));
      if (i > 1) estimates[i - 1] = layer(i - 1).Split(synthesised[i - 1]);
    }
    // Bottom up: g_i = S+( a (u_i - A_i (c_i (u_{i-1} - g_{i-1}))) ).
    for (size_t i = 1; i <= depth; ++i) {
      const ValueId residual = program->Combine({{synthesised[i - 1], {}}, {images[i - 1], {-1}}});
      deepest = layer(i).Step(estimates[i], -1, residual, round);
      if (i < depth) images[i] = layer(i).Join(deepest);
    }
  }
  return layer(depth).Join(deepest);
}

}  // namespace csc
