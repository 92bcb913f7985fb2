// What stages compute anew rather than read, and what is folded into what.

#ifndef CSC_SOLVERS_ENGINES_ONEDNN_RECOMPUTE_H_
#define CSC_SOLVERS_ENGINES_ONEDNN_RECOMPUTE_H_

#include "solvers/engines/onednn/schedule.h"
#include "solvers/program/program.h"

namespace csc::onednn {

// Both change a schedule whose units are not ordered yet.

// A later stage computes anew what costs it no more than reading it would: the
// normalisation of a value, and sums of few terms and masks of what is there all
// the same. Neither is then kept for the whole batch, nor written to memory and
// read again. Linear maps, where asked for, are computed anew as far back as the next
// join or pool.
void RecomputeAcrossStages(const Program& program, Recomputed recomputed, Schedule* schedule);

// A sum, its normalisation and the pointwise instruction behind it become one where
// nothing else reads what lies between.
void FoldNormalisations(const Program& program, Schedule* schedule);

}  // namespace csc::onednn

#endif  // CSC_SOLVERS_ENGINES_ONEDNN_RECOMPUTE_H_
