// A program on the device: its parameters, the memory that its values take for a
// batch, and its launches as graphs, on any back-end.

#ifndef CSC_SOLVERS_ENGINES_CUDA_DEVICE_PROGRAM_H_
#define CSC_SOLVERS_ENGINES_CUDA_DEVICE_PROGRAM_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "solvers/engines/cuda/backend.h"
#include "solvers/engines/cuda/bind.h"
#include "solvers/engines/cuda/plan.h"
#include "solvers/engines/engine.h"
#include "solvers/engines/sgd.h"

namespace csc::cuda {

// What one replay of a graph does: compute and leave the parameters alone, or train
// them by one step.
enum class Work { kRun, kStep };

// Parameters stay on the device between runs. A run is a list of launches that
// depends on the batch alone: it is made into a graph once for a batch size and
// repeated. Kernels read and write these buffers, never a caller's.
class DeviceProgram {
 public:
  DeviceProgram(const Program& program, Arithmetic arithmetic, const Tuning& tuning,
                std::unique_ptr<Backend> backend);

  void SetParameters(const float* parameters);
  // Makes room for the optimiser's state, which is of velocity 0, and for graphs of
  // kStep. The groups cover the parameters.
  void PrepareSgd(const SgdOptions& options, const std::vector<SgdGroup>& groups);
  // [parameter_size], to and from the host. Get waits for all that is queued.
  void SetVelocity(const float* velocity);
  void GetState(float* parameters, float* velocity);

  // The graph for this batch, made where it is not there yet: then memory may grow.
  const LaunchGraph& Bind(int64_t batch, Work work);

  // ---- where things are, for a batch that is bound ----

  float* ValueAt(ValueId value, int64_t batch) const {
    return values_.as<float>() + plan_.offsets[value] * batch;
  }
  int64_t BytesOf(ValueId value, int64_t batch) const {
    return batch * program_.shape(value).size() * static_cast<int64_t>(sizeof(float));
  }
  // [batch] labels, after which the learning rate of a step follows as a float.
  int32_t* labels() const { return labels_.as<int32_t>(); }
  float* statistics() const { return statistics_.as<float>(); }
  float* gradients() const { return gradients_.as<float>(); }
  void* results() const { return results_.as<void>(); }  // LossResults

  const Program& program() const { return program_; }
  const Plan& plan() const { return plan_; }
  const Tuning& tuning() const { return tuning_; }
  Backend* backend() const { return backend_.get(); }
  int64_t statistic_floats() const { return statistic_floats_; }

  // ---- for people ----

  int64_t Bytes() const;
  int64_t ParameterBytes() const;  // of them: parameters and what belongs to them
  int64_t ValueBytes() const { return values_.bytes(); }
  int64_t LatestBatch() const { return bound_.empty() ? 0 : bound_.back().batch; }
  size_t LatestLaunches() const { return launches_.launches.size(); }

 private:
  // What a batch needs of the buffers whose size depends on it.
  struct Need {
    DeviceBuffer* buffer;
    int64_t bytes;
  };
  std::vector<Need> NeedsOf(int64_t batch);
  Addresses AddressesOf(int64_t batch) const;
  void Hold(DeviceBuffer* buffer, int64_t bytes);
  void GrowFor(int64_t batch);
  [[noreturn]] void FailForMemory(int64_t batch);
  const SgdOptions* StepOf(Work work) const;

  struct BoundBatch {
    int64_t batch;
    Work work;
    std::unique_ptr<LaunchGraph> graph;
  };

  const Program program_;
  const std::unique_ptr<Backend> backend_;  // outlives the buffers below
  Tuning tuning_;
  const Plan plan_;

  DeviceBuffer parameters_;
  DeviceBuffer filters_;
  DeviceBuffer values_;
  DeviceBuffer statistics_;
  DeviceBuffer sums_;
  DeviceBuffer gradients_;
  DeviceBuffer scratch_;
  DeviceBuffer labels_;
  DeviceBuffer results_;

  std::optional<SgdOptions> sgd_;
  DeviceBuffer velocity_;
  DeviceBuffer rules_;
  PinnedBuffer state_;  // on its way to the host

  std::unique_ptr<LaunchGraph> pack_;  // null without filters
  std::vector<BoundBatch> bound_;      // the latest last
  BoundRun launches_;                  // of the latest
  int64_t statistic_floats_ = 0;
};

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_DEVICE_PROGRAM_H_
