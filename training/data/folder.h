// Data sets as folders of pictures. The one part of training that needs
// OpenCV.

#ifndef CSC_TRAINING_DATA_FOLDER_H_
#define CSC_TRAINING_DATA_FOLDER_H_

#include <string>

#include "solvers/executor.h"
#include "training/data/dataset.h"

namespace csc {

// Reads FOLDER/train/CLASS/* and FOLDER/test/CLASS/* in sorted order; the
// classes are the folders of FOLDER/train. The first training picture decides
// the size (others are resized to it) and whether all are read as grey or as
// RGB. Files and folders whose name starts with a dot are skipped, and with a
// note so are files that are pictures neither by their extension nor by their
// first bytes. Classes that the test set lacks, pictures of another size and
// pictures in colour that are read as grey are noted too. Throws Error for a
// missing folder, a class without pictures, a class that only the test set has,
// and a picture that cannot be read, naming it.
DataSet LoadFolder(const std::string& folder, Executor* executor);

}  // namespace csc

#endif  // CSC_TRAINING_DATA_FOLDER_H_
