// Data sets by name, as given on the command line.

#ifndef CSC_TRAINING_DATA_OPEN_H_
#define CSC_TRAINING_DATA_OPEN_H_

#include <string>

#include "solvers/executor.h"
#include "training/data/dataset.h"

namespace csc {

// The names there are, for --help and for errors, in one line.
std::string DataSetNames();

// The data set of such a name. Throws Error.
DataSet OpenDataSet(const std::string& name, Executor* executor);

}  // namespace csc

#endif  // CSC_TRAINING_DATA_OPEN_H_
