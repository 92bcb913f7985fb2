// What tests call kernels.

#ifndef CSC_TESTS_SOLVERS_ENGINES_CUDA_KERNEL_NAMES_H_
#define CSC_TESTS_SOLVERS_ENGINES_CUDA_KERNEL_NAMES_H_

#include <cxxabi.h>

#include <cstdlib>
#include <memory>
#include <regex>
#include <string>

namespace csc::test {

// A name of the compiler's as it is written in csc::cuda.
inline std::string Demangled(const std::string& mangled) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> text(
      abi::__cxa_demangle(mangled.c_str(), nullptr, nullptr, &status), std::free);
  return std::regex_replace(status == 0 ? text.get() : mangled, std::regex("csc::cuda::"), "");
}

// RunFlat<K> of "void csc::cuda::RunFlat<csc::cuda::K>(csc::cuda::K, ...)".
inline std::string KernelName(const std::string& mangled) {
  std::string kernel = Demangled(mangled);
  kernel = kernel.substr(kernel.find("Run"));
  return kernel.substr(0, kernel.rfind(">(") + 1);
}

}  // namespace csc::test

#endif  // CSC_TESTS_SOLVERS_ENGINES_CUDA_KERNEL_NAMES_H_
