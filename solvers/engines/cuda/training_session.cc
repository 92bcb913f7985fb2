#include "solvers/engines/cuda/training_session.h"

#include <fmt/format.h>

#include <cstring>

#include "solvers/engines/cuda/staging.h"
#include "solvers/error.h"

namespace csc::cuda {

CudaTrainingSession::Slot::Slot(Backend* backend)
    : batch(backend), sent(backend->MakeEvent()), results(backend), done(backend->MakeEvent()) {}

CudaTrainingSession::CudaTrainingSession(DeviceProgram* program, const SgdOptions& options,
                                         const std::vector<SgdGroup>& groups, int64_t batch)
    : program_(*program),
      backend_(program->backend()),
      largest_batch_(batch),
      arriving_(backend_),
      taken_(backend_->MakeEvent()),
      slots_{Slot(backend_), Slot(backend_)} {
  const Plan& plan = program->plan();
  Require(program->program().inputs().size() == 1 && plan.has_loss && plan.has_gradients,
          "a program of {} inputs {} a loss and {} gradients cannot be trained: one input and both "
          "expected",
          program->program().inputs().size(), plan.has_loss ? "with" : "without",
          plan.has_gradients ? "with" : "without");
  program->PrepareSgd(options, groups);
  program->Bind(batch, Work::kStep);
  const int64_t bytes = ImageBytes(batch) + LabelBytes(batch);
  if (!arriving_.Grow(bytes)) {
    throw EngineDeclined(
        fmt::format("a batch of {} needs {} bytes of GPU memory to arrive: {} are free", batch,
                    bytes, backend_->FreeBytes()));
  }
  for (Slot& slot : slots_) {
    Require(slot.batch.Grow(bytes) && slot.results.Grow(LossResults::Bytes(batch)),
            "there is no pinned memory of {} bytes", bytes);
  }
}

int64_t CudaTrainingSession::ImageBytes(int64_t batch) const {
  return Padded(program_.BytesOf(program_.program().inputs()[0], batch));
}

int64_t CudaTrainingSession::LabelBytes(int64_t batch) {
  return BytesFor<int32_t>(batch) + BytesFor<float>(1);
}

void CudaTrainingSession::SetState(const float* parameters, const float* velocity) {
  program_.SetParameters(parameters);
  program_.SetVelocity(velocity);
}

void CudaTrainingSession::GetState(float* parameters, float* velocity) {
  program_.GetState(parameters, velocity);
}

void CudaTrainingSession::Queue(const StepArguments& arguments) {
  const int64_t batch = arguments.batch;
  const ValueId input = program_.program().inputs()[0];
  Require(queued_ - finished_ < kMostQueued, "{} steps are on their way: no more can be queued",
          kMostQueued);
  Require(batch <= largest_batch_, "a batch of {}: {} at most expected", batch, largest_batch_);
  Require(arguments.share == 1, "a share of {} of a step: the cuda engine takes whole ones",
          arguments.share);
  RunArguments run;
  run.batch = batch;
  run.inputs = {arguments.images};
  run.outputs.resize(program_.program().outputs().size());
  run.labels = arguments.labels;
  CheckRunArguments(program_.program(), run);
  const LaunchGraph& graph = program_.Bind(batch, Work::kStep);

  // Free: the step that used it last is finished.
  Slot& slot = slots_[queued_ % kMostQueued];
  slot.images = batch;
  char* const images = slot.batch.as<char>();
  char* const labels = images + ImageBytes(batch);
  const auto rate = static_cast<float>(arguments.rate);
  std::memcpy(images, arguments.images, program_.BytesOf(input, batch));
  std::memcpy(labels, arguments.labels, BytesFor<int32_t>(batch));
  std::memcpy(labels + BytesFor<int32_t>(batch), &rate, sizeof(rate));

  backend_->BeginAfterEvent(*taken_, cuda::Queue::kCopy);
  backend_->UploadPinned(arriving_.as<void>(), images, ImageBytes(batch) + LabelBytes(batch),
                         cuda::Queue::kCopy);
  backend_->Record(slot.sent.get(), cuda::Queue::kCopy);

  backend_->BeginAfterEvent(*slot.sent, cuda::Queue::kCompute);
  if (program_.plan().offsets[input] >= 0) {  // else nobody reads it
    backend_->Copy(program_.ValueAt(input, batch), arriving_.as<void>(),
                   program_.BytesOf(input, batch));
  }
  backend_->Copy(program_.labels(), arriving_.as<char>() + ImageBytes(batch), LabelBytes(batch));
  backend_->Record(taken_.get(), cuda::Queue::kCompute);
  backend_->Run(graph);
  backend_->Download(slot.results.as<void>(), program_.results(), LossResults::Bytes(batch));
  backend_->Record(slot.done.get(), cuda::Queue::kCompute);
  ++queued_;
}

StepResult CudaTrainingSession::Finish() {
  Require(finished_ < queued_, "no step is on its way");
  Slot& slot = slots_[finished_++ % kMostQueued];
  backend_->Await(*slot.done);
  const LossResults results(slot.results.as<void>(), slot.images);
  const LossTotals totals = TotalsOf(results, slot.images);
  return {totals.loss, totals.correct, *results.infinite == 0};
}

}  // namespace csc::cuda
