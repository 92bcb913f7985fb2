#include "training/onnx/portable.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <tuple>

#include "solvers/error.h"

namespace csc {

namespace {

using Sides = std::array<int64_t, 4>;  // top, left, bottom, right

// How filters must lie for a node.
enum class FilterForm {
  kPlain,    // [w, C, kh, kw], for Conv as analysis
  kFlipped,  // [C, w, kh, kw] rotated by 180 degrees, for Conv as synthesis
  kStuffed,  // [w, C, extent, extent], zeros between taps, for ConvTranspose
};

bool IsAlike(const Sides& pads) { return pads[0] == pads[2] && pads[1] == pads[3]; }

bool IsNonnegative(const Sides& pads) {
  return std::all_of(pads.begin(), pads.end(), [](int64_t pad) { return pad >= 0; });
}

std::vector<int64_t> List(const std::array<int64_t, 2>& pair) { return {pair[0], pair[1]}; }

class PortableWriter {
 public:
  PortableWriter(const Program& program, const std::vector<float>& parameters, GraphBuilder* graph)
      : program_(program), parameters_(parameters), graph_(*graph) {}

  void Write(const std::string& input, const std::string& output) {
    Require(program_.inputs().size() == 1 && program_.outputs().size() == 1,
            "a program of {} inputs and {} outputs: one of each expected", program_.inputs().size(),
            program_.outputs().size());
    Require(static_cast<int64_t>(parameters_.size()) == program_.parameter_size(),
            "{} parameters found: {} expected", parameters_.size(), program_.parameter_size());
    names_[program_.inputs()[0]] = input;
    for (const Instruction& i : program_.instructions()) names_[i.result] = Emit(i);
    // The last value may be the input itself, so it gets a node of its own.
    graph_.AddNode("Identity", {names_.at(program_.outputs()[0])}, output);
  }

 private:
  // ---- names and constants ----

  // A name of its own for the next tensor or constant.
  std::string Fresh(const std::string& what) { return fmt::format("{}_{}", what, next_++); }

  std::string Node(const std::string& op, const std::vector<std::string>& inputs) {
    std::string name = Fresh(op);
    last_ = graph_.AddNode(op, inputs, name);
    return name;
  }
  void Attribute(const std::string& name, const AttributeValue& value) {
    SetAttribute(last_, name, value);
  }

  float ParameterAt(int parameter, int64_t offset) const {
    return parameters_[program_.parameters()[parameter].offset + offset];
  }

  double Value(const Coefficient& coefficient) const {
    const double factor =
        coefficient.parameter < 0 ? 1.0 : ParameterAt(coefficient.parameter, coefficient.offset);
    return coefficient.constant * factor;
  }

  // The entries of `vector` times `factor`: one, or one for each channel.
  std::vector<float> Values(const ChannelVector& vector, double factor) const {
    std::vector<float> values;
    for (int64_t i = 0; i < vector.count; ++i) {
      const double entry = ParameterAt(vector.parameter, vector.offset + i);
      values.push_back(static_cast<float>(factor * vector.constant * entry));
    }
    return values;
  }

  // Constants are shared: an unrolled layer uses the same ones at each step.
  std::string Constant(const std::vector<float>& values) {
    std::string& name = constants_[values];
    if (name.empty()) {
      const int64_t n = static_cast<int64_t>(values.size());
      name = graph_.AddConstant(Fresh("constant"), n == 1 ? Dims{1} : Dims{n, 1, 1}, values);
    }
    return name;
  }
  std::string Constant(double value) { return Constant(std::vector<float>{float(value)}); }

  std::string Filters(const Instruction& i, FilterForm form) {
    const double scale = Value(i.terms[0].coefficient);
    std::string& name = filters_[{i.filters, scale, form}];
    if (!name.empty()) return name;
    const ParameterInfo& info = program_.parameters()[i.filters];
    const int64_t w = info.dims[0], c = info.dims[1], kh = info.dims[2], kw = info.dims[3];
    const bool stuffed = form == FilterForm::kStuffed;
    const int64_t eh = stuffed ? i.geometry.Extent(0) : kh;
    const int64_t ew = stuffed ? i.geometry.Extent(1) : kw;
    const bool flipped = form == FilterForm::kFlipped;
    std::vector<float> data(w * c * eh * ew, 0.0f);
    for (int64_t o = 0; o < w; ++o) {
      for (int64_t in = 0; in < c; ++in) {
        for (int64_t y = 0; y < kh; ++y) {
          for (int64_t x = 0; x < kw; ++x) {
            const int64_t from = ((o * c + in) * kh + y) * kw + x;
            int64_t to = from;
            if (flipped) to = ((in * w + o) * kh + kh - 1 - y) * kw + kw - 1 - x;
            if (stuffed) {
              to = ((o * c + in) * eh + y * i.geometry.dilations[0]) * ew +
                   x * i.geometry.dilations[1];
            }
            data[to] = static_cast<float>(scale * ParameterAt(i.filters, from));
          }
        }
      }
    }
    const Dims dims = flipped ? Dims{c, w, kh, kw} : Dims{w, c, eh, ew};
    return name = graph_.AddConstant(Fresh("filters"), dims, data);
  }

