// Writes a small classifier to the path given.

#include "tests/training/onnx/test_networks.h"
#include "training/onnx/onnx_file.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const csc::TestNetwork test = csc::SmallClassifier();
  csc::WriteOnnx(test.network, test.input, csc::OnnxForm::kFused, argv[1]);
  return 0;
}
