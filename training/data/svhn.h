// The Street View House Numbers, cropped digits, in their MATLAB files.

#ifndef CSC_TRAINING_DATA_SVHN_H_
#define CSC_TRAINING_DATA_SVHN_H_

#include <string>

#include "training/data/dataset.h"

namespace csc {

// Reads train_32x32.mat and test_32x32.mat of `folder`: X, [32, 32, 3, N] of
// uint8 (row, column, colour, image; the row fastest), and y, [N, 1] of double
// or uint8, digits where 10 stands for 0. Digits are not mirrored. Throws Error
// naming the file, what was found and what was expected.
DataSet LoadSvhn(const std::string& folder);

}  // namespace csc

#endif  // CSC_TRAINING_DATA_SVHN_H_
