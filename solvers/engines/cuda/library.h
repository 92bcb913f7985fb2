// The one function of libcsc_cuda.so. The engine crosses its border as a C++
// object, so both sides must have been built from the same declarations with
// the same compiler: the interface says of which.

#ifndef CSC_SOLVERS_ENGINES_CUDA_LIBRARY_H_
#define CSC_SOLVERS_ENGINES_CUDA_LIBRARY_H_

#include <cstddef>

#include "solvers/engines/engine.h"
#include "solvers/program/program.h"

namespace csc::cuda {

// To be raised whenever engine.h, program.h, device_run.h, training_session.h or
// byte_images.h changes in a way that sizes do not show.
constexpr size_t kInterfaceVersion = 6;

struct Interface {
  size_t version = kInterfaceVersion;
  size_t program = sizeof(Program);
  size_t instruction = sizeof(Instruction);
  size_t parameter_info = sizeof(ParameterInfo);
  size_t run_arguments = sizeof(RunArguments);
  size_t prepare_options = sizeof(PrepareOptions);
  size_t opcodes = static_cast<size_t>(Opcode::kChannelGradient);

  bool operator==(const Interface& other) const {
    return version == other.version && program == other.program &&
           instruction == other.instruction && parameter_info == other.parameter_info &&
           run_arguments == other.run_arguments && prepare_options == other.prepare_options &&
           opcodes == other.opcodes;
  }
};

// Returns the engine, which lives as long as the process, or null; writes to
// `detail` what it runs on, or why there is none. Throws nothing.
using OpenFunction = const Engine*(const Interface* callers, char* detail, size_t detail_size);
constexpr char kOpenName[] = "CscCudaOpen";

}  // namespace csc::cuda

extern "C" const csc::Engine* CscCudaOpen(const csc::cuda::Interface* callers, char* detail,
                                          size_t detail_size);

#endif  // CSC_SOLVERS_ENGINES_CUDA_LIBRARY_H_
