#include "training/data/open.h"

#include <fmt/format.h>

#include <iterator>

#include "solvers/error.h"
#include "training/data/cifar.h"
#include "training/data/folder.h"
#include "training/data/svhn.h"

namespace csc {

namespace {

// Data sets that are read from a folder, as in "kind:DIR".
struct Kind {
  const char* name;
  const char* files;  // that DIR holds, for users
  DataSet (*load)(const std::string& folder, Executor* executor);
};

constexpr Kind kKinds[] = {
    {"folder", "DIR/train/CLASS/*, DIR/test/CLASS/*", LoadFolder},
    {"cifar10", "the binary files",
     [](const std::string& folder, Executor*) { return LoadCifar10(folder); }},
    {"cifar100", "the binary files",
     [](const std::string& folder, Executor*) { return LoadCifar100(folder); }},
    {"svhn", "train_32x32.mat, test_32x32.mat",
     [](const std::string& folder, Executor*) { return LoadSvhn(folder); }},
};

}  // namespace

std::string DataSetNames() {
  std::string names = "digits";
  for (const Kind& kind : kKinds) {
    names += fmt::format("{} {}:DIR ({})", &kind == std::end(kKinds) - 1 ? " or" : ",", kind.name,
                         kind.files);
  }
  return names;
}

DataSet OpenDataSet(const std::string& name, Executor* executor) {
  if (name == "digits") return LoadDigits();
  const size_t colon = name.find(':');
  if (colon != std::string::npos && colon + 1 < name.size()) {
    for (const Kind& kind : kKinds) {
      if (name.substr(0, colon) == kind.name) return kind.load(name.substr(colon + 1), executor);
    }
  }
  Fail("data set \"{}\" is unknown: {} expected", name, DataSetNames());
}

}  // namespace csc
