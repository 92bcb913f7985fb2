#include "solvers/engines/cuda/plan.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "solvers/engines/cuda/kernels/pairs.h"
#include "solvers/engines/cuda/kernels/tensor_convolution.h"
#include "solvers/engines/cuda/tensor_tiles.h"

namespace csc::cuda {

namespace {

// Packed filters begin at addresses of 256 bytes, for reads of four floats.
constexpr int64_t kAlignment = 64;

int64_t RoundUp(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

struct Lifetime {
  ValueId value;
  int64_t floats;
  int first, last;  // steps, both inclusive; inputs begin at -1
  int64_t offset = -1;

  bool Meets(const Lifetime& other) const { return first <= other.last && other.first <= last; }
};

// Whether tensor cores take both of a product's factors, which they round to the plan's
// arithmetic as they load them.
bool IsProductOnTensorCores(const Program& program, const Plan& plan, const Instruction& i) {
  if (plan.cudnn.Serves(program, i)) return false;
  if (IsConvolution(i.op)) return plan.OnTensorCores(i);
  return i.op == Opcode::kFilterGradient && plan.tensor_cores() &&
         WhyNoTensorGradient(i, program.shape(i.terms[1].value)) == nullptr;
}

// Whether a step's kernel has both channels of a pair at hand when it stores a result: those
// whose blocks have a channel each do not.
bool StoresPairs(const Program& program, const Plan& plan, const Step& step) {
  const Instruction& first =
      program.instructions()[step.convolution >= 0 ? step.convolution : step.instruction()];
  if (IsConvolution(first.op)) return IsProductOnTensorCores(program, plan, first);
  const bool flat = first.op == Opcode::kPointwise || first.op == Opcode::kMask;
  return flat && EndsInEpilogue(program, step) && step.sums.empty();
}

// Values that nothing but products of bfloat16 numbers reads: rounded when they are stored,
// not when they are loaded, they are the same factors. Whatever else reads a value is owed
// all of its bits, and outputs, joins and their parts are laid out as the world outside and
// the copying of channels know them.
void FindPairs(const Program& program, bool wanted, Plan* plan) {
  const Steps& steps = plan->steps;
  plan->pairs.assign(program.num_values(), false);
  if (!wanted || plan->arithmetic != Arithmetic::kBfloat16) return;
  for (const Step& step : steps.list) {
    if (!StoresPairs(program, *plan, step)) continue;
    for (const Link& link : step.links) {
      if (link.stored) plan->pairs[program.instructions()[link.instruction].result] = true;
    }
  }
  const auto exclude = [plan](ValueId value) { plan->pairs[value] = false; };
  for (ValueId output : program.outputs()) exclude(output);
  for (ValueId v = 0; v < program.num_values(); ++v) {
    if (steps.places[v].whole == v) continue;
    exclude(v);
    exclude(steps.places[v].whole);
  }
  for (const Step& step : steps.list) {
    for (const Reading& reading : steps.ReadingsOf(program, step)) {
      const Instruction& by = program.instructions()[reading.instruction];
      if (!IsProductOnTensorCores(program, *plan, by)) exclude(reading.value);
    }
  }
}

// Of wholes, from the first of their parts to the last use of any.
std::vector<Lifetime> FindLifetimes(const Program& program, const Plan& plan) {
  const Steps& steps = plan.steps;
  constexpr int kNever = std::numeric_limits<int>::max();
  std::vector<Lifetime> lifetimes;
  for (ValueId v = 0; v < program.num_values(); ++v) {
    lifetimes.push_back({v, plan.WordsOf(program, v), kNever, -1});
  }
  for (ValueId input : program.inputs()) lifetimes[input].first = -1;
  const auto use = [&](ValueId v, int step) {
    Lifetime& whole = lifetimes[steps.places[v].whole];
    whole.first = std::min(whole.first, step);
    whole.last = std::max(whole.last, step);
  };
  const int end = static_cast<int>(steps.list.size());
  for (int s = 0; s < end; ++s) {
    for (ValueId value : steps.ReadBy(program, steps.list[s])) use(value, s);
    for (const Link& link : steps.list[s].links) {
      const ValueId result = program.instructions()[link.instruction].result;
      if (result >= 0 && link.stored) use(result, s);  // written even if never read
    }
  }
  for (ValueId output : program.outputs()) use(output, end);
  return lifetimes;
}

// All lifetimes are known, so the largest values are placed first, each at the
// lowest place that none of those met in time covers.
void PlaceValues(const Program& program, Plan* plan) {
  std::vector<Lifetime> lifetimes = FindLifetimes(program, *plan);
  plan->offsets.assign(lifetimes.size(), -1);
  lifetimes.erase(std::remove_if(lifetimes.begin(), lifetimes.end(),
                                 [](const Lifetime& l) { return l.last < 0; }),
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
    if (plan->cudnn.Serves(program, i)) continue;  // as they are
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

int64_t PackedFilters::chunks() const { return padded_source / kTensorWords; }

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

int64_t Plan::WordsOf(const Program& program, ValueId value) const {
  const Shape& s = program.shape(value);
  if (!pairs[value]) return s.size();
  return PairPlanes(static_cast<uint32_t>(s.channels)) * s.height * s.width;
}

int64_t Plan::WordsMoved(const Program& program) const {
  int64_t words = 0;
  for (const Step& step : steps.list) {
    for (ValueId value : steps.ReadBy(program, step)) words += WordsOf(program, value);
    for (const Link& link : step.links) {
      const ValueId result = program.instructions()[link.instruction].result;
      if (result >= 0 && link.stored) words += WordsOf(program, result);
    }
  }
  return words;
}

Plan MakePlan(const Program& program, Arithmetic arithmetic, CudnnPlan cudnn, bool pairs) {
  Plan plan;
  plan.arithmetic = arithmetic;
  plan.cudnn = std::move(cudnn);
  plan.steps = MakeSteps(program);
  FindPairs(program, pairs, &plan);
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
