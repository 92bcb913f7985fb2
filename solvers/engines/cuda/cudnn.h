// cuDNN, as the engine needs it: which linear maps it serves, and what it wants for them.

#ifndef CSC_SOLVERS_ENGINES_CUDA_CUDNN_H_
#define CSC_SOLVERS_ENGINES_CUDA_CUDNN_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "solvers/engines/cuda/cudnn_convolution.h"
#include "solvers/engines/engine.h"
#include "solvers/program/program.h"

namespace csc::cuda {

enum class CudnnUse {
  kAuto,  // what its table names, where there is a cuDNN
  kOff,
  kAll,  // everything it can do, to compare; an error where there is none
};

// "auto", "off", "all".
const char* Name(CudnnUse use);
// What the environment variable CSC_CUDNN names, else `otherwise`. Throws Error for
// another value.
CudnnUse ChosenCudnnUse(CudnnUse otherwise);

// A cuDNN that is ready to be called.
class Cudnn {
 public:
  virtual ~Cudnn() = default;
  virtual std::string version() const = 0;  // "9.19.0"
  // What `call` wants at its workspace; -1 where cuDNN declines it. Addresses do not
  // matter.
  virtual int64_t WorkspaceBytes(const CudnnConvolution& call) = 0;
};

// Algorithms by instruction, tried in order. All are deterministic and, with products of
// float32, exact on small integers: no FFT, no Winograd.
struct CudnnAlgorithm {
  Opcode op;
  int32_t algorithm;
  const char* name;
};
inline constexpr CudnnAlgorithm kCudnnAlgorithms[] = {
    {Opcode::kAnalysis, 1, "implicit_precomp_gemm"},
    {Opcode::kAnalysis, 0, "implicit_gemm"},
    {Opcode::kSynthesis, 1, "bwd_data_1"},
    {Opcode::kFilterGradient, 1, "bwd_filter_1"},
};

// What kAuto gives to cuDNN. Rows are estimates; none was measured yet.
struct CudnnRule {
  Opcode op;
  bool dilated;  // dilated ones, too
  // At least so many on both sides; 0: what tensor cores have no kernel for, whatever the
  // arithmetic.
  int64_t channels;
  int64_t products;  // of an image, at least
};
// Changes with any row here or above.
inline constexpr int kCudnnTableVersion = 1;
inline constexpr CudnnRule kCudnnTable[] = {
    {Opcode::kAnalysis, true, 0, 1 << 20},
    {Opcode::kSynthesis, false, 0, 1 << 20},
    {Opcode::kFilterGradient, false, 0, 1 << 20},
    // Very wide: ours load and compute in turns.
    {Opcode::kAnalysis, false, 256, 1 << 20},
    {Opcode::kSynthesis, false, 256, 1 << 20},
    {Opcode::kFilterGradient, false, 256, 1 << 20},
};

// What cuDNN does of a program.
struct CudnnPlan {
  // By instruction of the program: null where another kernel serves it.
  struct Choice {
    const CudnnAlgorithm* algorithm = nullptr;
    const char* reason = nullptr;  // of the choice; null where cuDNN was not asked
  };

  Cudnn* library = nullptr;  // null where it serves nothing
  std::vector<Choice> choices;
  std::string summary;  // for people; empty where nobody asks for cuDNN

  // Of an instruction of the program that this was made for; made for none, none.
  const Choice& Find(const Program& program, const Instruction& instruction) const;
  bool Serves(const Program& program, const Instruction& instruction) const {
    return Find(program, instruction).algorithm != nullptr;
  }
};

// `open` gives null with the reason where there is no cuDNN, and is only called where one
// is wanted. Products that the table wants are taken `factor` times. Throws EngineDeclined
// where kAll finds none.
CudnnPlan PlanCudnn(const Program& program, Arithmetic arithmetic, CudnnUse use, double factor,
                    const std::function<Cudnn*(std::string*)>& open);

// Analysis, synthesis or filter gradient `i` but for the addresses, strides between samples
// as where there are no gaps.
CudnnConvolution CudnnCall(const Program& program, const Instruction& i, Arithmetic arithmetic,
                           const CudnnAlgorithm& algorithm, int64_t batch);

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_CUDNN_H_
