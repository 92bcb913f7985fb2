#include "solvers/engines/cuda/plan.h"

#include <algorithm>

#include "solvers/engines/cuda/kernels/elementwise.h"
#include "solvers/engines/cuda/kernels/tensor_convolution.h"
#include "solvers/engines/cuda/tensor_tiles.h"

namespace csc::cuda {

namespace {

// Packed filters begin at addresses of 256 bytes, for reads of four floats.
constexpr int64_t kAlignment = 64;

int64_t RoundUp(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

bool IsConvolution(Opcode op) { return op == Opcode::kAnalysis || op == Opcode::kSynthesis; }

// The instructions of the program as steps. A value is defined once and a
// convolution reads nothing that changes, so it may as well run where its value
// is used, if that is in one place only.
std::vector<Step> MakeSteps(const Program& program) {
  const auto& instructions = program.instructions();
  std::vector<int> uses(program.num_values(), 0);
  std::vector<int> producer(program.num_values(), -1);
  for (size_t k = 0; k < instructions.size(); ++k) {
    for (const Term& term : instructions[k].terms) ++uses[term.value];
    if (instructions[k].result >= 0) producer[instructions[k].result] = static_cast<int>(k);
  }
  for (ValueId output : program.outputs()) ++uses[output];

  std::vector<int> taken_by(instructions.size(), -1);
  std::vector<Step> of_instruction(instructions.size());
  for (size_t k = 0; k < instructions.size(); ++k) {
    const Instruction& i = instructions[k];
    Step& step = of_instruction[k];
    step.instruction = static_cast<int>(k);
    // What the convolution's own epilogue has room for.
    if (i.op != Opcode::kPointwise || i.terms.size() > Epilogue::kMaxTerms + 1) continue;
    for (size_t t = 0; t < i.terms.size(); ++t) {
      const ValueId value = i.terms[t].value;
      const int by = producer[value];
      if (by < 0 || uses[value] != 1 || !IsConvolution(instructions[by].op)) continue;
      // Of several, the last: its operands are the least likely to wait for it.
      if (by > step.convolution) {
        step.convolution = by;
        step.term = static_cast<int>(t);
      }
    }
    if (step.convolution >= 0) taken_by[step.convolution] = static_cast<int>(k);
  }
  std::vector<Step> steps;
  for (size_t k = 0; k < instructions.size(); ++k) {
    if (taken_by[k] < 0) steps.push_back(of_instruction[k]);
  }
  return steps;
}

struct Lifetime {
  ValueId value;
  int64_t floats;
  int first, last;  // steps, both inclusive; inputs begin at -1
  int64_t offset = -1;

  bool Meets(const Lifetime& other) const { return first <= other.last && other.first <= last; }
};

std::vector<Lifetime> FindLifetimes(const Program& program, const std::vector<Step>& steps) {
  std::vector<Lifetime> lifetimes;
  for (ValueId v = 0; v < program.num_values(); ++v) {
    lifetimes.push_back({v, program.shape(v).size(), -1, -2});  // last < first: not stored
  }
  const auto read = [&](ValueId v, int step) {
    lifetimes[v].last = std::max(lifetimes[v].last, step);
  };
  for (size_t s = 0; s < steps.size(); ++s) {
    const int step = static_cast<int>(s);
    const Instruction& i = program.instructions()[steps[s].instruction];
    for (size_t t = 0; t < i.terms.size(); ++t) {
      if (static_cast<int>(t) != steps[s].term) read(i.terms[t].value, step);
    }
    if (steps[s].convolution >= 0) {
      read(program.instructions()[steps[s].convolution].terms[0].value, step);
    }
    if (i.result >= 0) {
      lifetimes[i.result].first = step;
      read(i.result, step);  // written even if never read
    }
  }
  for (ValueId output : program.outputs()) read(output, static_cast<int>(steps.size()));
  return lifetimes;
}

// All lifetimes are known, so the largest values are placed first, each at the
// lowest place that none of those met in time covers.
void PlaceValues(const Program& program, Plan* plan) {
  std::vector<Lifetime> lifetimes = FindLifetimes(program, plan->steps);
  plan->offsets.assign(lifetimes.size(), -1);
  lifetimes.erase(std::remove_if(lifetimes.begin(), lifetimes.end(),
                                 [](const Lifetime& l) { return l.last < l.first; }),
                  lifetimes.end());
  std::stable_sort(lifetimes.begin(), lifetimes.end(),
                   [](const Lifetime& a, const Lifetime& b) { return a.floats > b.floats; });
  std::vector<const Lifetime*> placed;  // by offset
  for (Lifetime& l : lifetimes) {
    int64_t offset = 0;
    for (const Lifetime* other : placed) {
      if (!l.Meets(*other)) continue;
      if (offset + l.floats <= other->offset) break;
      offset = std::max(offset, other->offset + other->floats);
    }
    l.offset = offset;
    plan->offsets[l.value] = offset;
    plan->floats_per_image = std::max(plan->floats_per_image, offset + l.floats);
    const auto after =
        std::upper_bound(placed.begin(), placed.end(), offset,
                         [](int64_t o, const Lifetime* other) { return o < other->offset; });
    placed.insert(after, &l);
  }
}

void CollectFilters(const Program& program, Plan* plan) {
  for (const Instruction& i : program.instructions()) {
    if (!IsConvolution(i.op)) continue;
    if (plan->FindFilters(i) != nullptr) continue;
    const bool synthesis = i.op == Opcode::kSynthesis;
    const Dims& dims = program.parameters()[i.filters].dims;  // [w, C, kh, kw]
    PackedFilters f;
    f.parameter = i.filters;
    f.synthesis = synthesis;
    f.source_channels = synthesis ? dims[0] : dims[1];
    f.result_channels = synthesis ? dims[1] : dims[0];
    f.tensor = plan->OnTensorCores(i);
    if (f.tensor) {
      const int64_t per_word = plan->arithmetic == Arithmetic::kTf32 ? 1 : 2;
      f.group = TensorRowTiles(f.result_channels) * kMmaRows;
      f.padded_source = RoundUp(RoundUp(f.source_channels, per_word) / per_word, kTensorWords);
    } else {
      f.group = f.result_channels <= 4 ? 4 : 8;
      f.padded_source = f.source_channels;
    }
    f.padded_channels = RoundUp(f.result_channels, f.group);
    f.taps = dims[2] * dims[3];
    f.offset = plan->filter_floats;
    plan->filter_floats += RoundUp(f.floats(), kAlignment);
    plan->filters.push_back(f);
  }
}

}  // namespace

bool Plan::OnTensorCores(const Instruction& convolution) const {
  return tensor_cores() && WhyNotOnTensorCores(convolution) == nullptr;
}

const PackedFilters* Plan::FindFilters(const Instruction& convolution) const {
  for (const PackedFilters& f : filters) {
    if (f.parameter == convolution.filters &&
        f.synthesis == (convolution.op == Opcode::kSynthesis) &&
        f.tensor == OnTensorCores(convolution)) {
      return &f;
    }
  }
  return nullptr;
}

Plan MakePlan(const Program& program, Arithmetic arithmetic) {
  Plan plan;
  plan.arithmetic = arithmetic;
  plan.steps = MakeSteps(program);
  PlaceValues(program, &plan);
  CollectFilters(program, &plan);
  for (const Instruction& i : program.instructions()) {
    plan.has_loss = plan.has_loss || i.op == Opcode::kSoftmaxLoss;
    plan.has_gradients = plan.has_gradients || i.op == Opcode::kFilterGradient ||
                         i.op == Opcode::kScalarGradient || i.op == Opcode::kChannelGradient;
  }
  return plan;
}

}  // namespace csc::cuda
