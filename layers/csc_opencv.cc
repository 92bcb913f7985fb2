#include "layers/csc_opencv.h"

#include <fmt/format.h>

#include <string>

#include "layers/engine_choice.h"
#include "layers/registration.h"
#include "solvers/engines/registry.h"

namespace {

thread_local std::string last_error;

// Runs body(); nothing is thrown to callers that may be written in C.
template <typename Body>
bool Try(Body&& body) noexcept {
  try {
    body();
    last_error.clear();
    return true;
  } catch (const std::exception& error) {
    last_error = error.what();
  } catch (...) {
    last_error = "an exception of unknown type";
  }
  return false;
}

// Loading the library registers its layers. csc_register_layers tells why
// where that failed: an exception here would end the process.
const bool registered_at_load = Try(csc::RegisterLayers);

}  // namespace

extern "C" {

int csc_register_layers(void) { return Try(csc::RegisterLayers) ? 0 : -1; }

int csc_set_engine(const char* name) {
  return Try([&] { csc::SetEngine(name == nullptr ? "" : name); }) ? 0 : -1;
}

const char* csc_engine(void) {
  thread_local std::string text;
  if (!Try([] { text = csc::ChosenEngine().name(); })) text.clear();
  return text.c_str();
}

const char* csc_engines(void) {
  thread_local std::string text;
  Try([] {
    text.clear();
    for (const csc::EngineInfo& info : csc::KnownEngines()) {
      text +=
          fmt::format("{}\t{}\t{}\n", info.name, info.present ? "present" : "absent", info.detail);
    }
  });
  return text.c_str();
}

const char* csc_last_engine(const char* layer) {
  thread_local std::string text;
  text.clear();
  Try([&] {
    for (const auto& prepared : csc::PreparedLayers()) {
      if (layer != nullptr && prepared->layer == layer && prepared->runs > 0) {
        text = prepared->engine;
      }
    }
  });
  return text.c_str();
}

const char* csc_report(void) {
  thread_local std::string text;
  Try([] {
    text.clear();
    for (const auto& prepared : csc::PreparedLayers()) {
      text += fmt::format("{}\t{}\t{}\t{}\t{}\n", prepared->layer, prepared->op, prepared->input,
                          prepared->engine, prepared->runs.load());
    }
  });
  return text.c_str();
}

const char* csc_last_error(void) { return last_error.c_str(); }

}  // extern "C"
