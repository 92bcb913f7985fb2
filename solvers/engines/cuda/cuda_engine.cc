#include "solvers/engines/cuda/cuda_engine.h"

#include <fmt/format.h>

#include <mutex>
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
  std::string algorithms() const override {
    const CudnnUse use = ChosenCudnnUse(tuning_.cudnn);
    std::string cudnn = Name(use);
    if (use != CudnnUse::kOff) {
      std::call_once(asked_, [this] { cudnn_ = CudnnVersion(); });
      cudnn += cudnn_;
    }
    return fmt::format("tiles {}, cudnn {}", kTensorTableVersion, cudnn);
  }

  std::unique_ptr<Executable> Prepare(const Program& program,
                                      const PrepareOptions& options) const override {
    RequireFastMemory(name_, options);
    // kFloat32 has no faster form than kDirect.
    Tuning tuning = tuning_;
    tuning.cudnn = ChosenCudnnUse(tuning.cudnn);
    return std::make_unique<CudaExecutable>(program, options.arithmetic, tuning, make_backend_());
  }

 private:
  // A handle takes long to make.
  std::string CudnnVersion() const {
    const std::unique_ptr<Backend> backend = make_backend_();
    std::string why_not;
    const Cudnn* const library = backend->OpenCudnn(&why_not);
    if (library == nullptr) return ", absent";
    return fmt::format(" {}, {}", kCudnnTableVersion, library->version());
  }

  const std::string name_ = "cuda";
  const std::function<std::unique_ptr<Backend>()> make_backend_;
  const Tuning tuning_;
  mutable std::once_flag asked_;
  mutable std::string cudnn_;
};

}  // namespace

std::unique_ptr<Engine> MakeCudaEngine(std::function<std::unique_ptr<Backend>()> make_backend,
                                       const Tuning& tuning) {
  return std::make_unique<CudaEngine>(std::move(make_backend), tuning);
}

}  // namespace csc::cuda
