#include "solvers/engines/onednn/batch_gradients.h"

#include "solvers/engines/onednn/tile_set.h"

namespace csc::onednn {

BatchGradients::BatchGradients(const Program& program, const Plan& plan)
    : stages_(plan.stages.size()), parts_(plan.stages.size()) {
  std::map<int, std::vector<Sum*>> sums;  // by parameter, in order
  for (size_t stage = 0; stage < plan.stages.size(); ++stage) {
    for (int k : plan.stages[stage].gradients) {
      const Instruction& i = plan.instructions[k];
      Sum& sum = stages_[stage][i.filters];
      if (sum.terms.empty()) sums[i.filters].push_back(&sum);
      sum.terms.push_back({k, std::make_unique<DirectGradient>(ShapeOf(plan, i, 1))});
    }
    for (const auto& [parameter, sum] : stages_[stage]) {
      for (int64_t part = 0; part < sum.terms[0].second->num_parts(); ++part) {
        parts_[stage].push_back({&sum, part});
      }
    }
  }
  for (const auto& [parameter, stages] : sums) {
    for (Sum* sum : stages) {
      sum->offset = sums_floats_;
      sum->parameter_offset = program.parameters()[parameter].offset;
    }
    stages.front()->is_first = true;
    stages.back()->is_last = true;
    sums_floats_ += stages[0]->terms[0].second->gradient_floats();
  }
}

void BatchGradients::Run(size_t stage, int64_t part, const ValuesOf& values_of, int64_t images,
                         float* gradients) {
  const auto& [sum, index] = parts_[stage][part];
  float* sums = sums_.data() + sum->offset;
  const DirectGradient& first = *sum->terms[0].second;
  if (sum->is_first) first.ClearPart(index, sums);
  for (const auto& [instruction, gradient] : sum->terms) {
    const Values values = values_of(instruction);
    gradient->AccumulatePart(index, values.image, values.code, images, values.scale, sums);
  }
  if (sum->is_last) first.AddPart(index, sums, gradients + sum->parameter_offset);
}

}  // namespace csc::onednn
