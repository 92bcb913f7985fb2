#include "solvers/engines/cuda/loader.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>

#include "solvers/engines/cuda/library.h"

namespace csc::cuda {

namespace {

constexpr char kFile[] = "libcsc_cuda.so";
constexpr char kFolder[] = "solvers/engines/cuda/";
constexpr char kWorkspace[] = "csc_dnn/";

std::string RealPath(const std::string& path) {
  char resolved[PATH_MAX];
  return realpath(path.c_str(), resolved) != nullptr ? resolved : path;
}

// The folder of a path, with its last '/'; empty for a bare name.
std::string Folder(const std::string& path) { return path.substr(0, path.rfind('/') + 1); }

// The file that holds this code: the program itself, or a plugin.
std::string ThisFile() {
  Dl_info info;
  if (dladdr(reinterpret_cast<const void*>(&LoadCudaEngine), &info) == 0) return "";
  const std::string file = info.dli_fname != nullptr ? info.dli_fname : "";
  // A program is known by the name it was called by, which need not be a path.
  const bool is_path = file.find('/') != std::string::npos && access(file.c_str(), R_OK) == 0;
  return RealPath(is_path ? file : "/proc/self/exe");
}

LoadedEngine Load() {
  std::string found;
  for (const std::string& path : Candidates()) {
    // The last candidate is a bare name, which only dlopen can look for.
    if (path.find('/') != std::string::npos && access(path.c_str(), R_OK) != 0) continue;
    found = path;
    break;
  }
  if (found.empty()) {
    return {nullptr,
            fmt::format(
                "library not built (bazel build //solvers/engines/cuda:csc_cuda) or not found: {}",
                Candidates()[0])};
  }
  // Never closed: the engine and the GPU's context live in it.
  void* library = dlopen(found.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr) {
    return {nullptr,
            fmt::format(
                "library not built (bazel build //solvers/engines/cuda:csc_cuda) or not found: {}",
                dlerror())};
  }
  auto* open = reinterpret_cast<OpenFunction*>(dlsym(library, kOpenName));
  if (open == nullptr) {
    return {nullptr, fmt::format("{} is another library: {}", found, dlerror())};
  }
  char detail[1024] = "";
  const Interface interface;
  const Engine* engine = open(&interface, detail, sizeof(detail));
  return {engine, detail};
}

}  // namespace

std::vector<std::string> Candidates() {
  const char* asked = std::getenv("CSC_CUDA_LIBRARY");
  if (asked != nullptr && asked[0] != '\0') {
    // A bare name means the working folder, as it does to every other tool.
    const std::string path = asked;
    return {path.find('/') == std::string::npos ? "./" + path : path};
  }
  std::vector<std::string> paths;
  const std::string file = ThisFile();
  std::string folder = Folder(file);
  paths.push_back(folder + kFile);
  const char* runfiles = std::getenv("RUNFILES_DIR");
  if (runfiles == nullptr) runfiles = std::getenv("TEST_SRCDIR");
  if (runfiles != nullptr) {
    paths.push_back(fmt::format("{}/{}{}{}", runfiles, kWorkspace, kFolder, kFile));
  }
  paths.push_back(file + ".runfiles/" + kWorkspace + kFolder + kFile);
  // bazel-bin is one of the folders above a program in it.
  while (folder.size() > 1) {
    paths.push_back(folder + kFolder + kFile);
    folder = Folder(folder.substr(0, folder.size() - 1));
  }
  paths.push_back(kFile);
  return paths;
}

const LoadedEngine& LoadCudaEngine() {
  static const LoadedEngine* const loaded = new LoadedEngine(Load());
  return *loaded;
}

}  // namespace csc::cuda
