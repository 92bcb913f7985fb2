#include "solvers/engines/cuda/cudnn.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <utility>

#include "solvers/engines/cuda/tensor_tiles.h"
#include "solvers/error.h"

namespace csc::cuda {

namespace {

constexpr const char* kUses[] = {"auto", "off", "all"};

bool IsLinear(Opcode op) { return IsConvolution(op) || op == Opcode::kFilterGradient; }

struct Shapes {
  const Shape& image;
  const Shape& code;
};
Shapes ShapesOf(const Program& program, const Instruction& i) {
  const Shape& first = program.shape(i.terms[0].value);
  if (i.op == Opcode::kFilterGradient) return {first, program.shape(i.terms[1].value)};
  const Shape& result = program.shape(i.result);
  if (i.op == Opcode::kAnalysis) return {first, result};
  return {result, first};
}

// Null for what cuDNN can be asked at all.
const char* WhyItCannot(const Shapes& shapes, const Geometry& g) {
  for (int axis = 0; axis < 2; ++axis) {
    Geometry symmetrical = g;
    symmetrical.pads[axis + 2] = g.pads[axis];
    const int64_t image = axis == 0 ? shapes.image.height : shapes.image.width;
    const int64_t code = axis == 0 ? shapes.code.height : shapes.code.width;
    if (symmetrical.OutputSize(axis, image) != code) return "pads that differ on two sides";
  }
  return nullptr;
}

// Null for what the table does not give to cuDNN; else why it does.
const char* WhyWanted(const Instruction& i, const Shapes& shapes, double factor) {
  const char* const why_not_ours = i.op == Opcode::kFilterGradient
                                       ? WhyNoTensorGradient(i, shapes.code)
                                       : WhyNotOnTensorCores(i);
  const auto& [kernel, strides, dilations, pads] = i.geometry;
  const auto products =
      static_cast<double>(shapes.code.size() * shapes.image.channels * kernel[0] * kernel[1]);
  const bool dilated = dilations != decltype(dilations){1, 1};
  const int64_t channels = std::min(shapes.image.channels, shapes.code.channels);
  for (const CudnnRule& rule : kCudnnTable) {
    if (rule.op != i.op || (dilated && !rule.dilated)) continue;
    if (products < factor * static_cast<double>(rule.products)) continue;
    if (rule.channels == 0 && why_not_ours != nullptr) return why_not_ours;
    if (rule.channels > 0 && channels >= rule.channels) return "very wide";
  }
  return nullptr;
}

CudnnTensor Packed(const Shape& shape) {
  return {nullptr,
          static_cast<int32_t>(shape.channels),
          {static_cast<int32_t>(shape.height), static_cast<int32_t>(shape.width)},
          static_cast<int32_t>(shape.size())};
}

// The first algorithm that cuDNN accepts for one image, as it does for any number of them.
const CudnnAlgorithm* FirstAccepted(const Program& program, const Instruction& i,
                                    Arithmetic arithmetic, Cudnn* library) {
  for (const CudnnAlgorithm& algorithm : kCudnnAlgorithms) {
    if (algorithm.op != i.op) continue;
    if (library->WorkspaceBytes(CudnnCall(program, i, arithmetic, algorithm, 1)) >= 0) {
      return &algorithm;
    }
  }
  return nullptr;
}

}  // namespace

const char* Name(CudnnUse use) { return kUses[static_cast<int>(use)]; }

CudnnUse ChosenCudnnUse(CudnnUse otherwise) {
  const char* value = std::getenv("CSC_CUDNN");
  if (value == nullptr || value[0] == '\0') return otherwise;
  for (size_t k = 0; k < std::size(kUses); ++k) {
    if (value == std::string(kUses[k])) return static_cast<CudnnUse>(k);
  }
  Fail("CSC_CUDNN is \"{}\": one of {} expected", value, fmt::join(kUses, ", "));
}

const CudnnPlan::Choice& CudnnPlan::Find(const Program& program,
                                         const Instruction& instruction) const {
  static const Choice kNone;
  return choices.empty() ? kNone : choices[&instruction - program.instructions().data()];
}

CudnnConvolution CudnnCall(const Program& program, const Instruction& i, Arithmetic arithmetic,
                           const CudnnAlgorithm& algorithm, int64_t batch) {
  const Shapes shapes = ShapesOf(program, i);
  CudnnConvolution call;
  call.op = i.op;
  call.algorithm = algorithm.algorithm;
  // For bfloat16, too: TF32 rounds less.
  call.tf32 = arithmetic == Arithmetic::kTf32 || arithmetic == Arithmetic::kBfloat16;
  call.batch = static_cast<int32_t>(batch);
  call.image = Packed(shapes.image);
  call.code = Packed(shapes.code);
  for (int axis = 0; axis < 2; ++axis) {
    call.kernel[axis] = static_cast<int32_t>(i.geometry.kernel[axis]);
    call.strides[axis] = static_cast<int32_t>(i.geometry.strides[axis]);
    call.dilations[axis] = static_cast<int32_t>(i.geometry.dilations[axis]);
    call.pads[axis] = static_cast<int32_t>(i.geometry.pads[axis]);
  }
  return call;
}

CudnnPlan PlanCudnn(const Program& program, Arithmetic arithmetic, CudnnUse use, double factor,
                    const std::function<Cudnn*(std::string*)>& open) {
  CudnnPlan plan;
  if (use == CudnnUse::kOff) {
    plan.summary = "cuDNN off";
    return plan;
  }
  const auto& instructions = program.instructions();
  std::vector<CudnnPlan::Choice> choices(instructions.size());
  int wanted = 0, served = 0;
  for (size_t k = 0; k < instructions.size(); ++k) {
    const Instruction& i = instructions[k];
    if (!IsLinear(i.op)) continue;
    choices[k].reason =
        use == CudnnUse::kAll ? "CSC_CUDNN=all" : WhyWanted(i, ShapesOf(program, i), factor);
    wanted += choices[k].reason != nullptr ? 1 : 0;
  }
  if (wanted == 0 && use == CudnnUse::kAuto) return plan;
  std::string why_none;
  plan.library = open(&why_none);
  if (plan.library == nullptr && use == CudnnUse::kAll) {
    throw EngineDeclined("CSC_CUDNN=all, but there is no cuDNN: " + why_none);
  }
  for (size_t k = 0; k < instructions.size(); ++k) {
    if (choices[k].reason == nullptr) continue;
    const Instruction& i = instructions[k];
    if (plan.library == nullptr) {
      choices[k].reason = "there is none";
    } else if (const char* why = WhyItCannot(ShapesOf(program, i), i.geometry)) {
      choices[k].reason = why;
    } else {
      choices[k].algorithm = FirstAccepted(program, i, arithmetic, plan.library);
      if (choices[k].algorithm == nullptr) choices[k].reason = "it declines";
    }
    served += choices[k].algorithm != nullptr ? 1 : 0;
  }
  plan.choices = std::move(choices);
  const std::string asked =
      use == CudnnUse::kAll
          ? fmt::format("all {} linear maps", wanted)
          : fmt::format("the {} linear maps that table {} gives it", wanted, kCudnnTableVersion);
  plan.summary =
      plan.library == nullptr
          ? fmt::format("no cuDNN for {}, which own kernels compute ({})", asked, why_none)
          : fmt::format("cuDNN {} serves {} of {}", plan.library->version(), served, asked);
  return plan;
}

}  // namespace csc::cuda
