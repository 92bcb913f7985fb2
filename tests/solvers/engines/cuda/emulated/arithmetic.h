// What single instructions compute, after the PTX ISA.

#ifndef CSC_TESTS_SOLVERS_ENGINES_CUDA_EMULATED_ARITHMETIC_H_
#define CSC_TESTS_SOLVERS_ENGINES_CUDA_EMULATED_ARITHMETIC_H_

#include <cstdint>

#include "tests/solvers/engines/cuda/emulated/ptx.h"

namespace csc::test::ptx {

inline uint64_t ValueOf(const Operand& operand, const uint64_t* registers) {
  return operand.is_register ? registers[operand.value] : operand.value;
}

// Everything but memory, control and matrices.
void Compute(const Instruction& instruction, uint64_t* registers);

// D = A B + D of a warp, whose lanes have these registers. Bits that the format of a
// factor does not have are ignored.
void MultiplyMatrices(const Instruction& instruction, uint64_t* const* registers);

}  // namespace csc::test::ptx

#endif  // CSC_TESTS_SOLVERS_ENGINES_CUDA_EMULATED_ARITHMETIC_H_
