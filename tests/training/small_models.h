// Every model of the registry in small, for the tests that all of them pass.

#ifndef CSC_TESTS_TRAINING_SMALL_MODELS_H_
#define CSC_TESTS_TRAINING_SMALL_MODELS_H_

#include <set>
#include <string>
#include <vector>

#include "tests/solvers/run.h"
#include "training/models/model.h"
#include "training/models/training_program.h"

namespace csc::test {

// Models whose pursuit can be unfolded, and those that cannot be normalised.
// model_test compares both lists with what the registry accepts.
const std::set<std::string>& UnfoldedModels();
const std::set<std::string>& BareModels();

struct ModelCase {
  std::string model;
  std::string normalisation;
  int unfolding;
  std::string algorithm;
};

// "msd_csc_batch_2_fista"
std::string NameOf(const ModelCase& c);

// All models with and without normalisation, unfolded 0 to 2 times by ISTA and
// by FISTA, as far as they have the choice.
std::vector<ModelCase> AllModelCases();

struct SmallModel {
  Model model;
  TrainingProgram training;
  Work work;  // random images and labels; parameters away from the kinks at 0
};

SmallModel MakeSmallModel(const ModelCase& c);

}  // namespace csc::test

#endif  // CSC_TESTS_TRAINING_SMALL_MODELS_H_
