// Engines run programs. All sit behind this interface, in two steps:
//
//   Prepare  validates, chooses layouts and algorithms; may be slow.
//   Run      computes; allocates nothing that grows with batch or size once
//            the batch has been reserved, takes no locks, writes no log.
//
// Ownership: an Executable keeps its own copy of the program, packed
// parameters and scratch memory. Inputs, outputs, gradients and the executor
// belong to the caller. One Executable serves one Run at a time; different
// Executables are independent of each other.

#ifndef CSC_SOLVERS_ENGINES_ENGINE_H_
#define CSC_SOLVERS_ENGINES_ENGINE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "solvers/executor.h"
#include "solvers/program/program.h"

namespace csc {

struct RunArguments {
  int64_t batch = 0;
  // One NCHW array for each input and each output of the program. An output
  // may be null: it is then not written.
  std::vector<const float*> inputs;
  std::vector<float*> outputs;
  Executor* executor = nullptr;  // null: serial

  // --- programs with a loss or gradients only; null where absent ---
  const int32_t* labels = nullptr;  // [batch], in 0..K-1
  float* gradients = nullptr;       // [program.parameter_size()], overwritten
  // For each statistic in order its two rows: for moments the means, then the
  // biased variances.
  float* statistics = nullptr;
  double* loss = nullptr;      // mean over the batch
  int64_t* correct = nullptr;  // samples whose largest logit is their label's
};

// What an engine may do with float32 values on their way through a linear map.
enum class Arithmetic {
  kDirect,    // sums of float32 products as written: exact on small integers
  kFloat32,   // any float32 algorithm, fast ones (Winograd) included
  kTf32,      // products of TF32-rounded factors, summed in float32
  kBfloat16,  // products of bfloat16-rounded factors, summed in float32
};

// "direct", "float32", "tf32", "bf16".
const char* Name(Arithmetic arithmetic);
// Throws Error for any other name.
Arithmetic ArithmeticByName(const std::string& name);

// What an engine may hold for programs with a loss and batch statistics, whose
// backward pass reads values of all images.
enum class Memory {
  kFast,   // all that takes a linear map to compute anew
  kSmall,  // little: the backward pass repeats linear maps of the forward pass
};

// "fast", "small".
const char* Name(Memory memory);
// Throws Error for any other name.
Memory MemoryByName(const std::string& name);

struct PrepareOptions {
  Arithmetic arithmetic = Arithmetic::kFloat32;
  Memory memory = Memory::kFast;
  bool keep_times = false;  // for Executable::times; costs about 1 % where it is kept
};

// Where the time of all runs so far went: seconds, summed over workers.
struct Times {
  double total = 0;        // of runs, times their workers
  double maps = 0;         // analyses and syntheses
  double gradients = 0;    // of filters
  double elementwise = 0;  // sums, thresholds, masks, normalisation, channel gradients
  double layout = 0;       // conversion of inputs and outputs, joins, views
  double other = 0;        // pooling, shortcuts, losses

  // Waiting for other workers, and what is done between parallel regions.
  double rest() const { return total - maps - gradients - elementwise - layout - other; }
};

// The members of Times.
inline constexpr std::array<double Times::*, 6> kTimesKinds = {
    &Times::total,       &Times::maps,   &Times::gradients,
    &Times::elementwise, &Times::layout, &Times::other};

// For callers who do not say: the environment variables CSC_ARITHMETIC and
// CSC_MEMORY, each one of the names above, else float32 and fast. Throws Error for
// any other value.
PrepareOptions ChosenOptions();

class Executable {
 public:
  virtual ~Executable() = default;

  // Copies (and packs) the parameters: program.parameter_size() floats. Until then all are 0.
  virtual void SetParameters(const float* parameters) = 0;

  // Sizes the workspace for this batch and this many workers, so that Run
  // with them allocates nothing. Optional: Run does it when it must.
  virtual void Reserve(int64_t batch, int workers) = 0;

  // Same inputs, same bits, whatever the executor.
  virtual void Run(const RunArguments& arguments) = 0;

  // Bytes of workspace held now, packed parameters included.
  virtual int64_t WorkspaceBytes() const = 0;

  // Null unless it was asked for and the engine keeps them.
  virtual const Times* times() const { return nullptr; }

  // For people. A line a step, in order; where there was a choice, `: algorithm (reason)`,
  // with `: details` before the reason where there are any. Lines on the whole may follow.
  virtual std::string Describe() const = 0;
};

class Engine {
 public:
  virtual ~Engine() = default;
  virtual const std::string& name() const = 0;
  // What decides its results' bits on this machine, beside program and arithmetic:
  // versions, instruction set. Empty where nothing does.
  virtual std::string algorithms() const { return ""; }
  // Throws EngineDeclined, with the reason, for a program it cannot run.
  virtual std::unique_ptr<Executable> Prepare(const Program& program,
                                              const PrepareOptions& options) const = 0;
  std::unique_ptr<Executable> Prepare(const Program& program) const {
    return Prepare(program, ChosenOptions());
  }
};

// For engines that know no other: throws EngineDeclined for TF32 and bfloat16, and
// for small memory.
void RequireFloat32(const std::string& engine, const PrepareOptions& options);
void RequireFastMemory(const std::string& engine, const PrepareOptions& options);

// Checks `arguments` against `program`: counts, null pointers, batch, labels.
// Throws Error.
void CheckRunArguments(const Program& program, const RunArguments& arguments);
// The labels alone.
void CheckLabels(const Program& program, const int32_t* labels, int64_t batch);

}  // namespace csc

#endif  // CSC_SOLVERS_ENGINES_ENGINE_H_
