// A program prepared for the CUDA engine, on any back-end.

#ifndef CSC_SOLVERS_ENGINES_CUDA_EXECUTABLE_H_
#define CSC_SOLVERS_ENGINES_CUDA_EXECUTABLE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "solvers/engines/cuda/backend.h"
#include "solvers/engines/cuda/device_program.h"
#include "solvers/engines/cuda/device_run.h"
#include "solvers/engines/cuda/staging.h"
#include "solvers/engines/engine.h"
#include "solvers/engines/training_session.h"

namespace csc::cuda {

class CudaExecutable : public Executable, public DeviceExecutable, public TrainingExecutable {
 public:
  CudaExecutable(const Program& program, Arithmetic arithmetic, const Tuning& tuning,
                 std::unique_ptr<Backend> backend);

  void SetParameters(const float* parameters) override { device_.SetParameters(parameters); }
  // The number of workers does not matter here.
  void Reserve(int64_t batch, int workers) override;
  void Run(const RunArguments& arguments) override;
  void RunOnDevice(int64_t batch, const std::vector<const float*>& inputs,
                   const std::vector<float*>& outputs, void* stream) override;
  void RunOnImages(const DeviceImages& images, const DeviceRows& output, void* stream) override;
  std::unique_ptr<TrainingSession> BeginTraining(const SgdOptions& options,
                                                 const std::vector<SgdGroup>& groups,
                                                 int64_t batch) override;
  int64_t WorkspaceBytes() const override;
  std::string Describe() const override;

 private:
  std::string DescribeConvolution(const Instruction& i, ValueId result) const;
  std::string DescribeGradient(const Instruction& i) const;
  std::string NotReduced(const char* why) const;
  std::string DescribeCudnn(const Instruction& i) const;
  std::string NotByCudnn(const Instruction& i) const;

  // By way of pinned memory, which the device reads and writes by itself: one copy
  // of each array each way, shared by the executor's workers. On the way there it is made
  // in pieces, which travel while the next are copied.
  void Upload(const RunArguments& arguments);
  // Waits for the device.
  LossTotals Download(const RunArguments& arguments);
  // An array that has been asked of the device, and where it goes from there.
  struct Arrival {
    char* host;
    const char* pinned;
    int64_t bytes;
  };

  DeviceProgram device_;
  const Program& program_;  // these three of device_
  const Plan& plan_;
  Backend* const backend_;

  DeviceBuffer converted_;  // pictures as NCHW
  DeviceBuffer rows_;       // an output before it is spread over rows with gaps

  PinnedBuffer to_device_;
  PinnedBuffer to_host_;
  int64_t staged_batch_ = 0;  // what these two hold
  std::vector<Arrival> arrivals_;
};

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_EXECUTABLE_H_
