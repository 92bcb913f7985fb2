#include "solvers/engines/registry.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdlib>
#include <memory>

#include "solvers/engines/onednn/onednn_engine.h"
#include "solvers/engines/reference/reference_engine.h"
#include "solvers/error.h"

namespace csc {

namespace {

struct Entry {
  EngineInfo info;
  std::unique_ptr<Engine> engine;  // null where absent
};

std::vector<Entry> MakeEntries() {
  std::vector<Entry> entries;  // best first
  entries.push_back({{"cuda", false, "this build has no CUDA engine"}, nullptr});
  entries.push_back({{"onednn", true, OneDnnVersion()}, MakeOneDnnEngine()});
  entries.push_back(
      {{"reference", true, "plain loops, the definition of correct"}, MakeReferenceEngine()});
  return entries;
}

const std::vector<Entry>& Entries() {
  static const auto* entries = new std::vector<Entry>(MakeEntries());
  return *entries;
}

}  // namespace

std::vector<EngineInfo> KnownEngines() {
  std::vector<EngineInfo> infos;
  for (const Entry& entry : Entries()) infos.push_back(entry.info);
  return infos;
}

const Engine& FindEngine(const std::string& name) {
  std::string wanted = name;
  if (wanted.empty()) {
    const char* from_environment = std::getenv("CSC_ENGINE");
    if (from_environment != nullptr) wanted = from_environment;
  }
  std::vector<std::string> names;
  for (const Entry& entry : Entries()) {
    names.push_back(entry.info.name);
    if (wanted.empty() && entry.engine) return *entry.engine;
    if (wanted != entry.info.name) continue;
    Require(entry.engine != nullptr, "engine \"{}\" is absent: {}", wanted, entry.info.detail);
    return *entry.engine;
  }
  Fail("engine \"{}\" is unknown: one of {} expected", wanted, fmt::join(names, ", "));
}

}  // namespace csc
