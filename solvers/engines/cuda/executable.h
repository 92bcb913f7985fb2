// A program prepared for the CUDA engine, on any back-end.

#ifndef CSC_SOLVERS_ENGINES_CUDA_EXECUTABLE_H_
#define CSC_SOLVERS_ENGINES_CUDA_EXECUTABLE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "solvers/engines/cuda/backend.h"
#include "solvers/engines/cuda/bind.h"
#include "solvers/engines/cuda/device_run.h"
#include "solvers/engines/cuda/plan.h"
#include "solvers/engines/engine.h"

namespace csc::cuda {

// Parameters stay on the device between runs. A run is a list of launches that
// depends on the batch alone: it is made into a graph once for a batch size and
// repeated. Kernels read and write buffers of our own, never the caller's.
class CudaExecutable : public Executable, public DeviceExecutable {
 public:
  CudaExecutable(const Program& program, Arithmetic arithmetic, const Tuning& tuning,
                 std::unique_ptr<Backend> backend);

  void SetParameters(const float* parameters) override;
  // The number of workers does not matter here.
  void Reserve(int64_t batch, int workers) override;
  void Run(const RunArguments& arguments) override;
  void RunOnDevice(int64_t batch, const std::vector<const float*>& inputs,
                   const std::vector<float*>& outputs, void* stream) override;
  void RunOnImages(const DeviceImages& images, const DeviceRows& output, void* stream) override;
  int64_t WorkspaceBytes() const override;
  std::string Describe() const override;

 private:
  // Where a value begins when the batch is this large.
  float* ValueAt(ValueId value, int64_t batch) const {
    return values_.as<float>() + plan_.offsets[value] * batch;
  }
  int64_t BytesOf(ValueId value, int64_t batch) const {
    return batch * program_.shape(value).size() * static_cast<int64_t>(sizeof(float));
  }
  // What a batch needs of the buffers whose size depends on it.
  struct Need {
    DeviceBuffer* buffer;
    int64_t bytes;
  };
  std::vector<Need> NeedsOf(int64_t batch);
  Addresses AddressesNow() const;
  void GrowFor(int64_t batch);
  [[noreturn]] void FailForMemory(int64_t batch);

  struct BoundBatch {
    int64_t batch;
    std::unique_ptr<LaunchGraph> graph;
  };
  // Null for a batch that has not been reserved.
  const LaunchGraph* GraphOf(int64_t batch) const;

  std::string DescribeConvolution(const Instruction& i, ValueId result) const;
  std::string DescribeGradient(const Instruction& i) const;
  std::string NotReduced(const char* why) const;

  // Grows what is on the device and makes the graph.
  void Bind(int64_t batch);

  // By way of pinned memory, which the device reads and writes by itself: one copy
  // of each array each way.
  void Upload(const RunArguments& arguments);
  struct Totals {
    double loss = 0;
    int64_t correct = 0;
  };
  // Waits for the device, and adds the losses up in order.
  Totals Download(const RunArguments& arguments);
  // An array that has been asked of the device, and where it goes from there.
  struct Arrival {
    void* host;
    const void* pinned;
    int64_t bytes;
  };

  const Program program_;
  const Plan plan_;
  Tuning tuning_;
  const std::unique_ptr<Backend> backend_;  // outlives the buffers below

  DeviceBuffer parameters_;
  DeviceBuffer filters_;
  DeviceBuffer values_;
  DeviceBuffer statistics_;
  DeviceBuffer sums_;
  DeviceBuffer gradients_;
  DeviceBuffer scratch_;
  DeviceBuffer labels_;
  DeviceBuffer loss_;
  DeviceBuffer correct_;
  DeviceBuffer converted_;  // pictures as NCHW
  DeviceBuffer rows_;       // an output before it is spread over rows with gaps

  PinnedBuffer to_device_;
  PinnedBuffer to_host_;
  int64_t staged_batch_ = 0;  // what these two hold
  std::vector<Arrival> arrivals_;

  std::unique_ptr<LaunchGraph> pack_;  // null without filters
  std::vector<BoundBatch> bound_;      // the latest last
  BoundRun launches_;                  // of the latest
  int64_t statistic_floats_ = 0;
};

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_EXECUTABLE_H_
