// Kernels as the compiler for the device leaves them: the part of PTX that ours
// consist of, parsed. What it does not know ends the process.

#ifndef CSC_TESTS_SOLVERS_ENGINES_CUDA_EMULATED_PTX_H_
#define CSC_TESTS_SOLVERS_ENGINES_CUDA_EMULATED_PTX_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace csc::test::ptx {

// Prints why, and ends the process: whoever is in a kernel has nobody to throw to.
[[noreturn]] void Stop(const std::string& why);

enum class Op {
  kMove,
  kPack,    // two halves to one register
  kUnpack,  // and back
  kThread,  // %tid.x
  kBlock,   // %ctaid.x
  kLoad,
  kStore,
  kAdd,
  kSubtract,
  kMultiply,
  kMultiplyWide,  // 32 bits to 64
  kMultiplyAdd,
  kDivide,
  kSquareRoot,
  kReciprocal,
  kNegate,
  kAbsolute,
  kCopySign,
  kMinimum,
  kMaximum,
  kShiftLeft,
  kShiftRight,
  kAnd,
  kOr,
  kXor,
  kNot,
  kInsertBits,
  kSelect,
  kCompare,
  kConvert,
  kConvertTf32,
  kConvertBfloat16,
  kBranch,
  kReturn,
  kBarrier,
  kWaitForBefore,  // griddepcontrol.wait
  kLetNextBegin,   // griddepcontrol.launch_dependents
  kMmaTf32,
  kMmaBfloat16,
};

enum class Type { kU8, kU16, kS16, kU32, kS32, kU64, kS64, kF32, kF64, kB16, kB32, kB64, kPred };
enum class Space { kGlobal, kShared, kParameters };
// Those that end in U hold for what is not a number.
enum class Compare { kEq, kNe, kLt, kLe, kGt, kGe, kEqU, kNeU, kLtU, kLeU, kGtU, kGeU, kNaN };

int BytesOf(Type type);

struct Operand {
  bool is_register = false;
  uint64_t value = 0;  // the register, or the constant
};

struct Instruction {
  Op op = Op::kReturn;
  Type type = Type::kB32;
  Type source_type = Type::kB32;  // of kConvert
  Compare compare = Compare::kEq;
  Space space = Space::kGlobal;
  int width = 1;           // elements that a load or store moves
  bool read_only = false;  // a load through the cache for what nobody writes
  int predicate = -1;      // a register, or none
  bool unless = false;
  Operand results[4];
  Operand sources[10];
  Operand address;
  int64_t offset = 0;  // of the address
  int target = -1;     // of a branch
  std::string text;
};

struct Kernel {
  struct Parameter {
    int offset, bytes;
  };

  std::string name;
  std::vector<Instruction> code;
  int registers = 0;
  std::vector<Parameter> parameters;
  int parameter_bytes = 0;
  int shared_bytes = 0;  // besides what a launch asks for
  int most_threads = 0;  // of a block
};

// By name.
std::map<std::string, Kernel> Parse(const std::string& text);

}  // namespace csc::test::ptx

#endif  // CSC_TESTS_SOLVERS_ENGINES_CUDA_EMULATED_PTX_H_
