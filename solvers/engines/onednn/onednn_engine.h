// The engine "onednn": the CPU product. Convolutions by oneDNN, everything
// between them by own SIMD kernels, parallel over tiles of images.

#ifndef CSC_SOLVERS_ENGINES_ONEDNN_ONEDNN_ENGINE_H_
#define CSC_SOLVERS_ENGINES_ONEDNN_ONEDNN_ENGINE_H_

#include <memory>
#include <string>

#include "solvers/engines/engine.h"

namespace csc {

std::unique_ptr<Engine> MakeOneDnnEngine();

// "oneDNN 2.6.3, AVX-512 ...": version and instruction sets in use.
std::string OneDnnVersion();

}  // namespace csc

#endif  // CSC_SOLVERS_ENGINES_ONEDNN_ONEDNN_ENGINE_H_
