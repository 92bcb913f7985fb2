#include "training/data/open.h"

#include "solvers/error.h"
#include "training/data/folder.h"

namespace csc {

DataSet OpenDataSet(const std::string& name, Executor* executor) {
  if (name == "digits") return LoadDigits();
  const size_t colon = name.find(':');
  if (colon != std::string::npos && colon + 1 < name.size()) {
    const std::string kind = name.substr(0, colon);
    const std::string folder = name.substr(colon + 1);
    if (kind == "folder") return LoadFolder(folder, executor);
    if (kind == "cifar10") return LoadCifar10(folder);
  }
  Fail("data set \"{}\" is unknown: digits, folder:DIR or cifar10:DIR expected", name);
}

}  // namespace csc