  // ---- sizes ----

  // `x` of height x width with `sides` added (zeros) or, where negative, cut off.
  std::string Resize(std::string x, const Shape& shape, const Sides& sides) {
    if (std::any_of(sides.begin(), sides.end(), [](int64_t side) { return side < 0; })) {
      const auto cut = [&](int i) { return std::max<int64_t>(-sides[i], 0); };
      x = Slice(x, {2, 3}, {cut(0), cut(1)}, {shape.height - cut(2), shape.width - cut(3)});
    }
    const auto add = [&](int i) { return std::max<int64_t>(sides[i], 0); };
    const Sides pads = {add(0), add(1), add(2), add(3)};
    return pads == Sides{} ? x : Pad(x, {0, 0, pads[0], pads[1], 0, 0, pads[2], pads[3]});
  }

  std::string Slice(const std::string& x, const std::vector<int64_t>& axes,
                    const std::vector<int64_t>& starts, const std::vector<int64_t>& ends) {
    return Node("Slice",
                {x, graph_.AddInts(Fresh("starts"), starts), graph_.AddInts(Fresh("ends"), ends),
                 graph_.AddInts(Fresh("axes"), axes)});
  }

  std::string Pad(const std::string& x, const std::vector<int64_t>& pads) {
    const std::string name = Node("Pad", {x, graph_.AddInts(Fresh("pads"), pads)});
    Attribute("mode", std::string("constant"));
    return name;
  }

  // ---- instructions ----

  std::string Emit(const Instruction& i) {
    const auto operand = [&] { return names_.at(i.terms[0].value); };
    const Shape out = i.result >= 0 ? program_.shape(i.result) : Shape{};
    switch (i.op) {
      case Opcode::kAnalysis:
        return Convolve(operand(), InputShape(i), Filters(i, FilterForm::kPlain), i.geometry,
                        i.geometry.pads);
      case Opcode::kSynthesis:
        return Synthesis(i);
      case Opcode::kPointwise:
        return Pointwise(i);
      case Opcode::kJoin: {
        if (i.terms.size() == 1) return operand();
        std::vector<std::string> parts;
        for (const Term& term : i.terms) parts.push_back(names_.at(term.value));
        const std::string name = Node("Concat", parts);
        Attribute("axis", int64_t{1});
        return name;
      }
      case Opcode::kView:
        return Slice(operand(), {1}, {i.first_channel}, {i.first_channel + out.channels});
      case Opcode::kMaxPool:
        return Pool("MaxPool", operand(), i.geometry);
      case Opcode::kAveragePool: {
        const Shape in = InputShape(i);
        const bool global = i.geometry.kernel == std::array<int64_t, 2>{in.height, in.width};
        return global ? Node("GlobalAveragePool", {operand()})
                      : Pool("AveragePool", operand(), i.geometry);
      }
      case Opcode::kShortcut: {
        std::string x = operand();
        // Pooling windows of one pixel subsample; every runtime has them.
        const std::array<int64_t, 2> one = {1, 1};
        if (i.geometry.strides != one)
          x = Pool("MaxPool", x, {one, i.geometry.strides, {1, 1}, {}});
        const int64_t more = out.channels - InputShape(i).channels;
        return more == 0 ? x : Pad(x, {0, 0, 0, 0, 0, more, 0, 0});
      }
      default:
        Fail("the portable form has no node for the instruction {}, which belongs to training",
             Name(i.op));
    }
  }

  Shape InputShape(const Instruction& i) const { return program_.shape(i.terms[0].value); }

  std::string Pool(const std::string& op, const std::string& x, const Geometry& geometry) {
    const std::string name = Node(op, {x});
    Attribute("kernel_shape", List(geometry.kernel));
    Attribute("strides", List(geometry.strides));
    Attribute("pads", std::vector<int64_t>(4, 0));
    return name;
  }

  std::string Convolve(std::string x, const Shape& in, const std::string& filters,
                       const Geometry& geometry, Sides pads) {
    if (!IsAlike(pads) || !IsNonnegative(pads)) {
      x = Resize(x, in, pads);
      pads = {};
    }
    const std::string name = Node("Conv", {x, filters});
    Attribute("kernel_shape", List(geometry.kernel));
    Attribute("strides", List(geometry.strides));
    Attribute("dilations", List(geometry.dilations));
    Attribute("pads", std::vector<int64_t>(pads.begin(), pads.end()));
    Attribute("group", int64_t{1});
    return name;
  }

