// The engine "reference": never fast, never absent.

#ifndef CSC_SOLVERS_ENGINES_REFERENCE_REFERENCE_ENGINE_H_
#define CSC_SOLVERS_ENGINES_REFERENCE_REFERENCE_ENGINE_H_

#include <memory>

#include "solvers/engines/engine.h"

namespace csc {

std::unique_ptr<Engine> MakeReferenceEngine();

}  // namespace csc

#endif  // CSC_SOLVERS_ENGINES_REFERENCE_REFERENCE_ENGINE_H_
