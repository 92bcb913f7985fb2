// Stands in for the engine where a program is built without oneDNN, by
// training/build_bare.sh.

#include "solvers/engines/onednn/onednn_engine.h"

namespace csc {

std::unique_ptr<Engine> MakeOneDnnEngine() { return nullptr; }

std::string OneDnnVersion() { return "this program was built without oneDNN"; }

}  // namespace csc