  std::string Synthesis(const Instruction& i) {
    const std::string& g = names_.at(i.terms[0].value);
    const Shape code = InputShape(i), out = program_.shape(i.result);
    const Geometry& geometry = i.geometry;
    const std::array<int64_t, 2> one = {1, 1};
    if (geometry.strides == one) {
      // The adjoint of a convolution with stride 1 is a convolution.
      Sides pads = geometry.pads;
      for (int s = 0; s < 4; ++s) pads[s] = geometry.Extent(s % 2) - 1 - pads[s];
      return Convolve(g, code, Filters(i, FilterForm::kFlipped),
                      {geometry.kernel, one, geometry.dilations, {}}, pads);
    }
    // ConvTranspose without pads gives `full`, from which `cut` goes. Rows that
    // no window reaches make a negative cut: they are zeros to be added.
    Sides cut = geometry.pads;
    std::array<int64_t, 2> full = {};
    for (int axis = 0; axis < 2; ++axis) {
      const int64_t windows = axis == 0 ? code.height : code.width;
      const int64_t size = axis == 0 ? out.height : out.width;
      full[axis] = (windows - 1) * geometry.strides[axis] + geometry.Extent(axis);
      cut[2 + axis] = full[axis] - cut[axis] - size;
    }
    // Pads alike on both sides with output_padding are within the node's reach.
    std::array<int64_t, 2> extra = {cut[0] - cut[2], cut[1] - cut[3]};
    bool inside = true;
    for (int axis = 0; axis < 2; ++axis) {
      inside = inside && 0 <= extra[axis] && extra[axis] < geometry.strides[axis];
    }
    const Sides pads = inside ? Sides{cut[0], cut[1], cut[0], cut[1]} : Sides{};
    const std::string name = Node("ConvTranspose", {g, Filters(i, FilterForm::kStuffed)});
    Attribute("kernel_shape", List({geometry.Extent(0), geometry.Extent(1)}));
    Attribute("strides", List(geometry.strides));
    Attribute("pads", std::vector<int64_t>(pads.begin(), pads.end()));
    if (inside) {
      if (extra != std::array<int64_t, 2>{}) Attribute("output_padding", List(extra));
      return name;
    }
    return Resize(name, {out.channels, full[0], full[1]}, {-cut[0], -cut[1], -cut[2], -cut[3]});
  }

  std::string Times(const std::string& x, const std::vector<float>& factors) {
    const bool ones = std::all_of(factors.begin(), factors.end(), [](float f) { return f == 1; });
    return ones ? x : Node("Mul", {x, Constant(factors)});
  }

  std::string Plus(const std::string& x, const std::vector<float>& summands) {
    const bool zeros =
        std::all_of(summands.begin(), summands.end(), [](float f) { return f == 0; });
    return zeros ? x : Node("Add", {x, Constant(summands)});
  }

  // The sum of terms, one term for each value.
  std::string Sum(const std::vector<std::pair<ValueId, double>>& terms) {
    std::string sum;
    for (const auto& [value, coefficient] : terms) {
      const std::string& name = names_.at(value);
      if (sum.empty()) {
        sum = Times(name, {static_cast<float>(coefficient)});
      } else if (coefficient == -1) {
        sum = Node("Sub", {sum, name});
      } else {
        sum = Node("Add", {sum, Times(name, {static_cast<float>(coefficient)})});
      }
    }
    return sum;
  }

  std::string Pointwise(const Instruction& i) {
    std::vector<std::pair<ValueId, double>> terms;
    for (const Term& term : i.terms) {
      const auto same = std::find_if(terms.begin(), terms.end(),
                                     [&](const auto& t) { return t.first == term.value; });
      if (same == terms.end()) {
        terms.emplace_back(term.value, Value(term.coefficient));
      } else {
        same->second += Value(term.coefficient);
      }
    }
    // Subtracting wants something to subtract from.
    std::stable_partition(terms.begin(), terms.end(), [](const auto& t) { return t.second != -1; });

    double factor = 1;  // of a lone term, folded into a
    if (terms.size() == 1 && i.scale.present()) std::swap(factor, terms[0].second);
    std::string u = Sum(terms);
    if (i.scale.present()) u = Times(u, Values(i.scale, factor));

    const std::vector<float> minus_b =
        i.threshold.present() ? Values(i.threshold, -1) : std::vector<float>{0};
    if (i.shrink == Shrink::kSoft) {
      // S_b(u) = max(u - b, 0) - max(-u - b, 0)
      const std::string above = Node("Relu", {Plus(u, minus_b)});
      const std::string below = Node("Relu", {Plus(Times(u, {-1}), minus_b)});
      return Node("Sub", {above, below});
    }
    u = Plus(u, minus_b);
    return i.shrink == Shrink::kNonnegative ? Node("Relu", {u}) : u;
  }

  const Program& program_;
  const std::vector<float>& parameters_;
  GraphBuilder& graph_;
  onnx::NodeProto* last_ = nullptr;
  int next_ = 0;
  std::map<ValueId, std::string> names_;
  std::map<std::vector<float>, std::string> constants_;
  std::map<std::tuple<int, double, FilterForm>, std::string> filters_;
};

}  // namespace

void AppendPortable(const Program& program, const std::vector<float>& parameters,
                    const std::string& input, const std::string& output, GraphBuilder* graph) {
  PortableWriter(program, parameters, graph).Write(input, output);
}

}  // namespace csc
