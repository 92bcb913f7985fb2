// Small trainings for tests.

#ifndef CSC_TESTS_TRAINING_SMALL_TRAINING_H_
#define CSC_TESTS_TRAINING_SMALL_TRAINING_H_

#include <cstdint>
#include <string>

#include "training/data/dataset.h"
#include "training/options.h"

namespace csc::test {

// The digits, limited as `options` say, like the driver does.
inline DataSet DataOf(const TrainingOptions& options) {
  DataSet data = LoadDigits();
  Limit(&data.train, options.limit_train);
  Limit(&data.test, options.limit_test);
  if (options.validation > 0) HoldOut(&data, options.validation);
  return data;
}

// A model small enough for the reference engine, every kind of parameter in
// it, and three steps an epoch, the last one smaller.
inline TrainingOptions TinyOptions() {
  TrainingOptions options;
  options.model.depth = 3;
  options.model.width = 3;
  options.model.unfolding = 2;
  options.epochs = 3;
  options.batch_size = 16;
  options.limit_train = 40;
  options.limit_test = 20;
  options.augment = true;
  options.weight_decay = 1e-3;
  options.seed = 5;
  return ResolveOptions(options);
}

}  // namespace csc::test

#endif  // CSC_TESTS_TRAINING_SMALL_TRAINING_H_
