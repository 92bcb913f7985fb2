#include "solvers/engines/registry.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdlib>
#include <memory>

#include "solvers/engines/cuda/loader.h"
#include "solvers/engines/onednn/onednn_engine.h"
#include "solvers/engines/reference/reference_engine.h"
#include "solvers/error.h"

namespace csc {

namespace {

struct State {
  const Engine* engine;  // null where absent
  std::string detail;
};

// Each is opened once, by the first who asks for it or for a list of all: whoever
// names another engine does not wait for a GPU to wake up.
State OpenCuda() {
  const cuda::LoadedEngine& loaded = cuda::LoadCudaEngine();
  return {loaded.engine, loaded.detail};
}

State OpenOneDnn() {
  static const Engine* const engine = MakeOneDnnEngine().release();
  return {engine, OneDnnVersion()};
}

State OpenReference() {
  static const Engine* const engine = MakeReferenceEngine().release();
  return {engine, "plain loops, the definition of correct"};
}

struct Entry {
  const char* name;
  State (*open)();
};

constexpr Entry kEntries[] = {
    // The first present is the default; the CUDA engine may go to the top once its
    // tests have passed on a GPU (tests/run_gpu.sh).
    {"onednn", OpenOneDnn},
    {"cuda", OpenCuda},
    {"reference", OpenReference},
};

}  // namespace

std::vector<EngineInfo> KnownEngines() {
  std::vector<EngineInfo> infos;
  for (const Entry& entry : kEntries) {
    const State state = entry.open();
    infos.push_back({entry.name, state.engine != nullptr, state.detail});
  }
  return infos;
}

const Engine& FindEngine(const std::string& name) {
  std::string wanted = name;
  if (wanted.empty()) {
    const char* from_environment = std::getenv("CSC_ENGINE");
    if (from_environment != nullptr) wanted = from_environment;
  }
  std::vector<std::string> names;
  for (const Entry& entry : kEntries) {
    names.push_back(entry.name);
    if (!wanted.empty() && wanted != entry.name) continue;
    const State state = entry.open();
    if (state.engine != nullptr) return *state.engine;
    Require(wanted.empty(), "engine \"{}\" is absent: {}", wanted, state.detail);
  }
  Fail("engine \"{}\" is unknown: one of {} expected", wanted, fmt::join(names, ", "));
}

}  // namespace csc
