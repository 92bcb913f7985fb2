// Which engine layers run on, and what they ran on: state of the process.

#ifndef CSC_LAYERS_ENGINE_CHOICE_H_
#define CSC_LAYERS_ENGINE_CHOICE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "solvers/engines/engine.h"

namespace csc {

// Makes `name` the engine of layers prepared from now on; "" goes back to the
// default. Throws Error for an unknown or absent engine.
void SetEngine(const std::string& name);

// Changes whenever SetEngine changes the choice, so that a layer can tell
// cheaply whether it was prepared for another engine.
int64_t EngineChoiceVersion();

// The engine chosen: by SetEngine, else by CSC_ENGINE, else the first present:
// "onednn". Throws Error, never falls back.
const Engine& ChosenEngine();

// What one prepared layer says of itself. Immutable but for `runs`.
struct PreparedLayer {
  std::string layer;
  std::string op;
  std::string input;  // sizes
  std::string engine;
  std::string detail;  // what implements it, one line an instruction
  std::atomic<int64_t> runs{0};
};

// Makes `prepared` part of the report for as long as the caller keeps it, and
// prints it on stderr where CSC_VERBOSE asks for that.
void Publish(const std::shared_ptr<PreparedLayer>& prepared);

// The living prepared layers, oldest first.
std::vector<std::shared_ptr<PreparedLayer>> PreparedLayers();

}  // namespace csc

#endif  // CSC_LAYERS_ENGINE_CHOICE_H_
