// Training steps on the device: one graph each, from images to parameters.

#ifndef CSC_SOLVERS_ENGINES_CUDA_TRAINING_SESSION_H_
#define CSC_SOLVERS_ENGINES_CUDA_TRAINING_SESSION_H_

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "solvers/engines/cuda/backend.h"
#include "solvers/engines/cuda/device_program.h"
#include "solvers/engines/training_session.h"

namespace csc::cuda {

// A batch travels as bytes on the copy queue, from one of two pinned buffers to one
// place on the device, while the step before is computed. Its step begins by taking it
// from there to where kernels read it, images as floats, which frees that place for the
// batch after:
//
//   copies    batch 1   batch 2              batch 3
//   compute             take 1, step 1 ...   take 2, step 2 ...
//
// Losses come back in two pinned buffers likewise, without a wait before Finish.
class CudaTrainingSession : public TrainingSession {
 public:
  // `program` must outlive it.
  CudaTrainingSession(DeviceProgram* program, const SgdOptions& options,
                      const std::vector<SgdGroup>& groups, int64_t batch);

  void SetState(const float* parameters, const float* velocity) override;
  void GetState(float* parameters, float* velocity) override;
  void Queue(const StepArguments& arguments) override;
  StepResult Finish() override;

 private:
  struct Slot {
    explicit Slot(Backend* backend);

    PinnedBuffer batch;
    std::unique_ptr<Event> sent;  // it is on the device
    PinnedBuffer results;
    std::unique_ptr<Event> done;  // they are here
    int64_t images = 0;
  };

  // Where things lie in a batch that travels: the images' pixels, and behind them
  struct Layout {
    int64_t crops;
    int64_t labels;  // and, after them, the learning rate
    int64_t bytes;   // of all
  };
  Layout LayoutOf(int64_t batch) const;
  void Fill(const StepArguments& arguments, char* memory) const;
  // From where the batch has arrived to where the step reads it.
  void Take(const StepArguments& arguments);
  ValueId input() const { return program_.program().inputs()[0]; }
  const Shape& image() const { return program_.program().shape(input()); }

  DeviceProgram& program_;
  Backend* const backend_;
  const int64_t largest_batch_;
  DeviceBuffer arriving_;
  std::unique_ptr<Event> taken_;  // what arrived may be overwritten
  std::array<Slot, kMostQueued> slots_;
  int64_t queued_ = 0;  // steps, since the session began
  int64_t finished_ = 0;
};

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_TRAINING_SESSION_H_
