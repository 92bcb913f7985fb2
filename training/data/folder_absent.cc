// Stands in for folder.cc where the driver is built without OpenCV, by
// training/build_bare.sh.

#include "solvers/error.h"
#include "training/data/folder.h"

namespace csc {

DataSet LoadFolder(const std::string& folder, Executor*) {
  Fail("{}: this program was built without OpenCV, which reads pictures: digits, cifar10:DIR, "
       "cifar100:DIR or svhn:DIR expected",
       folder);
}

}  // namespace csc
