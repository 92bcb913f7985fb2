#include "solvers/engines/cuda/cuda_engine.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "solvers/engines/cuda/executable.h"
#include "solvers/engines/cuda/tensor_tiles.h"

namespace csc::cuda {

namespace {

class CudaEngine : public Engine {
 public:
  CudaEngine(std::function<std::unique_ptr<Backend>()> make_backend, const Tuning& tuning)
      : make_backend_(std::move(make_backend)), tuning_(tuning) {}

  const std::string& name() const override { return name_; }
  std::string algorithms() const override { return fmt::format("tiles {}", kTensorTableVersion); }

  std::unique_ptr<Executable> Prepare(const Program& program,
                                      const PrepareOptions& options) const override {
    RequireFastMemory(name_, options);
    // kFloat32 has no faster form than kDirect.
    return std::make_unique<CudaExecutable>(program, options.arithmetic, tuning_, make_backend_());
  }

 private:
  const std::string name_ = "cuda";
  const std::function<std::unique_ptr<Backend>()> make_backend_;
  const Tuning tuning_;
};

}  // namespace

std::unique_ptr<Engine> MakeCudaEngine(std::function<std::unique_ptr<Backend>()> make_backend,
                                       const Tuning& tuning) {
  return std::make_unique<CudaEngine>(std::move(make_backend), tuning);
}

}  // namespace csc::cuda
