// The original binary files of CIFAR-10 and CIFAR-100.

#ifndef CSC_TRAINING_DATA_CIFAR_H_
#define CSC_TRAINING_DATA_CIFAR_H_

#include <string>

#include "training/data/dataset.h"

namespace csc {

// CIFAR-10 from `folder`: data_batch_1.bin .. data_batch_5.bin and
// test_batch.bin, records of one label and 3 x 32 x 32 bytes, red first. Any
// whole number of records is read; a note says where it is not the published
// one. Throws Error naming the file, what was found and what was expected.
DataSet LoadCifar10(const std::string& folder);

// CIFAR-100 from `folder`: train.bin and test.bin, records of a coarse label (of
// 20), a fine label (of 100) and the pixels as above. The fine labels are the
// classes. Where there is a fine_label_names.txt, it must list their names.
DataSet LoadCifar100(const std::string& folder);

}  // namespace csc

#endif  // CSC_TRAINING_DATA_CIFAR_H_
