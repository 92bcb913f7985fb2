#include "solvers/engines/cuda/plan.h"

#include <algorithm>
#include <limits>
#include <utility>

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

// Of wholes, from the first of their parts to the last use of any.
std::vector<Lifetime> FindLifetimes(const Program& program, const Steps& steps) {
  constexpr int kNever = std::numeric_limits<int>::max();
  std::vector<Lifetime> lifetimes;
  for (ValueId v = 0; v < program.num_values(); ++v) {
    lifetimes.push_back({v, program.shape(v).size(), kNever, -1});
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
  std::vector<Lifetime> lifetimes = FindLifetimes(program, plan->steps);
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

int64_t Plan::FloatsMoved(const Program& program) const {
  int64_t floats = 0;
  for (const Step& step : steps.list) {
    for (ValueId value : steps.ReadBy(program, step)) floats += program.shape(value).size();
    for (const Link& link : step.links) {
      const ValueId result = program.instructions()[link.instruction].result;
      if (result >= 0 && link.stored) floats += program.shape(result).size();
    }
  }
  return floats;
}

Plan MakePlan(const Program& program, Arithmetic arithmetic, CudnnPlan cudnn) {
  Plan plan;
  plan.arithmetic = arithmetic;
  plan.cudnn = std::move(cudnn);
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
