// Which instructions of a program run together, and which values lie within others.

#ifndef CSC_SOLVERS_ENGINES_CUDA_STEPS_H_
#define CSC_SOLVERS_ENGINES_CUDA_STEPS_H_

#include <cstdint>
#include <vector>

#include "solvers/program/program.h"

namespace csc::cuda {

// An instruction of a step.
struct Link {
  int instruction = -1;
  // Which of its terms has just been computed, and is at hand: by the link before or,
  // for the first, by the step's convolution. -1: none.
  int carried = -1;
  bool stored = true;  // else only the rest of the step needs its result
};

// Sums over the batch that one pass gives: a statistic, or one or two gradients, the plain
// and the weighted sum of the same value.
struct Sums {
  int link = -1;  // of the step, whose result is summed; -1: a value from memory
  std::vector<int> instructions;
};

// What one kernel does: an instruction of the program. A pointwise one may take the
// analysis or synthesis of one of its terms along, which then ends in the pointwise
// arithmetic. Pointwise instructions and masks on results of the same shape may follow at
// once, element by element, and where no convolution is in it, sums of any of its results.
struct Step {
  int convolution = -1;  // the instruction taken along, or -1
  std::vector<Link> links;
  std::vector<Sums> sums;  // with no link: all of the step

  int instruction() const { return links.empty() ? sums[0].instructions[0] : links[0].instruction; }
};

// Where a value is: in itself, or in a whole that it is a part of.
struct Place {
  ValueId whole = -1;
  int64_t inside = 0;  // in floats, of each sample
};

// A value that a step reads from memory, and the instruction that needs it.
struct Reading {
  ValueId value = -1;
  int instruction = -1;
};

struct Steps {
  std::vector<Step> list;
  // By value: for those that are never stored because each use computes them anew, the
  // pointwise instruction, of one term, that defines them; -1 for others.
  std::vector<int> recomputed;
  // By value. Parts of a join are computed where they are joined, and views are read where
  // they are, but inputs and outputs are wholes. A value that is never stored is, too.
  std::vector<Place> places;

  // Whether this term of a join or view, or each of them, is where its copy would be.
  bool IsInPlace(const Program& program, const Instruction& copy, const Term& term) const;
  bool IsInPlace(const Program& program, const Instruction& copy) const;
  // All that a step reads, for a value that is not stored that which it is computed from.
  // What a link before has computed is at hand, unless it asks for it as another term.
  std::vector<Reading> ReadingsOf(const Program& program, const Step& step) const;
  // The values of them that it has not written itself, each once.
  std::vector<ValueId> ReadBy(const Program& program, const Step& step) const;
};

Steps MakeSteps(const Program& program);

// Whether a step is one kernel that ends in an epilogue: not so sums too long for one, nor
// what neither convolves nor maps elements.
bool EndsInEpilogue(const Program& program, const Step& step);

}  // namespace csc::cuda

#endif  // CSC_SOLVERS_ENGINES_CUDA_STEPS_H_
