// Writes the ONNX model that the Python test runs: small integers that both
// compute from the same formula.

#include <fstream>
#include <iostream>

#include "tests/layers/onnx_model.h"

namespace {

// ((7 i) mod 5 - 2) / 8 for i = 0, 1, ...
csc::Tensor Filters(const csc::Dims& dims) {
  csc::Tensor tensor{dims, std::vector<float>(csc::NumElements(dims))};
  for (size_t i = 0; i < tensor.data.size(); ++i) {
    tensor.data[i] = (static_cast<float>(7 * i % 5) - 2) / 8;
  }
  return tensor;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: write_model FILE\n";
    return 2;
  }
  csc::test::OnnxModel model;
  model.Input("x", {-1, 2, -1, -1})
      .Constant("F", Filters({3, 2, 3, 3}))
      .Constant("b", {{5}, {0.125f, 0.25f, 0, 0.5f, 0.125f}})
      .Constant("c", {{1}, {0.5f}});
  onnx::NodeProto* node = model.Node("csc", "MsdCsc", "code", {"x", "F", "b", "c"}, {"y"});
  csc::test::SetAttribute(node, "pads", std::vector<int64_t>{1, 1, 1, 1});
  csc::test::SetAttribute(node, "unfolding", int64_t{1});
  model.Output("y");
  std::ofstream file(argv[1], std::ios::binary);
  file << model.Bytes();
  return file.flush() ? 0 : 1;
}
