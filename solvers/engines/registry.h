// Engines by name. There is never a silent fallback: what is asked for by name
// runs, or an error says what is missing.

#ifndef CSC_SOLVERS_ENGINES_REGISTRY_H_
#define CSC_SOLVERS_ENGINES_REGISTRY_H_

#include <string>
#include <vector>

#include "solvers/engines/engine.h"

namespace csc {

// What is known of an engine, present or not.
struct EngineInfo {
  std::string name;
  bool present = false;
  std::string detail;  // version and instruction set, or what is missing
};

// All engines known, in the order of preference: "onednn", "cuda", "reference".
std::vector<EngineInfo> KnownEngines();

// The engine called `name`; when that is empty the one named by the
// environment variable CSC_ENGINE; when that is unset or empty too, the first
// present, which is "onednn" wherever it is built in: "cuda" must be asked for.
// Throws Error for an unknown name or an absent engine. The engine lives as
// long as the process.
const Engine& FindEngine(const std::string& name = "");

}  // namespace csc

#endif  // CSC_SOLVERS_ENGINES_REGISTRY_H_
