// Everything the contract calls bad input, for every operator it applies to.

#ifndef CSC_TESTS_LAYERS_BAD_CASES_H_
#define CSC_TESTS_LAYERS_BAD_CASES_H_

#include <functional>
#include <string>
#include <vector>

#include "tests/layers/layer_case.h"
#include "tests/layers/onnx_model.h"

namespace csc::test {

struct BadCase {
  std::string what;
  LayerCase layer;
  std::vector<std::string> named;  // what the message must contain
  // Changes the model further; may be empty.
  std::function<void(OnnxModel*)> change;
};

const std::vector<BadCase>& AllBadCases();

}  // namespace csc::test

#endif  // CSC_TESTS_LAYERS_BAD_CASES_H_
