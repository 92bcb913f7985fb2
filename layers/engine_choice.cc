#include "layers/engine_choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <sstream>
#include <utility>

#include "solvers/engines/registry.h"
#include "solvers/error.h"

namespace csc {

namespace {

struct State {
  std::mutex mutex;  // guards everything but version
  std::string engine;
  std::vector<std::weak_ptr<PreparedLayer>> prepared;
  std::atomic<int64_t> version{0};
};

// Never destroyed: networks that are static variables outlive it otherwise.
State& TheState() {
  static State* state = new State;
  return *state;
}

// CSC_VERBOSE: 0 silent, 1 a line for each layer, 2 its instructions too.
int Verbosity() {
  const char* value = std::getenv("CSC_VERBOSE");
  const std::string text = value == nullptr ? "" : value;
  if (text.empty()) return 0;
  Require(text == "0" || text == "1" || text == "2", "CSC_VERBOSE is \"{}\": 0, 1 or 2 expected",
          text);
  return text[0] - '0';
}

// "2 x winograd 4x4, direct": the algorithms of the lines that name one, counted, without
// their details and reasons.
std::string Summary(const std::string& detail) {
  std::vector<std::pair<std::string, int>> counts;  // in order of appearance
  std::istringstream lines(detail);
  for (std::string line; std::getline(lines, line);) {
    line.resize(std::min(line.size(), line.find(" (")));  // a reason may have colons too
    const size_t colon = line.find(": ");
    if (colon == std::string::npos) continue;  // there was no choice
    std::string implementation = line.substr(colon + 2);
    implementation.resize(std::min(implementation.size(), implementation.find(": ")));
    const auto found = std::find_if(counts.begin(), counts.end(), [&](const auto& entry) {
      return entry.first == implementation;
    });
    if (found == counts.end()) {
      counts.emplace_back(implementation, 1);
    } else {
      ++found->second;
    }
  }
  std::string text;
  for (const auto& [implementation, count] : counts) {
    if (!text.empty()) text += ", ";
    if (count > 1) text += fmt::format("{} x ", count);
    text += implementation;
  }
  return text;
}

}  // namespace

void SetEngine(const std::string& name) {
  if (!name.empty()) FindEngine(name);  // throws
  State& state = TheState();
  const std::lock_guard<std::mutex> lock(state.mutex);
  if (state.engine == name) return;
  state.engine = name;
  ++state.version;
}

int64_t EngineChoiceVersion() { return TheState().version; }

const Engine& ChosenEngine() {
  std::string name;
  {
    State& state = TheState();
    const std::lock_guard<std::mutex> lock(state.mutex);
    name = state.engine;
  }
  return FindEngine(name);
}

void Publish(const std::shared_ptr<PreparedLayer>& prepared) {
  {
    State& state = TheState();
    const std::lock_guard<std::mutex> lock(state.mutex);
    auto& all = state.prepared;
    all.erase(std::remove_if(all.begin(), all.end(), [](const auto& p) { return p.expired(); }),
              all.end());
    all.push_back(prepared);
  }
  const int verbosity = Verbosity();
  if (verbosity < 1) return;
  std::string text = fmt::format("csc: layer \"{}\" ({}), input {}, engine {}", prepared->layer,
                                 prepared->op, prepared->input, prepared->engine);
  const std::string summary = Summary(prepared->detail);
  text += summary.empty() ? "\n" : fmt::format(": {}\n", summary);
  if (verbosity > 1) {
    std::istringstream lines(prepared->detail);
    for (std::string line; std::getline(lines, line);) {
      text += fmt::format("csc:   {}\n", line);
    }
  }
  std::fputs(text.c_str(), stderr);  // one call, so that lines stay together
}

std::vector<std::shared_ptr<PreparedLayer>> PreparedLayers() {
  State& state = TheState();
  const std::lock_guard<std::mutex> lock(state.mutex);
  std::vector<std::shared_ptr<PreparedLayer>> living;
  for (const auto& weak : state.prepared) {
    if (auto prepared = weak.lock()) living.push_back(std::move(prepared));
  }
  return living;
}

}  // namespace csc
