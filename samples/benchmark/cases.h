// What is measured, as data: networks, sizes, and the named selections of them.

#ifndef CSC_SAMPLES_BENCHMARK_CASES_H_
#define CSC_SAMPLES_BENCHMARK_CASES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "training/models/model.h"

namespace csc {

enum class Phase { kInference, kTraining };

// "inference" or "training"; throws Error for anything else.
Phase PhaseByName(const std::string& name);
const char* Name(Phase phase);

// A network, what is done with it, on square images of three channels, in which
// batches.
struct Case {
  ModelOptions model;
  Phase phase = Phase::kInference;
  int64_t side = 32;
  std::vector<int64_t> batches;
};

// "msd_csc d=12 w=32 u=2 fista", with " bare" behind it where a model that has
// batch normalisation is trained without.
std::string NetworkName(const ModelOptions& model);

// A named selection.
struct Suite {
  std::string name;
  std::string about;
  // Whether it varies one network, which the caller may choose, or brings its
  // own.
  bool takes_network = false;
};

const std::vector<Suite>& Suites();

// The cases of a suite. `network` is used by suites that take one. Throws Error
// for an unknown name.
std::vector<Case> CasesOf(const std::string& suite, const ModelOptions& network);

// MSD-CSC as the paper's largest, twelve layers of 32 filters, with two steps
// of FISTA after the first.
ModelOptions DefaultNetwork();

}  // namespace csc

#endif  // CSC_SAMPLES_BENCHMARK_CASES_H_
