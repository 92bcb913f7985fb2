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
  const int64_t bytes = LayoutOf(batch).bytes;
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

CudaTrainingSession::Layout CudaTrainingSession::LayoutOf(int64_t batch) const {
  Layout layout;
  layout.crops = Padded(batch * image().size());
  layout.labels = layout.crops + Padded(BytesFor<Crop>(batch));
  layout.bytes = layout.labels + BytesFor<int32_t>(batch) + BytesFor<float>(1);
  return layout;
}

void CudaTrainingSession::Fill(const StepArguments& arguments, char* memory) const {
  const Layout at = LayoutOf(arguments.batch);
  const int64_t size = image().size();
  auto* const crops = reinterpret_cast<Crop*>(memory + at.crops);
  for (int64_t n = 0; n < arguments.batch; ++n) {
    std::memcpy(memory + n * size, arguments.images[n].pixels, size);
    crops[n] = arguments.images[n].crop;
  }
  auto* const labels = reinterpret_cast<int32_t*>(memory + at.labels);
  std::memcpy(labels, arguments.labels, BytesFor<int32_t>(arguments.batch));
  const auto rate = static_cast<float>(arguments.rate);
  std::memcpy(labels + arguments.batch, &rate, sizeof(rate));
}

void CudaTrainingSession::Take(const StepArguments& arguments) {
  const Layout at = LayoutOf(arguments.batch);
  const char* const memory = arriving_.as<char>();
  if (program_.plan().offsets[input()] >= 0) {  // else nobody reads it
    CropsKernel kernel;
    kernel.pixels = reinterpret_cast<const uint8_t*>(memory);
    kernel.crops = reinterpret_cast<const Crop*>(memory + at.crops);
    kernel.white = arguments.white;
    kernel.width = Divisor(image().width);
    kernel.height = Divisor(image().height);
    kernel.channels = Divisor(image().channels);
    kernel.result = program_.ValueAt(input(), arguments.batch);
    backend_->Convert(kernel, static_cast<uint32_t>(arguments.batch * image().size()));
  }
  backend_->Copy(program_.labels(), memory + at.labels, at.bytes - at.labels);
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
  Require(queued_ - finished_ < kMostQueued, "{} steps are on their way: no more can be queued",
          kMostQueued);
  Require(batch <= largest_batch_, "a batch of {}: {} at most expected", batch, largest_batch_);
  Require(arguments.share == 1, "a share of {} of a step: the cuda engine takes whole ones",
          arguments.share);
  Require(arguments.images != nullptr, "a step without images");
  CheckLabels(program_.program(), arguments.labels, batch);
  const LaunchGraph& graph = program_.Bind(batch, Work::kStep);

  // Free: the step that used it last is finished.
  Slot& slot = slots_[queued_ % kMostQueued];
  slot.images = batch;
  Fill(arguments, slot.batch.as<char>());

  backend_->BeginAfterEvent(*taken_, cuda::Queue::kCopy);
  backend_->UploadPinned(arriving_.as<void>(), slot.batch.as<void>(), LayoutOf(batch).bytes,
                         cuda::Queue::kCopy);
  backend_->Record(slot.sent.get(), cuda::Queue::kCopy);

  backend_->BeginAfterEvent(*slot.sent, cuda::Queue::kCompute);
  Take(arguments);
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
