// The engine "cuda", whatever its back-end.

#ifndef CSC_SOLVERS_ENGINES_CUDA_CUDA_ENGINE_H_
#define CSC_SOLVERS_ENGINES_CUDA_CUDA_ENGINE_H_

#include <functional>
#include <memory>
#include <string>

#include "solvers/engines/cuda/backend.h"
#include "solvers/engines/cuda/bind.h"
#include "solvers/engines/engine.h"

namespace csc::cuda {

// `make_backend` is called once for each program that is prepared.
std::unique_ptr<Engine> MakeCudaEngine(std::function<std::unique_ptr<Backend>()> make_backend,
                                       const Tuning& tuning = {});

// What a library around the engine supplies: the engine on its device, or null
// with the reason. `detail` says which device.
std::unique_ptr<Engine> OpenEngine(std::string* detail);

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_CUDA_ENGINE_H_
