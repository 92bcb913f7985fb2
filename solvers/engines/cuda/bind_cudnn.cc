// The launches of linear maps that cuDNN serves.

#include "solvers/engines/cuda/binder.h"

namespace csc::cuda {

namespace {

// Of cuDNN's workspace, in floats.
constexpr int64_t kAlignment = kScratchAlignment / static_cast<int64_t>(sizeof(float));

void SetOperand(const Result& at, CudnnTensor* tensor) {
  tensor->data = at.data;
  tensor->stride = static_cast<int32_t>(at.stride);
}

}  // namespace

CudnnConvolution Binder::CallOf(const Instruction& i) const {
  return CudnnCall(program_, i, plan_.arithmetic, *plan_.cudnn.Find(program_, i).algorithm, batch_);
}

Binder::CudnnScratch Binder::ScratchFor(const CudnnConvolution& call, int64_t sums) {
  const int64_t bytes = plan_.cudnn.library->WorkspaceBytes(call);
  Require(bytes >= 0,
          "cuDNN declines {} at a batch of {}, though not of one image: CSC_CUDNN=off avoids it",
          Name(call.op), batch_);
  const int64_t before = CeilDiv(sums, kAlignment) * kAlignment;
  float* const memory =
      Scratch<float>(before + CeilDiv(bytes, static_cast<int64_t>(sizeof(float))));
  return {memory, bytes > 0 ? memory + before : nullptr, static_cast<size_t>(bytes)};
}

void Binder::AddCudnnConvolution(const Instruction& i, ValueId result, const Epilogue& epilogue) {
  CudnnConvolution call = CallOf(i);
  const bool analysis = i.op == Opcode::kAnalysis;
  CudnnTensor* const to = analysis ? &call.code : &call.image;
  SetOperand(At(i.terms[0].value), analysis ? &call.image : &call.code);
  call.filters = ParameterAt(i.filters, 0);
  const Scalar scale = ScalarOf(i.terms[0].coefficient);
  // Nothing follows it. To be told without an address, as what is needed is counted without.
  const bool finished =
      i.terms[0].coefficient.parameter < 0 && result == i.result && epilogue.num_stages == 1;
  if (finished) {
    SetOperand(epilogue.stages[0].result, to);
    call.scale = scale.constant;
  }
  const CudnnScratch scratch = ScratchFor(call, finished ? 0 : Elements(result));
  call.workspace = scratch.workspace;
  call.workspace_bytes = scratch.workspace_bytes;
  if (!finished) to->data = scratch.sums;
  Add(call, 1);
  if (finished) return;
  // Its epilogues are not ours: the sums go through memory, to a kernel that finishes them.
  const AddPartsKernel kernel = {ElementwiseOf(result, epilogue), scratch.sums, 1,
                                 static_cast<uint32_t>(Elements(result)), scale};
  Add(kernel, Elementwise::Indices(kernel.size));
}

float* Binder::AddCudnnGradient(const Instruction& i, int64_t entries) {
  CudnnConvolution call = CallOf(i);
  SetOperand(At(i.terms[0].value), &call.image);
  SetOperand(At(i.terms[1].value), &call.code);
  call.gradient = Together(entries);
  const CudnnScratch scratch = ScratchFor(call, 0);
  call.workspace = scratch.workspace;
  call.workspace_bytes = scratch.workspace_bytes;
  Add(call, 1);
  return call.gradient;
}

}  // namespace csc::cuda
