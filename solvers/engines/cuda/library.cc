#include "solvers/engines/cuda/library.h"

#include <cstdio>
#include <exception>
#include <string>

#include "solvers/engines/cuda/cuda_engine.h"

extern "C" __attribute__((visibility("default"))) const csc::Engine* CscCudaOpen(
    const csc::cuda::Interface* callers, char* detail, size_t detail_size) {
  const auto say = [&](const char* text) { std::snprintf(detail, detail_size, "%s", text); };
  try {
    if (!(*callers == csc::cuda::Interface{})) {
      say("the library was built from another version of this project: build it again");
      return nullptr;
    }
    static std::string opened;
    static const csc::Engine* const engine = csc::cuda::OpenEngine(&opened).release();
    say(opened.c_str());
    return engine;
  } catch (const std::exception& error) {
    say(error.what());
    return nullptr;
  }
}
