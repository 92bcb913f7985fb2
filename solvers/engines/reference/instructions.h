// One function for each instruction, on whole batches in NCHW.

#ifndef CSC_SOLVERS_ENGINES_REFERENCE_INSTRUCTIONS_H_
#define CSC_SOLVERS_ENGINES_REFERENCE_INSTRUCTIONS_H_

#include <cstdint>
#include <vector>

#include "solvers/program/program.h"

namespace csc::reference {

// A batch of one value.
template <typename T>
struct Batch {
  Shape shape;
  std::vector<T> data;  // [N, C, H, W]

  T& at(int64_t n, int64_t c, int64_t h, int64_t w) {
    return data[((n * shape.channels + c) * shape.height + h) * shape.width + w];
  }
  const T& at(int64_t n, int64_t c, int64_t h, int64_t w) const {
    return data[((n * shape.channels + c) * shape.height + h) * shape.width + w];
  }
};

// Everything an instruction may touch.
template <typename T>
struct Machine {
  const Program* program;
  int64_t batch;
  const std::vector<T>* parameters;
  const int32_t* labels;
  std::vector<Batch<T>> values;                 // by value
  std::vector<std::vector<double>> statistics;  // two rows of C each
  std::vector<double> gradients;
  double loss = 0;
  int64_t correct = 0;
};

// constant * parameter entry.
template <typename T>
double CoefficientValue(const Coefficient& c, const Machine<T>& m) {
  if (c.parameter < 0) return c.constant;
  const ParameterInfo& info = m.program->parameters()[c.parameter];
  return c.constant * (*m.parameters)[info.offset + c.offset];
}

template <typename T>
void Execute(const Instruction& instruction, Machine<T>* machine);

// Instructions with files of their own.
template <typename T>
void LinearMap(const Instruction& instruction, Machine<T>* machine);
template <typename T>
void FilterGradient(const Instruction& instruction, Machine<T>* machine);
template <typename T>
void MaxPool(const Instruction& instruction, Machine<T>* machine);
template <typename T>
void MaxPoolAdjoint(const Instruction& instruction, Machine<T>* machine);
template <typename T>
void AveragePool(const Instruction& instruction, Machine<T>* machine);
template <typename T>
void AveragePoolAdjoint(const Instruction& instruction, Machine<T>* machine);
template <typename T>
void Shortcut(const Instruction& instruction, Machine<T>* machine);
template <typename T>
void ShortcutAdjoint(const Instruction& instruction, Machine<T>* machine);

extern template void Execute(const Instruction&, Machine<float>*);
extern template void Execute(const Instruction&, Machine<double>*);

}  // namespace csc::reference

#endif  // CSC_SOLVERS_ENGINES_REFERENCE_INSTRUCTIONS_H_
